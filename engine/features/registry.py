"""What a feature is: a compiled recursion that carries its state, so years at once and bar by bar agree bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Feature:
    """`advance(*inputs, length, carry, out)` writes one value per bar and leaves in `carry` what the next bar needs.

    `inputs` names bar columns. A value is NaN until `warm_up(length)` bars have been seen. `two`, where there is one,
    does the same for two lengths in one pass: `two(*inputs, length, carry, out, length, carry, out)`.
    """

    name: str
    advance: Callable[..., None]
    inputs: tuple[str, ...]
    carry_size: int
    warm_up: Callable[[int], int]
    two: Callable[..., None] | None = None

    def advance_all(self, inputs: Sequence[Column], asked: Sequence[tuple[int, Column, Column]]) -> None:
        """Every (length, carry, out) of `asked` over the same bars."""
        done, two = 0, self.two
        while two is not None and done + 2 <= len(asked):
            two(*inputs, *asked[done], *asked[done + 1])
            done += 2
        for length, carry, out in asked[done:]:
            self.advance(*inputs, length, carry, out)

    def fresh(self) -> Column:
        """The carry before the first bar."""
        return np.zeros(self.carry_size)


_FEATURES: dict[str, Feature] = {}
_BUILT_IN: set[str] = set()


def feature(
    inputs: tuple[str, ...],
    carry_size: int,
    warm_up: Callable[[int], int],
    two: Callable[..., None] | None = None,
) -> Callable[[Callable[..., None]], Feature]:
    """Register a compiled recursion under its own name."""

    def registered(advance: Callable[..., None]) -> Feature:
        made = Feature(advance.__name__, advance, inputs, carry_size, warm_up, two)
        _BUILT_IN.add(made.name)
        _FEATURES[made.name] = made
        return made

    return registered


def register(made: Feature) -> Feature:
    """Make a feature of one's own findable. Raises `ValueError` for the name of a built-in one."""
    if made.name in _BUILT_IN:
        raise ValueError(f"{made.name} is a feature of the desk's own; give yours another name")
    _FEATURES[made.name] = made
    return made


def find_feature(name: str) -> Feature:
    """The feature called `name`. Raises `KeyError` with the names that exist."""
    if name not in _FEATURES:
        raise KeyError(f"there is no feature {name!r}; known: {', '.join(sorted(_FEATURES))}")
    return _FEATURES[name]
