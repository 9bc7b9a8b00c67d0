"""The hit rate of forecasts that have been settled, at any number of them: what a live model has shown so far."""

from __future__ import annotations

import numpy as np

from engine.forecasting.cases import Classes, Flags, Times
from engine.forecasting.intervals import FEWEST_BLOCKS, Estimate, share, wilson_at
from engine.forecasting.overlap import blocks, uniqueness


def hit_rate(time: Times, until: Times, coin: Classes, hit: Flags, seed: int = 0) -> Estimate | None:
    """How often forecasts made at `time` and settled at `until` (int64 µs) were right; None without any.

    With ten blocks of days or more the interval is that of every other figure. Before that nobody can know how much
    the coins move together, so they count as one: the rows are worth their uniqueness ÷ coins forecast at one instant.
    """
    if not len(hit):
        return None
    unique = float(uniqueness(time, until, coin).sum())
    block = blocks(time, until)
    spans = int(block.max()) + 1
    if spans >= FEWEST_BLOCKS:
        return share(hit, block, unique, seed)
    at_once = len(hit) / len(np.unique(time))
    value, worth = float(hit.mean()), max(1.0, unique / at_once)
    return Estimate(value, wilson_at(value, worth), len(hit), worth, spans)
