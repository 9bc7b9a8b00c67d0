"""The core's events in words: every event becomes outcomes, and holds follow at once."""

from __future__ import annotations

from collections.abc import Iterable

from engine.core.events import Event, EventKind
from engine.domain import ExitReason, Fill, ProposalStatus, Side, TradeRecord, instant
from engine.outcomes import Filled, PositionChanged, PositionClosed, PositionOpened
from engine.trader import holds
from engine.trader.cards import close_card
from engine.trader.memory import Cell, Memory, Story
from engine.trader.orders import action_of, cancelled, exit_on_its_way, fill_of_entry, intend_exit
from engine.trader.positions import position_of, position_of_fill

_WITHDRAWN = {
    "HELD": "new entries are held",
    "OPPOSITE_SIGNAL": "the opposite signal came",
    "CLOSING": "the position is being closed",
    "EXPIRED": "its time was over",
    "WITHDRAWN": "it was withdrawn",
}


def apply(desk: Memory, events: Iterable[Event]) -> None:
    """Turn events into outcomes. INTENT and REFUSED belong to whoever asked and are not handled here."""
    for event in events:
        handle = _HANDLERS.get(event.kind)
        if handle is not None:
            handle(desk, event)


def relevel(desk: Memory, at_us: int) -> None:
    """Bring the core to the strictest hold; what a stricter state cancels is said in the same record."""
    level = holds.level_for_core(desk)
    if level is not desk.level:
        desk.level = level
        apply(desk, desk.book.set_level(level, at_us))


def _cell(event: Event) -> Cell:
    return event.strategy, event.symbol


def _on_cancelled(desk: Memory, event: Event) -> None:
    why = _WITHDRAWN.get(event.code, event.code.lower())
    if event.code == "HELD" and desk.holds:
        why = f"new entries are held: {holds.why_held(desk)}"
    card = desk.card_of_intent(event.intent)
    if card is not None:
        close_card(desk, card, ProposalStatus.WITHDRAWN, "desk", instant(event.at), why)
        return
    story = desk.stories.get(_cell(event))
    if story is not None and story.intent == event.intent and story.entries:
        cancelled(desk, story, why)


def _on_exit_decided(desk: Memory, event: Event) -> None:
    reason = event.reason or ExitReason.SIGNAL
    position = position_of(desk, _cell(event))
    if event.code == "DUE":
        if position is not None:
            desk.say(PositionChanged(position, "due"))
    elif position is not None:
        quantity = event.quantity or position.quantity
        intend_exit(desk, _cell(event), position.side, quantity, reason, instant(event.at))


def _on_filled(desk: Memory, event: Event) -> None:
    story = desk.stories.get(_cell(event))
    if story is None:
        raise RuntimeError(f"the core filled {event.code} in {event.symbol} for {event.strategy}, unknown to the desk")
    if event.code == "entry":
        _filled_entry(desk, event, story)
    else:
        _filled_exit(desk, event, story)


def _fill(event: Event, story: Story, client_id: str, purpose: str, entering: bool) -> Fill:
    return Fill(
        client_id=client_id,
        trade_id=story.trade_id,
        strategy=event.strategy,
        symbol=event.symbol,
        action=action_of(event.side or story.proposal.side, entering),
        at=instant(event.at),
        price=event.price,
        quantity=event.quantity,
        fee=event.fee,
        slippage=event.slippage,
        purpose=purpose,
    )


def _filled_entry(desk: Memory, event: Event, story: Story) -> None:
    order = fill_of_entry(story, event.quantity, event.price)
    desk.say(Filled(_fill(event, story, order.client_id if order else "", "entry", entering=True)))
    desk.extremes.pop(event.symbol, None)
    desk.seen.setdefault(event.symbol, instant(event.at))
    position = position_of(desk, _cell(event)) or position_of_fill(event, story)
    if story.opened:
        desk.say(PositionChanged(position, "added"))
    else:
        desk.say(PositionOpened(position, story.proposal.id, _drift(event, story)))
        desk.follow(story.proposal.id, "open", instant(event.at))
    story.opened = True
    if all(working.intent != story.intent for working in desk.book.working()):
        story.entries = []


def _drift(event: Event, story: Story) -> dict[str, float]:
    card = story.proposal.price
    return {
        "card_price": card,
        "price": event.price,
        "drift": event.price / card - 1 if card else 0.0,
        **story.signal.numbers,
    }


def _filled_exit(desk: Memory, event: Event, story: Story) -> None:
    cell = _cell(event)
    reason = event.reason or ExitReason.SIGNAL
    side = event.side or story.proposal.side
    left_open = event.numbers.get("position", 0.0)
    order = exit_on_its_way(desk, cell, event.quantity, reason)
    if order is None:
        order = intend_exit(desk, cell, side, event.quantity + left_open, reason, instant(event.at))
    desk.say(Filled(_fill(event, story, order.client_id, reason.value, entering=False)))
    on_the_way = desk.exits[cell]
    on_the_way.left -= event.quantity
    if on_the_way.left <= order.quantity * 1e-9 or left_open <= 0:
        del desk.exits[cell]
    position = position_of(desk, cell)
    if position is not None and left_open > 0:
        desk.say(PositionChanged(position, "reduced"))


def _on_stop_moved(desk: Memory, event: Event) -> None:
    position = position_of(desk, _cell(event))
    if position is not None:
        desk.say(PositionChanged(position, "trailing"))


def _on_closed(desk: Memory, event: Event) -> None:
    story = desk.stories.pop(_cell(event))
    desk.exits.pop(_cell(event), None)
    if story.entries:
        cancelled(desk, story, "the position closed")
    trade = _trade_record(event, story)
    desk.trades.append(trade)
    result = {"why": trade.exit_reason.value, "pnl": trade.pnl, "pnl_pct": trade.pnl_pct}
    desk.follow(story.proposal.id, "closed", trade.exit_time, **result)
    desk.say(PositionClosed(trade, story.proposal.id, desk.book.equity - desk.book.day_start))


def _trade_record(event: Event, story: Story) -> TradeRecord:
    n = event.numbers
    return TradeRecord(
        trade_id=story.trade_id,
        strategy=event.strategy,
        symbol=event.symbol,
        side=event.side or Side.LONG,
        entry_time=instant(int(n["entry_time"])),
        entry_price=n["entry_price"],
        exit_time=instant(event.at),
        exit_price=n.get("exit_price", event.price),
        quantity=n["quantity"],
        notional=n["notional"],
        fees=n["fees"],
        pnl=n["pnl"],
        pnl_pct=n["pnl_pct"],
        exit_reason=event.reason or ExitReason.SIGNAL,
        confidence=story.signal.confidence,
        approved_by=story.proposal.decided_by,
        kraken_validated=story.validated,
    )


def _on_breaker_ended(desk: Memory, event: Event) -> None:
    holds.lift(desk, event.code, f"rule:{event.code.lower()}")


_HANDLERS = {
    EventKind.CANCELLED: _on_cancelled,
    EventKind.EXIT_DECIDED: _on_exit_decided,
    EventKind.FILLED: _on_filled,
    EventKind.STOP_MOVED: _on_stop_moved,
    EventKind.CLOSED: _on_closed,
    EventKind.BREAKER: holds.on_breaker,
    EventKind.BREAKER_ENDED: _on_breaker_ended,
}
