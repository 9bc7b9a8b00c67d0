"""Signals of a whole series, as the sparse rows that the compiled run reads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from engine.backtest.market import Series
from engine.core.layout import ENTER, EXIT
from engine.core.run import WISH, blank_wishes
from engine.evaluation import Evaluated, FeatureKey, advance, evaluate, features_of, fresh_carries
from engine.playbook.model import Playbook
from engine.strategies.columns import Column, Columns

CHUNK = 32_768
"""Bars evaluated at a time: few enough that their features and flags stay in the processor's cache."""


def wishes_of(playbook: Playbook, series: Series, symbol: int, rows: NDArray[np.int64] | None = None) -> np.ndarray:
    """WISH rows of every strategy on one symbol, ascending by row.

    `symbol` is its number in the run; `rows` maps its bars to the run's rows (None: they are the same).
    """
    parts = [
        _rows(evaluate(use, program, bars, features, since), number, symbol, since, first)
        for since, first, bars, features in _chunks(playbook, series)
        for number, (use, program) in enumerate(zip(playbook.strategies, playbook.programs, strict=True))
    ]
    wishes = np.concatenate(parts)
    if rows is not None:
        wishes["row"] = rows[wishes["row"]]
    return wishes if len(playbook.strategies) == 1 else wishes[np.argsort(wishes["row"], kind="stable")]


def _chunks(playbook: Playbook, series: Series) -> Iterator[tuple[int, int, Columns, dict[FeatureKey, Column]]]:
    """(number of the first bar shown, number of the first to judge, bars, features), chunk after chunk.

    A chunk shows the bars before it that a strategy looks back on, as the live desk does.
    """
    carries = fresh_carries(features_of(playbook))
    kept = max(program.lookback for program in playbook.programs) - 1
    chunk = max(CHUNK, kept)
    block = np.empty((len(carries), kept + min(chunk, len(series))))
    for first in range(0, len(series), chunk):
        last, since = min(first + chunk, len(series)), max(0, first - kept)
        if first > 0:
            block[:, :kept] = block[:, chunk:]
        shown = block[:, kept - (first - since) : kept + last - first]
        advance(_bars(series, first, last), carries, shown[:, first - since :])
        yield since, first, _bars(series, since, last), dict(zip(carries, shown, strict=True))


def _bars(series: Series, first: int, last: int) -> Columns:
    o, h, low, c, v = (column[first:last] for column in series.prices)
    return Columns(o, h, low, c, v)


def merge(parts: list[np.ndarray]) -> np.ndarray:
    """The wishes of several symbols in one array, ascending by row; ties in the order of `parts`."""
    everything = np.concatenate(parts) if parts else np.zeros(0, WISH)
    return everything[np.argsort(everything["row"], kind="stable")]


def _rows(evaluated: Evaluated, strategy: int, symbol: int, since: int, first: int) -> np.ndarray:
    """The wishes of the bars from number `first` on; bar `since` is the first that was evaluated."""
    at = np.flatnonzero(evaluated.enter | evaluated.leave)
    at = at[np.searchsorted(at, first - since) :]
    wishes = blank_wishes(len(at))
    wishes["row"], wishes["strategy"], wishes["symbol"] = at + since, strategy, symbol
    wishes["action"] = np.where(evaluated.leave[at], EXIT, ENTER)
    _put(wishes, "confidence", evaluated.wishes.confidence, at)
    _put(wishes, "stop_distance", evaluated.stop_distance, at)
    _put(wishes, "target_distance", evaluated.target_distance, at)
    _put(wishes, "atr", evaluated.atr_pct, at)
    _put(wishes, "turnover", evaluated.turnover, at)
    return wishes


def _put(wishes: np.ndarray, name: str, column: Column | None, at: NDArray[np.intp]) -> None:
    if column is not None:
        wishes[name] = column[at]
