"""How sure a figure is when rows are not independent: day blocks resampled with replacement, seeded.

A figure is a mean over rows. Its interval is the wider, on each side, of the block bootstrap's percentiles (Künsch
1989; blocks of whole days and all coins) and of the clustered standard error with Student's t of blocks − 1 degrees of
freedom, because percentiles are too narrow where blocks are few. Wilson and Clopper-Pearson are given at the effective
number of cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.forecasting.cases import Classes, Column, Flags, JudgementError
from engine.inference import CONFIDENCE, Interval, t_value, z_value

DRAWS = 2_000
FEWEST_BLOCKS = 10


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `n` rows with its 95 % interval; `effective_n` is what they are worth in independent cases."""

    value: float
    interval: Interval
    n: int
    effective_n: float
    blocks: int


def estimate(values: Column | Flags, block: Classes, seed: int = 0) -> Estimate:
    """The mean of `values`, whose rows belong to `block`. Raises `JudgementError` below ten blocks."""
    total = np.bincount(block, values).astype(np.float64)
    count = np.bincount(block).astype(np.float64)
    total, count = total[count > 0], count[count > 0]
    if len(count) < FEWEST_BLOCKS:
        raise JudgementError("FEW_DAYS", few_days(len(count), "the span to judge"))
    mean = float(total.sum() / count.sum())
    error = _clustered_error(total - mean * count, float(count.sum()))
    drawn = _drawn(total, count, seed)
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(edge) for edge in np.quantile(drawn, [tail, 1 - tail]))
    reach = t_value(len(count) - 1) * error
    interval = Interval(min(low, mean - reach), max(high, mean + reach))
    return Estimate(mean, interval, len(values), effective_number(values, error), len(count))


def few_days(found: int, what: str) -> str:
    """Why so few blocks cannot be judged. A block is a day, or as many days as four horizons take."""
    return (
        f"{what} has forecasts on {found} days (spans of days where the horizon is long), and days are what is counted "
        f"to say how sure a figure is: at least {FEWEST_BLOCKS} are needed; train on a longer history"
    )


def share(hits: Flags, block: Classes, unique: float, seed: int = 0) -> Estimate:
    """`estimate` of a share: its interval stays within 0 and 1, and it is worth at most `unique` cases.

    `unique` is the sum of the rows' uniqueness. A share of nothing or of all has no spread to measure: there the
    interval is Wilson's at the effective number.
    """
    found = estimate(hits, block, seed)
    worth = min(found.effective_n, max(1.0, unique))
    around = wilson_at(found.value, worth)
    low, high = min(found.interval.low, around.low), max(found.interval.high, around.high)
    return Estimate(found.value, Interval(max(0.0, low), min(1.0, high)), found.n, worth, found.blocks)


def share_of(hits: Classes, n: Classes, unique: float, seed: int = 0) -> Estimate:
    """`share` from each block's hits among its `n` cases, for what is only kept as counts."""
    block = np.repeat(np.arange(len(n)), n)
    hit = np.concatenate([np.arange(count) < right for right, count in zip(hits.tolist(), n.tolist(), strict=True)])
    return share(hit, block, unique, seed)


def effective_number(values: Column | Flags, error: float) -> float:
    """How many independent values would have this standard error of their mean: variance ÷ error²."""
    spread = float(np.var(values))
    return float(len(values)) if error <= 0 else max(1.0, min(float(len(values)), spread / error**2))


def _clustered_error(residuals: Column, rows: float) -> float:
    """Standard error of a ratio of sums over blocks (Cochran 1977, 6.3), for G blocks with G / (G − 1)."""
    groups = len(residuals)
    return math.sqrt(groups / (groups - 1) * float((residuals**2).sum())) / rows


def _drawn(total: Column, count: Column, seed: int) -> Column:
    """The mean in each of the bootstrap's draws."""
    weights = np.random.default_rng(seed).multinomial(len(count), np.full(len(count), 1 / len(count)), size=DRAWS)
    means: Column = (weights @ total) / (weights @ count)
    return means


def wilson_at(value: float, n: float) -> Interval:
    """Wilson's interval of a share that was seen in `n` (effective, not always whole) cases."""
    z = z_value()
    centre = (value + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(value * (1 - value) / n + z * z / (4 * n * n))
    return Interval(max(0.0, centre - reach), min(1.0, centre + reach))


def clopper_pearson(value: float, n: float) -> Interval:
    """The exact binomial interval (Clopper & Pearson 1934) of a share seen in `n` cases, through the beta quantile."""
    from scipy.special import betaincinv

    hits, tail = value * n, (1 - CONFIDENCE) / 2
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - tail)) if hits < n else 1.0
    return Interval(low, high)


def chance_of(value: float, n: float, chance: float = 0.5) -> float:
    """One-sided binomial p-value: how likely a share of at least `value` in `n` cases is under `chance`."""
    from scipy.special import betainc

    hits = value * n
    return float(betainc(hits, n - hits + 1, chance)) if hits > 0 and chance < 1 else 1.0


def cases_needed(accuracy: float, chance: float = 0.5, power: float = 0.8, alpha: float = 0.05) -> int:
    """Independent cases for a one-sided test at `alpha` to see `accuracy` above `chance` with `power` (normal)."""
    needed = z_value(1 - 2 * alpha) * math.sqrt(chance * (1 - chance))
    needed += z_value(2 * power - 1) * math.sqrt(accuracy * (1 - accuracy))
    return math.ceil((needed / (accuracy - chance)) ** 2)
