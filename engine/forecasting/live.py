"""What a live model has shown so far, from its days' counts: hit rate with its interval, Brier score, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.forecasting.calibration import Bin, calibration_error
from engine.forecasting.intervals import FEWEST_BLOCKS, share_of, wilson_at
from engine.forecasts import Live
from engine.inference import Interval


@dataclass(frozen=True, slots=True)
class LiveRate:
    """`worth` is the sum of the forecasts' uniqueness in time, `effective_n` what they are worth in independent cases:
    coins that move together count less. `brier` is the mean score."""

    value: float
    n: int
    hits: int
    worth: float
    days: int
    brier: float


@dataclass(frozen=True, slots=True)
class LiveRecord:
    """A rate with its 95 % interval and the calibration behind it."""

    rate: LiveRate
    interval: Interval
    effective_n: float
    bins: tuple[Bin, ...]
    calibration_error: float


def live_rate(days: Sequence[Live]) -> LiveRate | None:
    """The sums; None before the first forecast was settled."""
    n, hits = sum(one.n for one in days), sum(one.hits for one in days)
    if not n:
        return None
    worth, brier = sum(one.worth for one in days), sum(one.brier for one in days) / n
    return LiveRate(hits / n, n, hits, worth, len(days), brier)


def live_record(days: Sequence[Live]) -> LiveRecord | None:
    """The rate with its interval, as `hits.hit_rate` has it: over ten days from blocks of days; before that the coins
    of one instant count as one. A day is a block for horizons up to six hours (`overlap.blocks`)."""
    rate = live_rate(days)
    if rate is None:
        return None
    if len(days) >= FEWEST_BLOCKS:
        found = share_of(np.array([one.hits for one in days]), np.array([one.n for one in days]), rate.worth)
        interval, worth = found.interval, found.effective_n
    else:
        at_once = rate.n / max(1, sum(one.instants for one in days))
        worth = max(1.0, rate.worth / max(1.0, at_once))
        interval = wilson_at(rate.value, worth)
    bins = _bins(days, worth / rate.n)
    return LiveRecord(rate, interval, worth, bins, calibration_error(bins))


def _bins(days: Sequence[Live], share: float) -> tuple[Bin, ...]:
    """Bins of 5 points of confidence that hold anything; `share`: effective ÷ counted cases."""
    found = []
    for place, parts in enumerate(zip(*(one.bins for one in days), strict=True)):
        n, hits = sum(part[0] for part in parts), sum(part[1] for part in parts)
        if n:
            around = wilson_at(hits / n, max(1.0, n * share))
            confidence = sum(part[2] for part in parts) / n
            found.append(Bin(place * 0.05, (place + 1) * 0.05, n, confidence, hits / n, around))
    return tuple(found)
