"""The gate that a set passes before anything is learnt from it: the future never changes the past.

Each check looks at a sample of bars and answers None, or the first `Leak` that it found. Features are asked again after
the bars behind some bar have been cut off, replaced by another market's, or moved away in time; no row up to that bar
may change. A centred average, a peek at the next bar and a label among the features change it every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain import instant
from engine.features.sets import FeatureSet, Matrix, known
from engine.ports import BarColumns

CLOSE_ENOUGH = 1e-9
NOTHING = 1e-12  # differences below this are rounding, whatever the numbers
TOO_GOOD = 0.95  # area under the ROC curve; nothing honest separates directions so well on its own
CUTS = 8
LATEST, FEWEST = 20_000, 32  # rows: looked at, and that must be known among them, for a set to be judged
_COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Leak:
    """Why something is not causal: a reason code, which feature, at which close (None: no one bar), and a sentence."""

    code: str
    feature: str
    at: datetime | None
    sentence: str


def leak_of(
    make: Callable[[BarColumns], Matrix], bars: BarColumns, names: Sequence[str], seed: int = 0, cuts: int = CUTS
) -> Leak | None:
    """Whether the rows that `make` gives [T, n] know anything of later bars; `names` are its n columns.

    `FUTURE_CHANGES_PAST` otherwise. `bars` should hold several times the longest warm-up.
    """
    whole = make(bars)
    if whole.shape != (len(bars.time), len(names)):
        raise ValueError(f"features of shape {whole.shape} for {len(bars.time)} bars and {len(names)} names")
    draw, half = np.random.default_rng(seed), len(bars.time) // 2  # in the later half every warm-up is over
    rows = draw.choice(np.arange(half, len(bars.time)), min(cuts, len(bars.time) - half), replace=False)
    for cut, how, other in other_futures(bars, sorted(rows.tolist()), seed):
        found = first_difference(whole[:cut], make(other)[:cut])
        if found is not None:
            row, column = found
            feature, at = names[column], instant(int(bars.time[row]))
            sentence = f"{feature} at {at:%Y-%m-%d %H:%M} changes when {how}: it knows the future, so nothing is learnt"
            return Leak("FUTURE_CHANGES_PAST", feature, at, sentence)
    return None


def live_leak_of(features: FeatureSet, bars: BarColumns, rows: int = CUTS) -> Leak | None:
    """Whether the last `rows` rows, made bar by bar from the latest history that suffices, equal those of the batch.

    `LIVE_DIFFERS` otherwise. `bars` should hold more than `warm_up` + `rows`.
    """
    whole = features.batch(bars)
    first = max(0, len(bars.time) - features.warm_up - rows + 1)
    carry, row = features.fresh(1, bars.interval), np.empty((1, len(features)))
    trades = np.full(len(bars.time), np.nan) if bars.trades is None else bars.trades
    columns = (*(getattr(bars, name) for name in _COLUMNS), trades)
    for i in range(first, len(bars.time)):
        features.move(bars.time[i : i + 1], [column[i : i + 1] for column in columns], carry, row)
        if i - first + 1 < features.warm_up:
            continue
        found = first_difference(whole[i : i + 1], row, _scale(whole))
        if found is not None:
            feature, at = features.names[found[1]], instant(int(bars.time[i]))
            numbers = f"{whole[i, found[1]]:.12g} in history, {row[0, found[1]]:.12g} live"
            return Leak("LIVE_DIFFERS", feature, at, f"{feature} at {at:%Y-%m-%d %H:%M} is {numbers}")
    return None


def label_inside(rows: Matrix, names: Sequence[str], label: NDArray[np.int64]) -> Leak | None:
    """Whether one column alone tells the label (0 or 1; other rows are left out) better than anything honest can.

    `LABEL_INSIDE` otherwise: the label, or something made of it, is among the features.
    """
    for column, name in enumerate(names):
        values = rows[:, column]
        used = np.isfinite(values) & ((label == 0) | (label == 1))
        area = _separation(values[used], label[used])
        if area > TOO_GOOD:
            said = f"{name} alone tells the label in {area:.1%} of pairs; a label is among the features"
            return Leak("LABEL_INSIDE", name, None, said)
    return None


def set_leak_of(features: FeatureSet, bars: BarColumns, seed: int = 0) -> Leak | None:
    """The gate for a set before training: the latest rows that are known, four other futures, live beside history.

    Takes some hundredths of a second. Raises `ValueError` when too few rows are known to say anything.
    """
    latest = _part(bars, max(0, len(bars.time) - LATEST), len(bars.time))
    rows = np.flatnonzero(known(features.batch(latest)))
    if len(rows) < FEWEST:
        told = f"{len(rows)} of the latest {len(latest.time)} rows of {bars.symbol} are known"
        raise ValueError(f"{told}; {features.name} is checked on at least {FEWEST}, after {features.warm_up} bars")
    end = int(rows[-1]) + 1
    sample = _part(latest, max(0, end - 2 * features.warm_up - 256), end)
    return leak_of(features.batch, sample, features.names, seed, cuts=4) or live_leak_of(features, sample)


def changed_after(bars: BarColumns, cut: int, seed: int) -> BarColumns:
    """The same bars before row `cut`; from there on another market: other prices, volumes and trade counts."""
    draw = np.random.default_rng(seed)
    left = len(bars.time) - cut
    close = bars.close.copy()
    start = close[cut - 1] if cut else close[0]
    close[cut:] = start * np.exp(np.cumsum(draw.normal(0.0, 0.03, left)))
    open_ = np.concatenate((bars.open[:cut], [start] * min(left, 1), close[cut:-1] if left else []))
    high, low = bars.high.copy(), bars.low.copy()
    high[cut:] = np.maximum(open_, close)[cut:] * (1.0 + draw.uniform(0.0, 0.01, left))
    low[cut:] = np.minimum(open_, close)[cut:] * (1.0 - draw.uniform(0.0, 0.01, left))
    volume = np.concatenate((bars.volume[:cut], draw.lognormal(3.0, 2.0, left)))
    counts = draw.poisson(50.0, left).astype(np.float64)
    trades = None if bars.trades is None else np.concatenate((bars.trades[:cut], counts))
    return replace(bars, open=open_, high=high, low=low, close=close, volume=volume, vwap=None, trades=trades)


def other_futures(bars: BarColumns, cuts: Sequence[int], seed: int) -> Iterator[tuple[int, str, BarColumns]]:
    """For each cut (rows that stay): the cut, what was done to the bars behind it, and the bars then."""
    for cut in cuts:
        yield cut, "later bars are cut off", _part(bars, 0, cut)
        yield cut, "later bars are other ones", changed_after(bars, cut, seed + cut)
        away = bars.time.copy()
        away[cut:] += 90 * (bars.interval // timedelta(microseconds=1))
        yield cut, "later bars come later", replace(bars, time=away)


def _part(bars: BarColumns, first: int, end: int) -> BarColumns:
    columns: dict[str, Any] = {name: getattr(bars, name)[first:end] for name in ("time", *_COLUMNS)}
    for name in ("vwap", "trades"):
        column = getattr(bars, name)
        columns[name] = None if column is None else column[first:end]
    return replace(bars, **columns)


def _scale(rows: Matrix) -> NDArray[np.float64]:
    """How large each column's numbers are: a difference is small beside these, not beside a number that is nearly 0."""
    size = np.abs(rows)
    size[~np.isfinite(size)] = 0.0
    scale: NDArray[np.float64] = np.sqrt((size * size).mean(axis=0))
    return scale


def first_difference(one: Matrix, other: Matrix, scale: NDArray[np.float64] | float = 0.0) -> tuple[int, int] | None:
    """The first (row, column) where two matrices are not the same number or not both missing."""
    allowed = CLOSE_ENOUGH * np.maximum(np.maximum(np.abs(one), np.abs(other)), scale) + NOTHING
    same = (np.abs(one - other) <= allowed) | (np.isnan(one) & np.isnan(other)) | (one == other)
    places = np.argwhere(~same)
    return (int(places[0, 0]), int(places[0, 1])) if len(places) else None


def _separation(values: NDArray[np.float64], label: NDArray[np.int64]) -> float:
    """The larger of AUC and 1 − AUC, ties counted half; ½ when there is one class only."""
    ups = int(label.sum())
    downs = len(label) - ups
    if not ups or not downs:
        return 0.5
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - (count - 1) / 2.0
    area = (float(middle[place][label == 1].sum()) - ups * (ups + 1) / 2.0) / (ups * downs)
    return max(area, 1.0 - area)
