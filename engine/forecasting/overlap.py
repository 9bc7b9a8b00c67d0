"""How much rows that share their fate really say: uniqueness of overlapping labels, and blocks of whole days.

Uniqueness is López de Prado's (Advances in Financial Machine Learning, ch. 4): a label counts 1/k while k labels of its
coin are alive. Coins move together as well, so every interval here rests on blocks of days of all coins at once.
"""

from __future__ import annotations

import numpy as np

from engine.forecasting.cases import Classes, Column, Times

DAY = 86_400_000_000
LIVES_A_BLOCK = 4
"""A block is whole days and at least so many label lives: few labels then reach from one block into the next."""


def uniqueness(time: Times, until: Times, coin: Classes) -> Column:
    """Of each label the mean over its life of 1 / (labels of that coin alive), in (0, 1]; 1 without any overlap."""
    unique = np.empty(len(time))
    order = np.argsort(coin, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(coin[order])) + 1):
        unique[rows] = _of_one_coin(time[rows], until[rows])
    return unique


def _of_one_coin(start: Times, end: Times) -> Column:
    """The integral of 1/alive over each life, exact: the number alive changes only where a life begins or ends."""
    edges = np.unique(np.concatenate([start, end]))
    alive = np.searchsorted(np.sort(start), edges, "right") - np.searchsorted(np.sort(end), edges, "right")
    spans = np.diff(edges) / np.maximum(alive[:-1], 1)
    sofar = np.concatenate([[0.0], np.cumsum(spans)])
    shares: Column = (sofar[np.searchsorted(edges, end)] - sofar[np.searchsorted(edges, start)]) / (end - start)
    return shares


def blocks(time: Times, until: Times) -> Classes:
    """The number, from 0 without holes, of the block of days that each row's forecast was made in."""
    days = max(1, -(-LIVES_A_BLOCK * int((until - time).max()) // DAY))
    _, numbered = np.unique(time // (days * DAY), return_inverse=True)
    return numbered.astype(np.int64)
