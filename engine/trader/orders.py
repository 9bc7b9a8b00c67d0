"""Order intents: derived ids, recorded before anything is sent."""

from __future__ import annotations

from datetime import datetime

from engine.client_ids import client_id
from engine.domain import Consent, ExitReason, Order, Side
from engine.outcomes import OrderCancelled, OrderIntended
from engine.trader.memory import Cell, Exit, Memory, Story


def action_of(side: Side, entering: bool) -> str:
    """`buy` opens a long and closes a short; `sell` the other way round."""
    return "buy" if (side is Side.LONG) == entering else "sell"


def intend_entry(desk: Memory, story: Story, at: datetime, quantity: float, consent: Consent) -> None:
    """Write the entry orders of one consent: one at the market, or one per grid level."""
    signal = story.signal
    decision = desk.next_decision()
    legs: tuple[float | None, ...] = signal.levels or (None,)
    for leg, limit in enumerate(legs):
        order = Order(
            client_id=client_id(desk.desk_id, signal.strategy, signal.symbol, decision, "entry", leg),
            strategy=signal.strategy,
            symbol=signal.symbol,
            action=action_of(signal.side, entering=True),
            quantity=quantity / len(legs),
            kind="market" if limit is None else "limit",
            limit=limit,
            purpose="entry",
            trade_id=story.trade_id,
            at=at,
            consent=consent,
        )
        story.entries.append(order)
        story.filled[order.client_id] = 0.0
        _intend(desk, order)


def exit_on_its_way(desk: Memory, cell: Cell, quantity: float, reason: ExitReason) -> Order | None:
    """The exit order that was written for this reason, if what is left of it covers `quantity`."""
    known = desk.exits.get(cell)
    if known is None or known.order.purpose != reason.value or known.left < quantity * (1 - 1e-9):
        return None
    return known.order


def intend_exit(desk: Memory, cell: Cell, side: Side, quantity: float, reason: ExitReason, at: datetime) -> Order:
    """Write an exit order, unless one that sells as much is on its way already; a smaller one is replaced."""
    standing = exit_on_its_way(desk, cell, quantity, reason)
    if standing is not None:
        return standing
    known = desk.exits.get(cell)
    strategy, symbol = cell
    order = Order(
        client_id=client_id(desk.desk_id, strategy, symbol, desk.next_decision(), reason.value),
        strategy=strategy,
        symbol=symbol,
        action=action_of(side, entering=False),
        quantity=quantity,
        kind="market",
        limit=None,
        purpose=reason.value,
        trade_id=desk.stories[cell].trade_id,
        at=at,
    )
    if known is not None:
        desk.say(OrderCancelled(known.order.client_id, symbol, f"replaced by {reason.value}"))
    desk.exits[cell] = Exit(order, quantity)
    _intend(desk, order)
    return order


def _intend(desk: Memory, order: Order) -> None:
    desk.unacked[order.client_id] = order
    if order.consent is not None:
        known = desk.consented.values()
        desk.consented = {o.client_id: o for o in known if o.consent is not None and o.consent.expires >= order.at}
        desk.consented[order.client_id] = order
    desk.say(OrderIntended(order))


def is_unknown(desk: Memory, symbol: str) -> bool:
    """Whether an order on the symbol has no known outcome: nothing new is ordered there until it has."""
    return any(order.symbol == symbol for order in desk.unacked.values())


def drop_entry(desk: Memory, story: Story, why: str) -> None:
    """Cancel what is left of an entry, in the core and in the record."""
    desk.book.withdraw(story.intent)
    cancelled(desk, story, why)


def expire_entries(desk: Memory, at: datetime) -> None:
    """An approved market entry that nothing filled ends with its consent: the price ran away from it."""
    for story in list(desk.stories.values()):
        if _waits(story) and story.expires <= at:
            drop_entry(desk, story, "its consent ran out before the price came back")


def entry_expiries(desk: Memory) -> list[tuple[datetime, str]]:
    """When untouched entries end, with their trade ids."""
    return [(story.expires, story.trade_id) for story in desk.stories.values() if _waits(story)]


def _waits(story: Story) -> bool:
    return not story.opened and any(order.kind == "market" for order in story.entries)


def cancelled(desk: Memory, story: Story, why: str) -> None:
    """Say that the rest of an entry is gone; an entry that never filled leaves no trade behind."""
    for order in story.entries:
        if story.filled.get(order.client_id, 0.0) < order.quantity * (1 - 1e-9):
            desk.say(OrderCancelled(order.client_id, order.symbol, why))
    story.entries = []
    if not story.opened:
        desk.follow(story.proposal.id, "unfilled", desk.now, why=why)
        desk.stories.pop((story.proposal.strategy, story.proposal.symbol), None)


def fill_of_entry(story: Story, quantity: float, price: float) -> Order | None:
    """The entry order that a fill belongs to: the nearest level that is not full yet."""
    open_orders = [o for o in story.entries if story.filled[o.client_id] < o.quantity * (1 - 1e-9)] or story.entries
    if not open_orders:
        return None
    order = min(open_orders, key=lambda o: abs((o.limit or price) - price))
    story.filled[order.client_id] += quantity
    return order
