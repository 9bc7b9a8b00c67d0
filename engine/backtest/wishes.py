"""Signals of a whole series, as the sparse rows that the compiled run reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.backtest.market import Series
from engine.core.layout import ENTER, EXIT
from engine.core.run import WISH, blank_wishes
from engine.evaluation import Evaluated, advance, evaluate, features_of, fresh_carries
from engine.playbook.model import Playbook
from engine.strategies.columns import Column, Columns


def wishes_of(playbook: Playbook, series: Series, symbol: int, rows: NDArray[np.int64] | None = None) -> np.ndarray:
    """WISH rows of every strategy on one symbol, ascending by row.

    `symbol` is its number in the run; `rows` maps its bars to the run's rows (None: they are the same).
    """
    bars = Columns(series.open, series.high, series.low, series.close, series.volume)
    features = advance(bars, fresh_carries(features_of(playbook)))
    parts = [
        _rows(evaluate(use, program, bars, features), number, symbol)
        for number, (use, program) in enumerate(zip(playbook.strategies, playbook.programs, strict=True))
    ]
    wishes = np.concatenate(parts) if len(parts) > 1 else parts[0]
    if rows is not None:
        wishes["row"] = rows[wishes["row"]]
    return wishes[np.argsort(wishes["row"], kind="stable")] if len(parts) > 1 else wishes


def merge(parts: list[np.ndarray]) -> np.ndarray:
    """The wishes of several symbols in one array, ascending by row; ties in the order of `parts`."""
    everything = np.concatenate(parts) if parts else np.zeros(0, WISH)
    return everything[np.argsort(everything["row"], kind="stable")]


def _rows(evaluated: Evaluated, strategy: int, symbol: int) -> np.ndarray:
    at = np.flatnonzero(evaluated.enter | evaluated.leave)
    wishes = blank_wishes(len(at))
    wishes["row"], wishes["strategy"], wishes["symbol"] = at, strategy, symbol
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
