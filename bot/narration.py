"""One console line per decision: what the desk did and the numbers behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bot.numbers import named
from bot.render import amount, money, percent, price
from engine.messages import Analysis
from engine.outcomes import (
    AlarmCleared,
    AlarmRaised,
    Filled,
    HoldLifted,
    HoldPlaced,
    Outcome,
    PositionClosed,
    PositionOpened,
    ProposalClosed,
    ProposalOpened,
    Refused,
    ReportDue,
    SignalSeen,
)
from engine.records import Record

log = logging.getLogger("desk")

SILENCE = "NO_ANALYSIS"
WARMING = "WARMING UP: the analyst has not answered since the start, so this minute has no entries"


class Narrator:
    """Logs what each record decided. A minute without an analysis is said once, then counted: that may last hours."""

    def __init__(self) -> None:
        self._heard = False  # whether the analyst has answered since the start
        self._silent = 0  # minutes in a row that the analyst did not answer
        self._runs: dict[tuple[str, str], tuple[str, int]] = {}  # by strategy and coin: what came last, how often

    def tell(self, record: Record) -> None:
        unanswered = any(map(_is_silence, record.outcomes))
        if isinstance(record.message, Analysis) and self._silent:
            once_more = "again " if self._heard else ""
            log.info("ANALYST answers %safter %s without signals", once_more, _minutes(self._silent))
            self._silent = 0
        self._heard |= isinstance(record.message, Analysis)
        self._silent += unanswered
        for outcome in record.outcomes:
            line = _told(outcome) if self._heard or not _is_silence(outcome) else WARMING
            again = self._again(outcome) if isinstance(outcome, SignalSeen) else ""
            if line and again is not None and (not _is_silence(outcome) or self._is_worth_saying()):
                log.info("%s%s", line, again)

    def _again(self, seen: SignalSeen) -> str | None:
        """What to add to the line of a wish that comes with every minute and fares as before: it is said at the first,
        the tenth, the hundredth … time; None between those."""
        cell = (seen.signal.strategy, seen.signal.symbol)
        kind = f"{seen.signal.action} {seen.fate} {seen.refusal.code if seen.refusal else ''}"
        before, count = self._runs.get(cell, ("", 0))
        count = count + 1 if kind == before else 1
        self._runs[cell] = (kind, count)
        return "" if count == 1 else f", for the {count}th time" if str(count).strip("0") == "1" else None

    def _is_worth_saying(self) -> bool:
        """The first, the tenth, the hundredth … time."""
        if self._silent > 1 and str(self._silent).strip("0") == "1":
            log.info("NO_ANALYSIS for %s now", _minutes(self._silent))
        return self._silent == 1


def _is_silence(outcome: Outcome) -> bool:
    return isinstance(outcome, Refused) and outcome.refusal.code == SILENCE


def _minutes(count: int) -> str:
    return f"{count} minute{'' if count == 1 else 's'}"


def lines(record: Record) -> Iterator[str]:
    """`BUY 0.0123 BTC/USD @ 67,450.00 (EMA20 67,200, EMA50 67,000)` and the like, one per decision."""
    yield from filter(None, map(_told, record.outcomes))


def _told(outcome: Outcome) -> str:
    tell = _TELLERS.get(type(outcome))
    return tell(outcome) if tell is not None else ""


def _numbers(numbers: Mapping[str, float]) -> str:
    return f" ({', '.join(f'{name} {value}' for name, value in named(numbers))})" if numbers else ""


def _proposed(outcome: ProposalOpened) -> str:
    offer = outcome.proposal
    said = f"{offer.side} {amount(offer.quantity)} {offer.symbol} @ {price(offer.price)}"
    return f"PROPOSED {said}, stop {price(offer.stop)}: {'; '.join(offer.reasons[:2])}"


def _answered(outcome: ProposalClosed) -> str:
    offer = outcome.proposal
    by = f" by {offer.decided_by}" if offer.decided_by else ""
    return f"{offer.status.upper()} {offer.symbol} {offer.id}{by}"


def _filled(outcome: Filled) -> str:
    fill = outcome.fill
    why = "" if fill.purpose == "entry" else f", {fill.purpose}"
    return (
        f"{fill.action.upper()} {amount(fill.quantity)} {fill.symbol} @ {price(fill.price)} fee {money(fill.fee)}{why}"
    )


def _opened(outcome: PositionOpened) -> str:
    held = outcome.position
    return f"OPEN {held.symbol} at {price(held.entry_price)}, stop {price(held.stop)}{_numbers(outcome.numbers)}"


def _closed(outcome: PositionClosed) -> str:
    made = outcome.trade
    result = f"{money(made.pnl, signed=True)} ({percent(made.pnl_pct, signed=True)})"
    return f"CLOSED {made.symbol} {result}, {made.exit_reason}"


def _signal(outcome: SignalSeen) -> str:
    wish = outcome.signal
    why = f" {outcome.refusal.code}: {outcome.refusal.sentence}" if outcome.refusal else ""
    return f"SIGNAL {wish.action} {wish.symbol} @ {price(wish.price)} {outcome.fate}{why}{_numbers(wish.numbers)}"


_TELLERS: dict[type, Callable[[Any], str]] = {
    ProposalOpened: _proposed,
    ProposalClosed: _answered,
    Filled: _filled,
    PositionOpened: _opened,
    PositionClosed: _closed,
    SignalSeen: _signal,
    Refused: lambda outcome: (
        f"REFUSED {outcome.refusal.symbol or 'desk'} {outcome.refusal.code}: {outcome.refusal.sentence}"
    ),
    HoldPlaced: lambda outcome: f"HOLD {outcome.hold.code} {outcome.hold.level} by {outcome.hold.by}",
    HoldLifted: lambda outcome: f"LIFTED {outcome.hold.code} by {outcome.by}",
    AlarmRaised: lambda outcome: f"ALARM {outcome.alarm.level}: {outcome.alarm.sentence}",
    AlarmCleared: lambda outcome: f"RECOVERED {outcome.alarm.key}",
    ReportDue: lambda outcome: f"REPORT {outcome.slot}{' (late)' if outcome.late else ''}",
}
