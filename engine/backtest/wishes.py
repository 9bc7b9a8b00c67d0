"""Signals of a whole series, as the sparse rows that the compiled run reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from engine.backtest.market import Series
from engine.core.layout import ENTER, EXIT
from engine.core.run import WISH, blank_wishes
from engine.evaluation import Evaluated, FeatureKey, advance, evaluate, features_of, fresh_carries
from engine.playbook.model import Playbook
from engine.strategies.columns import Column, Columns

CHUNK = 65_536
"""Bars evaluated at a time: few enough that their features and flags stay in the processor's cache."""


def wishes_of(
    playbook: Playbook,
    series: Series,
    symbol: int,
    rows: NDArray[np.int64] | None = None,
    forecast: Mapping[str, Column] | None = None,
) -> np.ndarray:
    """WISH rows of every strategy on one symbol, ascending by row.

    `symbol` is its number in the run; `rows` maps its bars to the run's rows (None: they are the same). `forecast`:
    columns as of `engine.evaluation.forecast_columns`, a value per bar of `series`.
    """
    step, parts = timedelta(microseconds=series.interval), []
    for since, first, bars, features in _chunks(playbook, series):
        seen = {name: column[since : since + len(bars)] for name, column in (forecast or {}).items()}
        for number in range(len(playbook.strategies)):
            evaluated = evaluate(playbook, number, bars, features, since, seen, step)
            parts.append(_spoken(evaluated, number, since, first))
    wishes = blank_wishes(sum(len(part["row"]) for part in parts))
    wishes["symbol"], start = symbol, 0
    for part in parts:
        place = wishes[start : start + len(part["row"])]
        for name, column in part.items():
            place[name] = column
        start += len(place)
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


def _spoken(evaluated: Evaluated, strategy: int, since: int, first: int) -> dict[str, np.ndarray]:
    """Columns of WISH where the strategy wishes something from bar `first` on; bar `since` is the first evaluated."""
    at = np.flatnonzero(evaluated.enter | evaluated.leave)
    at = at[np.searchsorted(at, first - since) :]
    optional = {
        "confidence": evaluated.wishes.confidence,
        "stop_distance": evaluated.stop_distance,
        "target_distance": evaluated.target_distance,
        "atr": evaluated.atr_pct,
        "turnover": evaluated.turnover,
        "value": evaluated.value,
        "side": evaluated.side,
    }
    action = np.where(evaluated.leave[at], EXIT, ENTER)
    given = {name: column[at] for name, column in optional.items() if column is not None}
    return {"row": at + since, "strategy": np.full(len(at), strategy), "action": action, **given}
