"""Telling a venue that was down from coins that nobody traded: a hole is an outage when most coins share it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.domain import Symbol

BRISK = 0.01  # a coin whose bar is empty by itself less often than this can tell an outage
STRAGGLERS = 0.25  # this share of the brisk coins may have a bar while the rest are out


@dataclass(frozen=True, slots=True)
class Presence:
    """Where one symbol has bars on the common grid of time.

    `present`, `listed`, `fetched` and `refused` are bool arrays over the grid; `one_price` is the share of its bars in
    which the price never moved. `refused`: the source had a bar there that could not be taken.
    """

    symbol: Symbol
    present: np.ndarray
    listed: np.ndarray
    fetched: np.ndarray
    one_price: float
    refused: np.ndarray

    def empty_chance(self) -> float:
        """How likely a bar is empty though the venue is up: at most the share of bars that are missing.

        The bars that are there may say that it is far less likely. With trades coming at random (Poisson, mean m a bar)
        a share m e^-m of the bars has one trade and so one price, and e^-m has none.
        """
        asked = self.listed & self.fetched
        count = int(asked.sum())
        if not count:
            return 1.0
        missing = 1 - int((self.present & asked).sum()) / count
        return max(min(missing, _no_trade(max(self.one_price, 1 / count))), 1e-9)


def _no_trade(single: float) -> float:
    """e^-m for m e^-m = `single`, the brisk one of the two solutions; `single` itself where there is none."""
    if single >= 1 / math.e:
        return single
    mean = 1.0
    for _ in range(50):
        mean = math.log(max(mean, 1.0) / single)
    return single / mean


def outages(coins: Sequence[Presence], slots: int) -> np.ndarray:
    """The bars of the grid in which the source was out, as a bool array of length `slots`.

    A stretch counts when at most a quarter of the coins that trade in practically every bar have one, and when chance
    alone would make such a stretch less than once in the whole history. Coins too thin to tell are not asked: with
    none but those, nothing is called an outage.
    """
    asked, there = np.zeros(slots, np.int32), np.zeros(slots, np.int32)
    surprise = np.zeros(slots)
    for coin in coins:
        chance = coin.empty_chance()
        if chance >= BRISK:
            continue
        known, seen = coin.listed & coin.fetched, coin.present | coin.refused
        asked += known
        there += known & seen
        surprise += (known & ~seen) * -math.log(chance)
    out = (asked > 0) & (there <= STRAGGLERS * asked) & (there < asked)
    for first, last in stretches(out):
        if surprise[first:last].sum() < math.log(slots):
            out[first:last] = False
    return out


def stretches(marked: np.ndarray) -> list[tuple[int, int]]:
    """Runs of True as (first, one past the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
