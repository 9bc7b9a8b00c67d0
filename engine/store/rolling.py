"""Longer bars from one-minute bars, to the bit as the database's own statement makes them (`bars.roll_up`)."""

from __future__ import annotations

import numpy as np

from engine.store.bar_rows import DOUBTFUL, GOOD, HEALED, MISSING, QUIET, ROLLED, ROW

MINUTE_US = 60_000_000


def roll(rows: np.ndarray, minutes: int) -> np.ndarray:
    """Bars of `minutes` minutes from one-minute `rows` (`ROW`, oldest first), one for each bucket that has any.

    Sums are taken in the order of time, as SQL's are: another order would give other last bits.
    """
    bucket = rows["time"] // (minutes * MINUTE_US)
    starts = np.flatnonzero(np.diff(bucket, prepend=bucket[:1] - 1))
    parts = np.diff(starts, append=len(rows))
    rolled = np.zeros(len(starts), ROW)
    if not len(starts):
        return rolled
    rolled["time"] = bucket[starts] * (minutes * MINUTE_US)
    rolled["open"] = rows["open"][starts]
    rolled["high"] = np.maximum.reduceat(rows["high"], starts)
    rolled["low"] = np.minimum.reduceat(rows["low"], starts)
    rolled["close"] = rows["close"][starts + parts - 1]
    rolled["volume"] = in_order(rows["volume"], starts, parts)
    with np.errstate(invalid="ignore", divide="ignore"):
        vwap = in_order(rows["vwap"] * rows["volume"], starts, parts) / rolled["volume"]
    rolled["vwap"] = np.where(rolled["volume"] > 0, vwap, np.nan)  # one NaN among them makes it NaN
    counted = np.add.reduceat(~np.isnan(rows["trades"]), starts, dtype=np.int64)
    rolled["trades"] = np.where(counted, np.add.reduceat(np.nan_to_num(rows["trades"]), starts), np.nan)
    rolled["quality"] = _quality(rows["quality"], starts, parts, minutes)
    rolled["source"] = ROLLED
    rolled["revision"] = np.maximum.reduceat(rows["revision"], starts)
    return rolled


def in_order(values: np.ndarray, starts: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """The sum of each bucket's values, one after the other (numpy's own sums go in pairs)."""
    total: np.ndarray = values[starts].copy()
    longest = int(parts.max())
    if len(starts) < longest:  # bucket by bucket, or step by step through all buckets: whichever is fewer
        for place, (start, part) in enumerate(zip(starts.tolist(), parts.tolist(), strict=True)):
            total[place] = np.add.accumulate(values[start : start + part])[-1]
        return total
    for step in range(1, longest):
        longer = np.flatnonzero(parts > step)
        total[longer] += values[starts[longer] + step]
    return total


def _quality(quality: np.ndarray, starts: np.ndarray, parts: np.ndarray, minutes: int) -> np.ndarray:
    def any_(code: int) -> np.ndarray:
        return np.logical_or.reduceat(quality == code, starts)

    whole_quiet = np.logical_and.reduceat(quality == QUIET, starts)
    cases = [any_(DOUBTFUL), parts < minutes, whole_quiet, any_(HEALED)]
    return np.select(cases, [DOUBTFUL, MISSING, QUIET, HEALED], GOOD)
