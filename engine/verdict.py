"""The phase verdict (SEMANTICS 6): proceed, optimise, pivot, or not proven yet; each criterion met, not met or unknown.

Choices where the rule leaves room: *optimise* needs the same 100 trades as *proceed*; evidence of a loss outweighs a
good hit rate; *pivot*, which is allowed only on an interval, also needs 30 trades, because a few stops in a row
have an interval of no width and prove nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.inference import Interval, wilson
from engine.performance import Performance, Tally

TRADES_NEEDED, TRADES_FOR_PIVOT = 100, 30
ACCURACY_GOOD, ACCURACY_FAIR, ACCURACY_CHANCE = 0.55, 0.52, 0.50


class Phase(StrEnum):
    PROCEED = "proceed"
    OPTIMISE = "optimise"
    PIVOT = "pivot"
    NOT_PROVEN = "not proven yet"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Settled forecasts: `hits` of `n` were right. `known`: their interval where they overlap and so are worth less."""

    hits: int
    n: int
    known: Interval | None = None

    @property
    def share(self) -> float | None:
        return self.hits / self.n if self.n else None

    @property
    def interval(self) -> Interval | None:
        return self.known or wilson(self.hits, self.n)


@dataclass(frozen=True, slots=True)
class Operations:
    """How well the desk ran, as fractions; None where it was not measured."""

    uptime: float | None = None
    feed_uptime: float | None = None
    data_quality: float | None = None
    database_writes: float | None = None
    mean_slippage: float | None = None


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of the list: `value` against `limit`, `above` says on which side it must be (a count may equal it)."""

    name: str
    value: float | None  # None: not known
    limit: float
    above: bool
    unit: str  # "fraction", "ratio" or "count"

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        if self.unit == "count":
            return self.value >= self.limit
        return self.value > self.limit if self.above else self.value < self.limit


@dataclass(frozen=True, slots=True)
class Verdict:
    phase: Phase
    sentence: str
    deciding: tuple[Criterion, ...]  # what the phase was decided by
    beside: tuple[Criterion, ...]  # shown with it


def judge(performance: Performance, accuracy: Accuracy | None = None, operations: Operations | None = None) -> Verdict:
    """The verdict on a phase. Without settled forecasts (`accuracy` None or empty) net return alone decides."""
    known = accuracy if accuracy and accuracy.n else None
    phase = _phase(performance.total, known)
    return Verdict(
        phase, _sentence(phase, performance.total, known), _deciding(performance.total, known),
        _beside(performance, operations or Operations()),
    )  # fmt: skip


def _phase(total: Tally, accuracy: Accuracy | None) -> Phase:
    low, high = _ends(total.mean_return_interval)
    if total.trades >= TRADES_NEEDED and low > 0 and (accuracy is None or _is_good(accuracy)):
        return Phase.PROCEED
    if total.trades >= TRADES_FOR_PIVOT and (high < 0 or (accuracy is not None and _is_poor(accuracy))):
        return Phase.PIVOT
    if total.trades >= TRADES_NEEDED and accuracy is not None and (accuracy.share or 0) > ACCURACY_FAIR:
        return Phase.OPTIMISE
    return Phase.NOT_PROVEN


def _ends(interval: Interval | None) -> tuple[float, float]:
    return (interval.low, interval.high) if interval else (float("-inf"), float("inf"))


def _is_good(accuracy: Accuracy) -> bool:
    return (accuracy.share or 0) > ACCURACY_GOOD and _ends(accuracy.interval)[0] > ACCURACY_CHANCE


def _is_poor(accuracy: Accuracy) -> bool:
    return _ends(accuracy.interval)[1] < ACCURACY_FAIR


def _deciding(total: Tally, accuracy: Accuracy | None) -> tuple[Criterion, ...]:
    interval = total.mean_return_interval
    net = Criterion("net return per trade, lower bound", interval.low if interval else None, 0.0, True, "fraction")
    count = Criterion("closed trades", float(total.trades), TRADES_NEEDED, True, "count")
    if accuracy is None:
        return count, net
    low = accuracy.interval.low if accuracy.interval else None
    return (
        count,
        net,
        Criterion("forecast accuracy", accuracy.share, ACCURACY_GOOD, True, "fraction"),
        Criterion("forecast accuracy, lower bound", low, ACCURACY_CHANCE, True, "fraction"),
    )


def _beside(performance: Performance, operations: Operations) -> tuple[Criterion, ...]:
    fall = performance.drawdown.depth if performance.drawdown else None
    return (
        Criterion("win rate", performance.total.win_rate, 0.50, True, "fraction"),
        Criterion("profit factor", performance.total.profit_factor, 1.0, True, "ratio"),
        Criterion("drawdown", fall, 0.15, False, "fraction"),
        Criterion("uptime", operations.uptime, 0.95, True, "fraction"),
        Criterion("feed uptime", operations.feed_uptime, 0.995, True, "fraction"),
        Criterion("data quality", operations.data_quality, 0.99, True, "fraction"),
        Criterion("database writes", operations.database_writes, 0.999, True, "fraction"),
        Criterion("mean slippage", operations.mean_slippage, 0.005, False, "fraction"),
    )


def _sentence(phase: Phase, total: Tally, accuracy: Accuracy | None) -> str:
    if not total.trades:
        return "No trade has closed yet, so nothing can be said."
    sample = f"{total.trades} closed trade{'s' if total.trades > 1 else ''}"
    interval = total.mean_return_interval
    if interval is None or total.mean_return is None:
        return f"{sample}: one result says nothing about the next."
    between = f"95 % between {_percent(interval.low)} and {_percent(interval.high)}"
    net = f"{_percent(total.mean_return)} a trade after costs, {between}"
    return f"{sample}, {net}: {_meaning(phase, total, accuracy)}"


def _meaning(phase: Phase, total: Tally, accuracy: Accuracy | None) -> str:
    low, high = _ends(total.mean_return_interval)
    if phase is Phase.PROCEED:
        return "it beats chance after costs."
    if phase is Phase.PIVOT:
        return "it loses money after costs." if high < 0 else "its forecasts are no better than chance."
    if phase is Phase.OPTIMISE:
        return "the forecasts are right often enough to work on, but the result after costs is not."
    if high < 0:
        return f"it loses so far, but {TRADES_FOR_PIVOT} trades are needed to be sure."
    if total.trades < TRADES_NEEDED:
        return f"too few to judge, {TRADES_NEEDED} are needed."
    return "more than chance, but the forecasts are not." if low > 0 else "it cannot be told from chance."


def _percent(fraction: float) -> str:
    return f"{fraction * 100:+.2f} %".replace("-", "−")
