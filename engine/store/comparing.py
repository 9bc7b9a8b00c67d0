"""Bars that are offered against bars that are stored: what is new, what differs, what stays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.store.bar_rows import OTHER, PRICES, ROLLED
from engine.store.pieces import Written


class Changes(NamedTuple):
    """Rows (`ROW`) to insert, and rows to put in the place of those stored."""

    new: np.ndarray
    revised: np.ndarray

    @property
    def all(self) -> np.ndarray:
        return np.concatenate([self.new, self.revised])


def compare(offered: np.ndarray, stored: np.ndarray, keep_others: bool) -> tuple[Changes, Written]:
    """History against the store, both `ROW` and oldest first.

    Equal prices and volume are the same bar: its mark (quiet, doubtful, healed …) stays, and what it lacks of vwap and
    trades is added. A bar that minutes were rolled up to stays; so does, with `keep_others`, another source's.
    """
    fresh, old = _pair(offered, stored)
    got = offered[~fresh]
    priced = _same(got, old, PRICES)
    for name in ("vwap", "trades"):
        got[name] = np.where(priced & np.isnan(got[name]), old[name], got[name])
    same = priced & _same(got, old, ("vwap", "trades"))
    stays = (old["source"] == ROLLED) | ((old["source"] == OTHER) & keep_others)
    got["quality"] = np.where(priced, old["quality"], got["quality"])
    got["revision"] = old["revision"] + 1
    revised = got[~same & ~stays]
    kept = int((stays & ~same).sum())
    written = Written(len(offered), int(fresh.sum()), len(revised), int(same.sum()), kept)
    return Changes(offered[fresh], revised), written


def compare_rolled(rolled: np.ndarray, stored: np.ndarray) -> Changes:
    """Longer bars as the minutes say they are, against those stored: nothing of what was there survives."""
    fresh, old = _pair(rolled, stored)
    got = rolled[~fresh]
    same = _same(got, old, (*PRICES, "vwap", "trades", "quality", "source", "revision"))
    return Changes(rolled[fresh], got[~same])


def merged(stored: np.ndarray, changes: Changes) -> np.ndarray:
    """What is stored once the changes are, oldest first."""
    fresh, _ = _pair(stored, np.sort(changes.revised, order="time"))
    rows = np.concatenate([stored[fresh], changes.all])
    return rows[np.argsort(rows["time"])]


def _pair(rows: np.ndarray, stored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A mask of the rows that have no counterpart of the same time, and the counterparts of the others, in order."""
    if not len(stored):
        return np.ones(len(rows), bool), stored
    place = np.minimum(np.searchsorted(stored["time"], rows["time"]), len(stored) - 1)
    found = stored["time"][place] == rows["time"]
    return ~found, stored[place[found]]


def _same(some: np.ndarray, others: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    equal = np.ones(len(some), bool)
    for name in names:
        nan = np.isnan(some[name]) & np.isnan(others[name])
        equal &= (some[name] == others[name]) | nan
    return equal
