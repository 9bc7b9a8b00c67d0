"""The long tail: an indicator of pandas-ta-classic as a feature, on a declared window.

The desk's own features are recursions that carry a few numbers. These carry the last bars themselves and ask the
library again: for years of history in one call, live on a window of 12 times the slowest span, after which what came
before no longer matters (to 1e-9). Declaring one checks on a made-up market that it is so: an indicator that knows the
future, or adds up since the first bar, is refused.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

import numpy as np

from engine.features.causality import CLOSE_ENOUGH, leak_of
from engine.features.registry import Column, Feature, register
from engine.features.sets import Matrix, recursive
from engine.ports import BarColumns

_INPUTS = ("open", "high", "low", "close", "volume")
_ROWS = 8  # live rows that are compared with history when an indicator is declared


def from_pandas_ta(
    indicator: str,
    inputs: Sequence[str],
    longest: int,
    name: str = "",
    slowest_span: Callable[[int], int] = lambda length: length,
    column: str | int = 0,
    length_word: str = "length",
    **settings: Any,
) -> Feature:
    """Register `indicator` of pandas-ta-classic as the feature `name` (default: the indicator's own), and return it.

    `inputs` are its columns in order, of open, high, low, close, volume. `longest` is the greatest length that will be
    asked, `slowest_span(length)` the slowest average inside it in bars (Wilder n counts as 2n − 1; six averages of n
    one over the other as 6n): the window is 12 times that. `column` picks one of several answers by the beginning of
    its name or its place. Raises `ValueError` for an indicator that does not exist, fails, knows the future, or needs
    more than its window.
    """
    unknown = [one for one in inputs if one not in _INPUTS]
    if unknown or "offset" in settings:
        wrong = f"input {unknown[0]!r}; inputs are {', '.join(_INPUTS)}" if unknown else "offset: it shifts time"
        raise ValueError(f"{indicator} cannot have {wrong}")
    asked = _Asked(indicator, tuple(inputs), longest, slowest_span, column, length_word, settings)
    size = 1 + asked.window * len(inputs)
    made = Feature(name or indicator, asked.advance, tuple(inputs), size, asked.warm_up)
    _refuse_what_differs(made, asked)
    return register(made)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One indicator with its settings; `advance` is a feature's, its carry: how many bars are held, then the bars."""

    indicator: str
    inputs: tuple[str, ...]
    longest: int
    slowest_span: Callable[[int], int]
    column: str | int
    length_word: str
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def window(self) -> int:
        return self.warm_up(self.longest)

    def warm_up(self, length: int) -> int:
        return recursive(self.slowest_span(length))

    def advance(self, *given: Any) -> None:
        """`advance(*inputs, length, carry, out)`, as `Feature` says."""
        *inputs, length, carry, out = given
        if length > self.longest:
            raise ValueError(f"{self.indicator} was declared for lengths up to {self.longest}, asked was {length}")
        held, past = int(carry[0]), carry[1:].reshape(len(inputs), self.window)
        joined = [np.concatenate((row[self.window - held :], new)) for row, new in zip(past, inputs, strict=True)]
        values = self.answer(joined, length)
        values[: self.warm_up(length) - 1] = np.nan
        out[:] = values[held:]
        kept = min(len(values), self.window)
        for row, whole in zip(past, joined, strict=True):
            row[self.window - kept :] = whole[len(whole) - kept :]
        carry[0] = kept

    def answer(self, inputs: Sequence[Column], length: int) -> Column:
        """The library's own column, one value per bar; NaN where it says nothing."""
        import pandas as pd

        call = getattr(_library(), self.indicator, None)
        if not callable(call):
            raise ValueError(f"pandas-ta-classic has no indicator {self.indicator!r}")
        words = {self.length_word: length, **self.settings}
        series = (pd.Series(column, dtype=np.float64) for column in inputs)
        given = dict(zip(self._parameters(), series, strict=True))
        found = call(**given, **words)
        if found is None:
            return np.full(len(inputs[0]), np.nan)
        return np.array(self._one(found), dtype=np.float64)

    def _parameters(self) -> tuple[str, ...]:
        return tuple("open_" if name == "open" else name for name in self.inputs)

    def _one(self, found: Any) -> Any:
        if found.ndim == 1:
            return found
        names = [str(name) for name in found.columns]
        places = [i for i, name in enumerate(names) if name.startswith(str(self.column))]
        place = self.column if isinstance(self.column, int) else places[0] if places else len(names)
        if place >= len(names):
            raise ValueError(f"{self.indicator} answers {', '.join(names)}; there is no {self.column!r}")
        return found.iloc[:, place]


@cache
def _library() -> Any:
    """Seconds to import, and not without warnings of its own; so only when an indicator is asked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas_ta_classic
    return pandas_ta_classic


def _refuse_what_differs(feature: Feature, asked: _Asked) -> None:
    """Raise `ValueError` for an indicator that knows the future, or whose window does not suffice."""
    bars = _made_up(3 * asked.window + _ROWS)

    def batch(given: BarColumns) -> Matrix:
        out = np.empty(len(given.time))
        columns = [getattr(given, name) for name in asked.inputs]
        feature.advance(*columns, asked.longest, feature.fresh(), out)
        return out.reshape(-1, 1)

    leak = leak_of(batch, bars, [feature.name])
    if leak is not None:
        raise ValueError(leak.sentence)
    whole = batch(bars)[:, 0]
    scale = float(np.sqrt(np.nanmean(whole * whole)))
    for end in range(len(whole) - _ROWS, len(whole)):
        last = [getattr(bars, name)[end + 1 - asked.window : end + 1] for name in asked.inputs]
        live = float(asked.answer(last, asked.longest)[-1])
        if not abs(live - whole[end]) <= CLOSE_ENOUGH * max(abs(live), abs(whole[end]), scale):
            raise ValueError(
                f"{feature.name}: {live:.12g} on its last {asked.window} bars, {whole[end]:.12g} on a longer history; "
                "state a slower span, or leave it: what adds up since the first bar has no window"
            )


def _made_up(rows: int) -> BarColumns:
    """A seeded walk with wicks and volumes."""
    draw = np.random.default_rng(7)
    close = 100.0 * np.exp(np.cumsum(draw.normal(0.0, 0.002, rows)))
    before = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(before, close) * (1.0 + draw.uniform(0.0, 0.001, rows))
    low = np.minimum(before, close) * (1.0 - draw.uniform(0.0, 0.001, rows))
    time = 60_000_000 * np.arange(1, rows + 1, dtype=np.int64)
    return BarColumns("MADE/UP", timedelta(minutes=1), time, before, high, low, close, draw.lognormal(0.0, 1.0, rows))
