"""What a strategy sees and what it answers: columns of one length, oldest bar first."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.features.crossings import mark_crossings

Column = NDArray[np.float64]
Flags = NDArray[np.bool_]
Sides = NDArray[np.int64]


class UnknownFeatureError(LookupError):
    """A strategy asked for a feature that it did not declare; the sentence says what it has."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Closed bars of one symbol and the features that the strategy declared: `bars.close`, `bars["fast"]`.

    A feature is NaN until it has seen enough bars; comparisons with NaN are False. A strategy that uses forecasts also
    finds the model's: `bars["p_up"]`, `bars["p_down"]`, `bars["p_flat"]` (probabilities; a model of two classes has no
    flat) and `bars["edge"]` (the expected change in units of volatility), NaN where there is no forecast.
    """

    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column
    features: Mapping[str, Column] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Column:
        if name not in self.features:
            close = difflib.get_close_matches(name, self.features, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            known = ", ".join(self.features) or "none"
            raise UnknownFeatureError(f"no feature {name!r} is declared; declared are {known}.{hint}")
        return self.features[name]

    def __len__(self) -> int:
        return len(self.close)


@dataclass(frozen=True, slots=True)
class Wishes:
    """A strategy's answer, one value per bar: where it would enter, and where it would leave a position.

    `side` is +1 or -1 per bar (None: long). `confidence` is a probability per bar, or None when the strategy has none.
    `numbers` are the columns that `/why` shows. The three sentences say why it enters, leaves, and does neither.
    """

    enter: Flags
    leave: Flags
    side: Sides | None = None
    confidence: Column | None = None
    numbers: Mapping[str, Column] = field(default_factory=dict)
    because_enter: str = ""
    because_leave: str = ""
    because_idle: str = ""


def nowhere(like: Column) -> Flags:
    """False at every bar: for a strategy that never leaves by itself, but by its stop, target or time."""
    flags: Flags = np.zeros(len(like), dtype=np.bool_)
    return flags


def above(a: Column, b: Column | float) -> Flags:
    """Where `a` is strictly above `b`; False where either is unknown."""
    flags: Flags = np.greater(a, b)
    return flags


def crossed_above(a: Column, b: Column | float) -> Flags:
    """Where `a` is strictly above `b` and was not one bar before, both known on both bars."""
    return _crossed(a, b, upward=True)


def crossed_below(a: Column, b: Column | float) -> Flags:
    """Where `a` is no longer above `b` and was strictly above one bar before, both known on both bars."""
    return _crossed(a, b, upward=False)


def _crossed(a: Column, b: Column | float, *, upward: bool) -> Flags:
    other = b if isinstance(b, np.ndarray) else np.full(len(a), float(b))
    flags: Flags = np.empty(len(a), dtype=np.bool_)
    mark_crossings(a, other, upward, flags)
    return flags
