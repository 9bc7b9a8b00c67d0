"""What an equity curve says: change, drawdown, and Sharpe and Sortino of evenly resampled returns."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean

from engine.domain import EquityPoint
from engine.inference import Shape, shape

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
_YEAR = timedelta(days=365)  # crypto trades every day
_ENOUGH_DAYS, _ENOUGH_HOURS = 30, 24
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall from a peak. `recovered_at` is None while equity is still below that peak."""

    depth: float  # fraction of the peak
    peak_at: datetime
    trough_at: datetime
    recovered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ratios:
    """Annualised by the square root of periods a year (365 days), risk-free rate 0; None without variation."""

    period: str  # "daily" or "hourly"
    periods: int
    sharpe: float | None
    sortino: float | None  # None without a losing period
    psr: float | None  # probability that the true Sharpe ratio is above 0 (2012 version)
    days_needed: float | None  # track record until PSR passes 95 % at this Sharpe ratio


def between(curve: Sequence[EquityPoint], start: datetime, end: datetime) -> Sequence[EquityPoint]:
    """The points of a window, with the last one at or before `start` as its first."""
    first = max(0, bisect_right(curve, start, key=_at) - 1)
    window = curve[first : bisect_right(curve, end, key=_at)]
    if not window or window[0].at >= start:
        return window
    return [EquityPoint(start, window[0].equity), *window[1:]]


def change(curve: Sequence[EquityPoint]) -> float | None:
    """Return from the first point to the last; None for an empty curve or one that starts at 0 or below."""
    if not curve or curve[0].equity <= 0:
        return None
    return curve[-1].equity / curve[0].equity - 1


def drawdown(curve: Sequence[EquityPoint]) -> Drawdown | None:
    """The deepest fall; None for an empty curve. A curve that never falls has depth 0 at its first point."""
    if not curve:
        return None
    peak = trough = top = curve[0]
    depth = 0.0
    for point in curve:
        if point.equity > top.equity:
            top = point
        fall = 1 - point.equity / top.equity if top.equity > 0 else 0.0
        if fall > depth:
            depth, peak, trough = fall, top, point
    after = curve[bisect_right(curve, trough.at, key=_at) :] if depth else ()
    recovered = next((point.at for point in after if point.equity >= peak.equity), None)
    return Drawdown(depth, peak.at, trough.at, recovered)


def resampled(curve: Sequence[EquityPoint], step: timedelta) -> list[float]:
    """Equity at every whole UTC `step` within the curve: the last value known at that instant."""
    if not curve:
        return []
    at = _EPOCH + math.ceil((curve[0].at - _EPOCH) / step) * step
    values = []
    while at <= curve[-1].at:
        values.append(curve[bisect_right(curve, at, key=_at) - 1].equity)
        at += step
    return values


def ratios(curve: Sequence[EquityPoint]) -> Ratios | None:
    """Daily where there are 30 daily returns, else hourly where there are 24, else None."""
    daily = _returns(resampled(curve, DAY))
    if len(daily) >= _ENOUGH_DAYS:
        return _ratios("daily", DAY, daily)
    hourly = _returns(resampled(curve, HOUR))
    return _ratios("hourly", HOUR, hourly) if len(hourly) >= _ENOUGH_HOURS else None


def _ratios(name: str, step: timedelta, returns: Sequence[float]) -> Ratios:
    yearly = math.sqrt(_YEAR / step)
    form = shape(returns)
    return Ratios(
        period=name,
        periods=len(returns),
        sharpe=form.sharpe * yearly if form else None,
        sortino=_sortino(returns, yearly) if form else None,
        psr=form.psr() if form else None,
        days_needed=_days(form, step) if form else None,
    )


def _sortino(returns: Sequence[float], yearly: float) -> float | None:
    downside = math.sqrt(fmean(min(value, 0.0) ** 2 for value in returns))
    return fmean(returns) / downside * yearly if downside > 0 else None


def _days(form: Shape, step: timedelta) -> float | None:
    needed = form.periods_needed()
    return None if needed is None else needed * (step / DAY)


def _returns(values: Sequence[float]) -> list[float]:
    return [later / earlier - 1 for earlier, later in itertools.pairwise(values) if earlier > 0]


def thinned(curve: Sequence[EquityPoint], most: int) -> list[EquityPoint]:
    """At most about `most` points that keep each stretch's lowest and highest, and the ends: a curve to draw."""
    if len(curve) <= most:
        return list(curve)
    kept = {0, len(curve) - 1}
    stretch = max(1, math.ceil(2 * len(curve) / most))
    for begin in range(0, len(curve), stretch):
        span = range(begin, min(begin + stretch, len(curve)))
        kept.add(min(span, key=lambda index: curve[index].equity))
        kept.add(max(span, key=lambda index: curve[index].equity))
    return [curve[index] for index in sorted(kept)]


def _at(point: EquityPoint) -> datetime:
    return point.at
