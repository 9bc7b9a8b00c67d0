"""What falls due: expiries, late analyses, local midnight, reports; and the desk's own beginning and end."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from engine.core.book import Book
from engine.core.carry import carry
from engine.domain import Alarm, ProposalStatus, Symbol, micros
from engine.messages import Born, HealthSeen, Started, Stopped, Timer
from engine.outcomes import AlarmCleared, AlarmRaised, AlarmRepeated, DayClosed, DeskStarted, DeskStopped, ReportDue
from engine.slots import LATE_AFTER, slot_of
from engine.trader import errors, holds, prices
from engine.trader.cards import drop_card, expire_cards
from engine.trader.deciding import without_analysis
from engine.trader.events import apply, relevel
from engine.trader.jobs import interrupt
from engine.trader.memory import Memory
from engine.trader.orders import drop_entry, entry_expiries, expire_entries
from engine.trader.plan import plan_of
from engine.trader.terms import terms_of


class Due(NamedTuple):
    """The next instant at which time alone changes something, and the timer to send then."""

    at: datetime
    name: str
    key: str


def next_due(desk: Memory) -> Due | None:
    """The earliest of what waits for time; None when nothing does."""
    if desk.plan_ is None:
        return None
    waits = [Due(card.proposal.expires, "expiry", name) for name, card in desk.cards.items()]
    waits.extend(Due(at, "expiry", trade) for at, trade in entry_expiries(desk))
    if desk.waiting is not None:
        waits.append(Due(desk.waiting.at + desk.plan.analysis_wait, "analysis", desk.waiting.at.isoformat()))
    waits.append(Due(desk.midnight, "day", date.fromordinal(desk.day).isoformat()))
    waits.extend(Due(at, "prices", symbol) for symbol, at in prices.silences(desk).items())
    return min(waits)


def advance(desk: Memory, at: datetime) -> None:
    """Do what has fallen due by `at`, whatever message brought that instant."""
    desk.now = max(desk.now, at)
    if desk.plan_ is None:
        return
    if at >= desk.midnight:
        _roll_day(desk, at)
    expire_cards(desk, at)
    expire_entries(desk, at)
    waiting = desk.waiting
    if waiting is not None and at >= waiting.at + desk.plan.analysis_wait:
        without_analysis(desk, waiting, at)


def _roll_day(desk: Memory, at: datetime) -> None:
    desk.say(DayClosed(date.fromordinal(desk.day).isoformat(), desk.book.equity))
    if holds.DAILY_LOSS in desk.holds:
        apply(desk, desk.book.lift(holds.DAILY_LOSS, micros(at)))
        holds.lift(desk, holds.DAILY_LOSS, "rule:daily_loss")
        relevel(desk, micros(at))
    _set_day(desk, at)


def _set_day(desk: Memory, at: datetime) -> None:
    desk.day = desk.plan.day(at)
    desk.midnight = holds.next_midnight(desk, at)


def on_timer(desk: Memory, message: Timer) -> None:
    """A report slot, or a symbol's silence; the rest fell due in `advance` already."""
    if message.name == "report":
        _report(desk, message)
    elif message.name == "prices":
        prices.check_silence(desk, message.key, message.due, message.at)


def _report(desk: Memory, message: Timer) -> None:
    if message.key in desk.reports:
        return
    slot = slot_of(message.key, desk.plan.zone)
    desk.reports.add(message.key)
    late = message.at - slot.due > LATE_AFTER * desk.plan.stretch
    desk.say(ReportDue(slot.report, message.key, slot.covers_from, slot.covers_to, late))


def on_born(desk: Memory, message: Born) -> None:
    if desk.born is not None:
        raise ValueError(f"this ledger was born already, as {desk.born.kind} for {desk.born.playbook}")
    desk.born = message


def on_started(desk: Memory, message: Started) -> None:
    """A process takes over; the book goes on as the ledger left it."""
    first = desk.plan_ is None
    plan = plan_of(message)
    if desk.book_ is None:
        desk.book_ = Book(plan.rules)
    elif desk.plan_ is not None and desk.plan_.rules != plan.rules:
        _let_go(desk, plan.symbols, message.at)
        desk.book_ = carry(desk.book_, desk.plan_.rules, plan.rules)
    desk.plan_, desk.started, desk.stopping = plan, message, False
    desk.feed_up, desk.feed_detail, desk.waiting = True, "", None
    desk.terms = terms_of(plan.playbook, plan.stretch)
    _note_rules(desk, message)
    desk.silent.clear()
    if message.anew:
        desk.doubted.clear()  # else the second source that doubts runs on, and says when it agrees
    if first:
        desk.first_started = message.at
        _set_day(desk, message.at)
    if message.anew:
        interrupt(desk, message.at)
        holds.lift_of_the_process(desk)
        relevel(desk, micros(message.at))
    advance(desk, message.at)
    prices.forget_silence(desk, message.at)
    state = holds.strictest(desk).value
    positions, pending = len(desk.book.positions()), len(desk.cards)
    desk.say(DeskStarted(message.at, state, first, positions, pending, desk.book.equity))


def _note_rules(desk: Memory, message: Started) -> None:
    """Remember when other rules came into force: figures from before are of another desk."""
    known = desk.rules or (desk.born.playbook_hash if desk.born else "")
    if message.rules and known and message.rules != known:
        desk.rules_before, desk.rules_since = known, message.at
    desk.rules = message.rules or known


def _let_go(desk: Memory, symbols: tuple[Symbol, ...], at: datetime) -> None:
    """Cards and entries in symbols that are no longer part of the desk end."""
    for card in list(desk.cards.values()):
        if card.proposal.symbol not in symbols:
            drop_card(desk, card, ProposalStatus.WITHDRAWN, "desk", at, "its symbol is no longer part of the desk")
    for story in list(desk.stories.values()):
        if story.proposal.symbol not in symbols and story.entries:
            drop_entry(desk, story, "its symbol is no longer part of the desk")


def on_stopped(desk: Memory, message: Stopped) -> None:
    """No new entries from here on; positions and cards wait for the next start."""
    desk.stopping = True
    desk.waiting = None
    held: tuple[Symbol, ...] = tuple(position.symbol for position in desk.book.positions())
    desk.say(DeskStopped(message.at, held))


def on_health_seen(desk: Memory, message: HealthSeen) -> None:
    """The health check's alarms as they now stand: new ones are raised, worse ones repeated, gone ones cleared."""
    seen = {alarm.key: alarm for alarm in message.alarms}
    fresh = [alarm for key, alarm in seen.items() if key not in desk.alarms or _is_worse(alarm, desk.alarms[key])]
    for key, alarm in seen.items():
        before = desk.alarms.get(key)
        if before is None:
            desk.say(AlarmRaised(alarm))
        elif before != alarm:
            desk.say(AlarmRepeated(alarm, escalated=_is_worse(alarm, before)))
        desk.alarms[key] = alarm
    for key in [key for key in desk.alarms if key not in seen and not prices.is_own(key)]:
        desk.say(AlarmCleared(desk.alarms.pop(key)))
    errors.alarmed(desk, fresh, message.at)


def _is_worse(now: Alarm, before: Alarm) -> bool:
    return (now.level == "critical" and before.level != "critical") or (now.mention and not before.mention)
