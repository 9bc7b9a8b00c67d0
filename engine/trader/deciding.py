"""A closed minute and its analysis become exits, proposals and refusals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from engine.core.events import Event, EventKind
from engine.domain import (
    BarQuality,
    Decision,
    EquityPoint,
    ExitReason,
    GateStep,
    ProposalStatus,
    Quote,
    Refusal,
    Signal,
    State,
    Symbol,
    Tier,
    micros,
)
from engine.forecasts import Forecast, weighed
from engine.messages import Analysis, Minute
from engine.outcomes import Decided
from engine.trader import chains, curves, errors, holds, settling, spreads
from engine.trader.cards import drop_card, may_ask, open_card, refresh_card
from engine.trader.events import apply, relevel
from engine.trader.memory import Cell, Memory
from engine.trader.orders import is_unknown
from engine.trader.sentences import refusal, sentence_of

ENTERABLE = (BarQuality.GOOD, BarQuality.QUIET)


def on_analysis(desk: Memory, message: Analysis) -> None:
    """Decide the minute that the analysis answers; one that comes too late enters nothing but still leaves."""
    settling.note(desk, message.forecasts)
    minute = desk.waiting
    if minute is None or message.minute != minute.at:
        for signal in message.signals:
            _late(desk, signal, message.at)
        return
    errors.worked(desk, errors.ANALYSES)
    _note_unwished(desk, message)
    decide(desk, minute, message.signals, message.steps, message.at, message.quotes, message.forecasts)


def _note_unwished(desk: Memory, message: Analysis) -> None:
    """A card that a forecast made waits on, and is not approved while the newest forecast would not make it."""
    told = {one.symbol for one in message.forecasts if not one.shadow}
    wished = {(one.strategy, one.symbol, one.side) for one in message.signals if one.action == "enter"}
    for card in desk.cards.values():
        it = card.proposal
        if (it.strategy, it.symbol, it.side) in wished:
            card.unwished = None
        elif it.symbol in told and card.signal.expected_value is not None:
            card.unwished = card.unwished or message.minute


def _late(desk: Memory, signal: Signal, at: datetime) -> None:
    """A signal whose minute was decided without it: an exit of what was held then is never lost, an entry is."""
    then = micros(signal.at)
    held = [
        position
        for position in desk.book.positions()
        if (position.strategy, position.symbol, position.side) == (signal.strategy, signal.symbol, signal.side)
        and position.entry_time <= then
    ]
    if signal.action == "exit" and held:
        desk.saw(signal, "exit")
        apply(desk, desk.book.exit(signal.strategy, signal.symbol, 1.0, ExitReason.SIGNAL, micros(at)))
        return
    desk.saw(signal, "refused", refusal("NO_ANALYSIS", at, signal.strategy, signal.symbol))


def without_analysis(desk: Memory, minute: Minute, at: datetime) -> None:
    """The analyst did not answer: exits are decided, entries are not."""
    desk.refuse(refusal("NO_ANALYSIS", at))
    errors.failed(desk, errors.ANALYSES, at, "the analyst did not answer in time")
    no = GateStep("model", False, "the analyst did not answer in time")
    decide(desk, minute, (), dict.fromkeys(minute.symbols, (no,)), at)


@dataclass(slots=True)
class _Round:
    """One minute's deciding: who wished what, and what became of it."""

    desk: Memory
    at: datetime
    steps: Mapping[Symbol, tuple[GateStep, ...]]
    weighed: Mapping[Symbol, tuple[tuple[str, float, float], ...]]  # in the forecasts behind the wishes
    wishes: dict[tuple[str, Cell], Signal] = field(default_factory=dict)
    told: dict[Symbol, Decision] = field(default_factory=dict)
    renewed: dict[Symbol, Decision] = field(default_factory=dict)  # of cards that stay as they were offered
    quotes: Sequence[Quote] = ()
    costs: dict[Cell, GateStep] = field(default_factory=dict)  # with the spread

    def priced(self, signal: Signal) -> Signal:
        """The wish less what the live spread costs; whether that is still worth it is in `costs`."""
        told, step = spreads.priced(self.desk, signal, spreads.quote_of(self.quotes, signal.symbol), self.at)
        if step is not None:
            self.costs[signal.strategy, signal.symbol] = step
        return told

    def refuse(self, signal: Signal, no: Refusal) -> None:
        self.desk.saw(signal, "refused", no)
        self.tell(chains.refused(signal.symbol, signal.at, self.own_steps(signal.symbol, signal.strategy), no))

    def own_steps(self, symbol: Symbol, strategy: str | None = None) -> Sequence[GateStep]:
        """The analyst's gates, and in the place of its costs those with the spread: of one strategy, or of any."""
        own = self.steps.get(symbol, ())
        known = ((who, step) for (who, what), step in self.costs.items() if what == symbol)
        costs = next((step for who, step in known if strategy in (None, who)), None)
        if costs is None:
            return own
        return (*(step for step in own if step.gate != "costs"), costs)

    def tell(self, decision: Decision) -> None:
        self.told[decision.symbol] = replace(decision, weighed=self.weighed.get(decision.symbol, ()))

    def wish_of(self, action: str, event: Event) -> Signal | None:
        return self.wishes.get((action, (event.strategy, event.symbol)))


def decide(
    desk: Memory,
    minute: Minute,
    signals: Sequence[Signal],
    steps: Mapping[Symbol, tuple[GateStep, ...]],
    at: datetime,
    quotes: Sequence[Quote] = (),
    forecasts: Sequence[Forecast] = (),
) -> None:
    """Run the core's decision for one minute and say what came of it."""
    desk.waiting = None
    current = _Round(desk, at, steps, {one.symbol: weighed(one) for one in forecasts if one.reasons}, quotes=quotes)
    refreshes = _admit(current, signals, minute)
    at_us = micros(minute.at)
    wishes = list(current.wishes.values())
    for event in desk.book.decide(at_us, _closes(desk, minute), wishes, desk.plan.day(minute.at)):
        _take(current, event)
    for signal in refreshes:
        _refresh(current, signal, dict(zip(minute.symbols, minute.close, strict=True)), at_us)
    relevel(desk, at_us)
    _keep_chains(current, minute)
    _mark(desk, minute)


def _closes(desk: Memory, minute: Minute) -> dict[Symbol, tuple[float, bool]]:
    """Closes that count, and whether the symbol may be entered on this bar; any other bar is as good as missing."""
    rows = zip(minute.symbols, minute.close, minute.quality, strict=True)
    shut = desk.silent | desk.doubted.keys()
    return {
        symbol: (close, desk.feed_up and symbol not in shut and not desk.plan.barred(symbol))
        for symbol, close, quality in rows
        if quality in ENTERABLE
    }


def _admit(current: _Round, signals: Sequence[Signal], minute: Minute) -> list[Signal]:
    """Let wishes through to the core; those of waiting cards come back to be refreshed."""
    refreshes = []
    grades = dict(zip(minute.symbols, minute.quality, strict=True))
    for wish in signals:
        cell = (wish.strategy, wish.symbol)
        card = current.desk.card_of_cell(cell)
        if wish.action == "exit":
            current.wishes["exit", cell] = wish
            continue
        signal = current.priced(wish)
        if card is not None and card.proposal.side is signal.side:
            if _may_refresh(current.desk, signal.symbol, grades) and not _too_dear(current, signal):
                refreshes.append(signal)
            continue
        if card is not None:
            drop_card(current.desk, card, ProposalStatus.WITHDRAWN, "desk", current.at, "the opposite signal came")
        if current.desk.tier(signal.strategy) is Tier.OBSERVE:
            current.desk.saw(signal, "observed")
            words = "observed only: the tier `observe` places no orders"
            own = current.own_steps(signal.symbol, signal.strategy)
            current.tell(chains.told(signal.symbol, signal.at, own, "consent", False, words))
            continue
        no = _not_admitted(current.desk, signal, current.at) or _bad_bar(current, signal, grades)
        no = no or _too_dear(current, signal)
        if no is None:
            current.wishes["enter", cell] = signal
        else:
            current.refuse(signal, no)
    return refreshes


def _not_admitted(desk: Memory, signal: Signal, at: datetime) -> Refusal | None:
    """Why the desk does not even ask the core."""
    code, numbers, sentence = "", {}, ""
    if desk.stopping:
        code = "STOPPING"
    elif desk.level is not State.ACTIVE:
        code, sentence = "HELD", f"new entries are held: {holds.why_held(desk)}"
    elif not desk.feed_up or signal.symbol in desk.silent:
        code = "FEED_DOWN"
    elif signal.symbol in desk.doubted:
        code, sentence = "DOUBTFUL", desk.doubted[signal.symbol]
    elif barred := desk.plan.barred(signal.symbol):
        code, sentence = "EXITS_ONLY", barred
    elif desk.rests.get(signal.symbol, at) > at:
        code, numbers = "RESTING", {"minutes": (desk.rests[signal.symbol] - at).total_seconds() / 60}
    elif is_unknown(desk, signal.symbol):
        code = "UNKNOWN_ORDER"
    return refusal(code, at, signal.strategy, signal.symbol, numbers, sentence) if code else None


def _too_dear(current: _Round, signal: Signal) -> Refusal | None:
    """What the forecast promises does not cover the spread as well."""
    step = current.costs.get((signal.strategy, signal.symbol))
    if step is None or step.passed:
        return None
    return refusal(chains.COSTS, current.at, signal.strategy, signal.symbol, step.numbers)


def _may_refresh(desk: Memory, symbol: Symbol, grades: Mapping[Symbol, str]) -> bool:
    """A card keeps its price rather than take one that nobody may enter at."""
    shut = not desk.feed_up or symbol in desk.silent or symbol in desk.doubted
    return grades.get(symbol) in ENTERABLE and not shut


def _bad_bar(current: _Round, signal: Signal, grades: Mapping[Symbol, str]) -> Refusal | None:
    """No entry on a bar that is doubtful or healed. A stale one is refused as late (`advance`)."""
    grade = grades.get(signal.symbol)
    if grade not in (BarQuality.DOUBTFUL, BarQuality.HEALED):
        return None
    words = sentence_of("BAD_BAR", {}, grade)
    return refusal("BAD_BAR", current.at, signal.strategy, signal.symbol, sentence=words)


def _take(current: _Round, event: Event) -> None:
    desk = current.desk
    wish = current.wish_of("enter", event)
    if event.kind == EventKind.INTENT and wish is not None:
        _offer(current, event, wish)
    elif event.kind == EventKind.REFUSED and wish is not None:
        current.refuse(wish, refusal(event.code, current.at, event.strategy, event.symbol, event.numbers))
    else:
        _exit_told(current, event)
        apply(desk, [event])


def _offer(current: _Round, event: Event, wish: Signal) -> None:
    desk, own = current.desk, current.own_steps(wish.symbol, wish.strategy)
    if not may_ask(desk, current.at):
        desk.book.withdraw(event.intent)
        limit = float(desk.plan.playbook.proposal.max_cards_per_hour)
        no = refusal("CARDS_PER_HOUR", current.at, wish.strategy, wish.symbol, {"limit": limit})
        desk.saw(wish, "digest", no)
        current.tell(chains.told(wish.symbol, wish.at, own, "consent", False, no.sentence))
        return
    proposal = open_card(desk, event, wish, current.at)
    current.tell(chains.proposed(wish.symbol, wish.at, own, proposal, desk.plan.clock(proposal.expires)))


def _exit_told(current: _Round, event: Event) -> None:
    """An exit signal that moved something is worth seeing; one with nothing to close is not."""
    wish = current.wish_of("exit", event)
    words = ""
    if wish is not None and event.kind == EventKind.EXIT_DECIDED and event.reason is ExitReason.SIGNAL:
        words = (
            "the exit is held back until the halt is lifted" if event.code == "DUE" else "the position is being closed"
        )
        current.desk.saw(wish, "exit")
    elif wish is not None and event.kind == EventKind.CANCELLED:
        words = "the waiting entry was withdrawn"
        current.desk.saw(wish, "withdrew")
    if wish is not None and words:
        own = current.own_steps(wish.symbol, wish.strategy)
        because = f"{wish.reason or 'exit signal'}: {words}"
        current.tell(chains.told(wish.symbol, wish.at, own, "strategy", True, because))


def _refresh(current: _Round, signal: Signal, closes: Mapping[Symbol, float], at_us: int) -> None:
    desk = current.desk
    card = desk.card_of_cell((signal.strategy, signal.symbol))
    if card is None or signal.symbol not in closes:
        return
    offered = card.proposal.revision
    refresh_card(desk, card, signal, closes[signal.symbol], at_us, current.at)
    if card.proposal.id in desk.cards:
        own = current.own_steps(signal.symbol, signal.strategy)
        until = desk.plan.clock(card.proposal.expires)
        decision = chains.proposed(signal.symbol, signal.at, own, card.proposal, until)
        if card.proposal.revision == offered:
            current.renewed[signal.symbol] = decision
        else:
            current.tell(decision)


def _keep_chains(current: _Round, minute: Minute) -> None:
    """Every symbol's latest chain stays readable; only what happened goes into the record.

    A card's decision stands while the card waits, and what the minutes since have said beside it.
    """
    desk = current.desk
    waiting = {card.proposal.symbol for card in desk.cards.values()} - current.told.keys()
    quiet = {
        symbol: chains.quiet(symbol, minute.at, current.own_steps(symbol))
        for symbol in minute.symbols
        if symbol not in current.told
    }
    fresh = {symbol: decision for symbol, decision in quiet.items() if symbol not in waiting}
    desk.decisions = {**desk.decisions, **fresh, **current.told}
    desk.since = {symbol: {**quiet, **current.renewed}[symbol] for symbol in waiting & quiet.keys()}
    desk.say(*(Decided(decision) for decision in current.told.values()))


def _mark(desk: Memory, minute: Minute) -> None:
    """One point a minute: the desk's equity, and the same capital bought and held in equal parts."""
    capital, equity = desk.plan.rules.capital, desk.book.equity
    desk.curve = curves.grown(desk.curve, EquityPoint(minute.at, equity))
    desk.peak = max(desk.peak, capital, equity)
    part = capital / max(1, len(desk.plan.symbols))
    for symbol, close in zip(minute.symbols, minute.close, strict=True):
        if symbol not in desk.units and close > 0:
            desk.units[symbol] = part / close
    held = sum(units * desk.closes[symbol][1] for symbol, units in desk.units.items() if symbol in desk.closes)
    buy_and_hold = held + capital - part * len(desk.units)
    desk.benchmark = curves.grown(desk.benchmark, EquityPoint(minute.at, buy_and_hold))
