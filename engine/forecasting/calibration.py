"""Do probabilities mean what they say? Hit rate against confidence, in bins, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.forecasting.cases import Classes, Column, Flags, Rows
from engine.forecasting.intervals import wilson_at
from engine.inference import Interval

STEP = 0.05
TENTHS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Forecasts of confidence `low` to `high`: how many, their mean confidence, and how many came true.

    The interval is Wilson's, at the rows' worth in independent cases.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float
    interval: Interval


def reliability(confidence: Column, hit: Flags, worth: float = 1.0) -> tuple[Bin, ...]:
    """Bins of 5 points of confidence, empty ones left out. `worth` is effective ÷ counted cases of the whole sample."""
    place = np.minimum((confidence / STEP + 1e-9).astype(np.int64), round(1 / STEP) - 1)
    return tuple(
        _bin(confidence, hit, np.flatnonzero(place == one), worth, (one * STEP, (one + 1) * STEP))
        for one in np.unique(place).tolist()
    )


def by_confidence(confidence: Column, hit: Flags, worth: float = 1.0, parts: int = TENTHS) -> tuple[Bin, ...]:
    """`parts` of equally many forecasts, the least confident first; of fewer rows than parts, one part each."""
    order = np.argsort(confidence, kind="stable")
    chosen = [rows for rows in np.array_split(order, parts) if len(rows)]
    return tuple(
        _bin(confidence, hit, rows, worth, (float(confidence[rows[0]]), float(confidence[rows[-1]]))) for rows in chosen
    )


def _bin(confidence: Column, hit: Flags, rows: Rows, worth: float, edges: tuple[float, float]) -> Bin:
    accuracy = float(hit[rows].mean())
    around = wilson_at(accuracy, max(1.0, len(rows) * worth))
    return Bin(*edges, len(rows), float(confidence[rows].mean()), accuracy, around)


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """ECE = Σ n_b/n · |accuracy_b − confidence_b|, confidence being that of the class guessed (Guo et al. 2017)."""
    total = sum(one.n for one in bins)
    return sum(one.n / total * abs(one.accuracy - one.confidence) for one in bins)


def monotonicity(bins: tuple[Bin, ...]) -> float | None:
    """Spearman's rank correlation of confidence and accuracy over the bins, −1 to 1; None when accuracy is all one."""
    accuracy = _ranks(np.array([one.accuracy for one in bins]))
    confidence = _ranks(np.array([one.confidence for one in bins]))
    if len(bins) < 3 or np.ptp(accuracy) == 0 or np.ptp(confidence) == 0:
        return None
    return float(np.corrcoef(accuracy, confidence)[0, 1])


def _ranks(values: Column) -> Column:
    """Ranks from 1, ties sharing the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Column = (np.cumsum(count) - (count - 1) / 2)[place]
    return ranks


def top_tenth(confidence: Column) -> Classes:
    """The rows of the most confident tenth, at least one."""
    kept = max(1, len(confidence) // TENTHS)
    rows: Classes = np.argpartition(confidence, len(confidence) - kept)[-kept:]
    return rows
