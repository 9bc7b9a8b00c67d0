"""The gate for labels: a label is made of the bars of its life and of nothing after."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.domain import instant
from engine.features.causality import CUTS, Leak, other_futures
from engine.forecasting.cases import Flags
from engine.forecasting.labels import Labels
from engine.ports import BarColumns


def label_leak_of(
    make: Callable[[BarColumns], Labels], bars: BarColumns, seed: int = 0, cuts: int = CUTS
) -> Leak | None:
    """Whether a label of `make` knows bars that close after its `until`; `LABEL_BEYOND_LIFE` otherwise.

    A label whose life is over must stay what it is whatever comes later, and the move before a bar likewise.
    """
    whole = make(bars)
    ends = np.searchsorted(bars.time, whole.until[whole.known], "right")
    rows = np.random.default_rng(seed).choice(ends, min(cuts, len(ends)), replace=False)
    for cut, how, other in other_futures(bars, sorted(rows.tolist()), seed):
        then = make(other)
        wrong = np.flatnonzero(_changed(whole, then, int(bars.time[cut - 1]), cut))
        if len(wrong):
            at = instant(int(bars.time[wrong[0]]))
            said = f"the label at {at:%Y-%m-%d %H:%M} changes when {how}, though its life was over"
            return Leak("LABEL_BEYOND_LIFE", "label", at, said)
    return None


def _changed(one: Labels, other: Labels, end: int, rows: int) -> Flags:
    """Of the first `rows` bars: whose label was known by `end` in either, and is not the same in both."""
    known, known_then = (labels.known[:rows] & (labels.until[:rows] <= end) for labels in (one, other))
    same = (one.label[:rows] == other.label[:rows]) & (one.until[:rows] == other.until[:rows])
    same &= one.change[:rows] == other.change[:rows]
    changed: Flags = ((known | known_then) & ~same) | (one.past[:rows] != other.past[:rows])
    return changed
