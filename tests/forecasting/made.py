"""Markets made for judging: random walks that overlap and move together, and planted edges of a known size."""

from __future__ import annotations

import numpy as np

from engine.forecasting.cases import Cases

HOUR = 3_600_000_000
DAY = 24 * HOUR
START = 1_700_006_400_000_000  # a midnight


def random_walks(seed, days=60, coins=4, step=HOUR // 4, horizon=2 * HOUR):
    """Cases of coins whose steps share a factor, a label per bar, so that labels overlap in time and across coins."""
    rng = np.random.default_rng(seed)
    bars = days * DAY // step
    moves = rng.normal(size=(bars, 1)) + rng.normal(size=(bars, coins))
    price = np.cumsum(moves, axis=0)
    ahead = horizon // step
    first, last = ahead, bars - ahead
    label = (price[first + ahead : last + ahead] > price[first:last]).astype(np.int64)
    past = (price[first:last] > price[first - ahead : last - ahead]).astype(np.int64)
    time = START + np.arange(first, last, dtype=np.int64) * step
    return Cases(
        np.repeat(time, coins),
        np.repeat(time + horizon, coins),
        np.tile(np.arange(coins), len(time)),
        label.ravel(),
        past.ravel(),
    )


def stubborn_forecasts(cases, seed, spread=0.03, memory=0.98):
    """P(up) that knows nothing but changes slowly, all coins alike: the hardest noise to see through."""
    rng = np.random.default_rng(seed)
    times, place = np.unique(cases.time, return_inverse=True)
    drift = np.zeros(len(times))
    for i, shock in enumerate(rng.normal(size=len(times))):
        drift[i] = memory * drift[i - 1] + shock * np.sqrt(1 - memory**2)
    up = np.clip(0.5 + spread * (drift[place] + 0.3 * rng.normal(size=len(cases))), 0.01, 0.99)
    return np.column_stack([1 - up, up])


def planted(seed, best, days=60, coins=5, horizon=2 * HOUR):
    """(cases, the true probabilities): labels that do not overlap, of which a perfect model gets `best` right.

    The edge is uneven: a quarter of the rows hold most of it. The past is as random as the rest.
    """
    rng = np.random.default_rng(seed)
    instants = days * DAY // horizon
    rows = instants * coins
    strong = rng.random(rows) < 0.25
    edge = np.where(strong, 2.5, 0.5) * (best - 0.5)
    up = 0.5 + np.where(rng.random(rows) < 0.5, 1, -1) * np.minimum(edge, 0.49)
    label = (rng.random(rows) < up).astype(np.int64)
    time = np.repeat(START + np.arange(instants, dtype=np.int64) * horizon, coins)
    cases = Cases(time, time + horizon, np.tile(np.arange(coins), instants), label, rng.integers(0, 2, rows))
    return cases, np.column_stack([1 - up, up])


def blind(cases):
    """A logistic regression that sees nothing: a hair to one side of a half, as drawn."""
    up = 0.5 + 0.001 * np.random.default_rng(len(cases)).normal(size=len(cases))
    return np.column_stack([1 - up, up])
