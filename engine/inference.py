"""How sure are we? Intervals and tests on small samples, in plain Python.

Sources: Wilson (1927); t quantile by the Cornish-Fisher expansion (Abramowitz & Stegun 26.7.5), exact for one and two
degrees of freedom; probabilistic Sharpe ratio in the 2012 version (Bailey & López de Prado, "The Sharpe Ratio
Efficient Frontier"). Every function answers None where the question has no answer, never NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

_NORMAL = NormalDist()
CONFIDENCE = 0.95
_TINY = 1e-12  # a spread below this share of the level is rounding, not variation


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval at 95 % unless asked otherwise."""

    low: float
    high: float


def z_value(confidence: float = CONFIDENCE) -> float:
    """The two-sided normal quantile."""
    return _NORMAL.inv_cdf(0.5 + confidence / 2)


def t_value(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The two-sided t quantile for `freedom` ≥ 1 degrees of freedom."""
    half = confidence / 2
    if freedom == 1:
        return math.tan(math.pi * half)
    if freedom == 2:
        return half * math.sqrt(2 / ((0.5 + half) * (0.5 - half)))
    z, n = z_value(confidence), float(freedom)
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * n**4)
    )


def wilson(hits: int, n: int, confidence: float = CONFIDENCE) -> Interval | None:
    """Wilson's interval of a share; None for an empty sample."""
    if n == 0:
        return None
    z, share = z_value(confidence), hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(max(0.0, centre - reach), min(1.0, centre + reach))


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Student's interval of a mean; None below two values. Takes the values as independent."""
    if len(values) < 2:
        return None
    mean = fmean(values)
    reach = t_value(len(values) - 1, confidence) * spread(values) / math.sqrt(len(values))
    return Interval(mean - reach, mean + reach)


def spread(values: Sequence[float]) -> float:
    """Sample standard deviation; exactly 0 where the values differ by rounding alone."""
    deviation = stdev(values) if len(values) > 1 else 0.0
    return deviation if deviation > _TINY * max(abs(value) for value in values) else 0.0


@dataclass(frozen=True, slots=True)
class Shape:
    """Per-period Sharpe ratio with the moments that its error depends on. `kurtosis` is not the excess: normal is 3."""

    sharpe: float
    periods: int
    skew: float = 0.0
    kurtosis: float = 3.0

    @property
    def _variance(self) -> float:
        return max(1 - self.skew * self.sharpe + (self.kurtosis - 1) / 4 * self.sharpe**2, _TINY)

    @property
    def error(self) -> float:
        """Standard error of the Sharpe ratio."""
        return math.sqrt(self._variance / (self.periods - 1))

    def psr(self, beside: float = 0.0) -> float:
        """Probability that the true Sharpe ratio is above `beside` (per period), PSR of 2012."""
        return _NORMAL.cdf((self.sharpe - beside) / self.error)

    def periods_needed(self, beside: float = 0.0, alpha: float = 0.05) -> float | None:
        """Minimum track record length in periods for PSR to pass 1 − alpha; None when Sharpe is not above `beside`."""
        if self.sharpe <= beside:
            return None
        return 1 + self._variance * (_NORMAL.inv_cdf(1 - alpha) / (self.sharpe - beside)) ** 2


def shape(returns: Sequence[float]) -> Shape | None:
    """The shape of a series of returns; None below three values or without variation."""
    if len(returns) < 3 or spread(returns) == 0.0:
        return None
    mean, n = fmean(returns), len(returns)
    second = sum((value - mean) ** 2 for value in returns) / n
    third = sum((value - mean) ** 3 for value in returns) / n
    fourth = sum((value - mean) ** 4 for value in returns) / n
    return Shape(mean / stdev(returns), n, third / second**1.5, fourth / second**2)
