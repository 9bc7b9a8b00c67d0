"""Acknowledgements that come back from the broker."""

from __future__ import annotations

from engine.domain import Order, State, micros
from engine.messages import Acked
from engine.outcomes import OrderAcked
from engine.trader import errors, holds
from engine.trader.events import relevel
from engine.trader.memory import Memory, Story
from engine.trader.orders import drop_entry


def on_acked(desk: Memory, message: Acked) -> None:
    """The broker took an order or refused it. A refused entry is dropped; a refused exit or a filled one is serious:
    the desk and the venue may differ from here on, so entries and approvals end at once until a person has looked."""
    order = desk.unacked.pop(message.client_id, None)
    if order is None:
        return
    desk.say(OrderAcked(message.client_id, order.symbol, message.ok, message.reason, message.validated))
    cell = (order.strategy, order.symbol)
    story = desk.stories.get(cell)
    if message.ok:
        errors.worked(desk, errors.ORDERS)
        if story is not None and message.validated is not None:
            story.validated = message.validated
        return
    _refused(desk, order, story, message)
    errors.failed(desk, errors.ORDERS, message.at, f"the broker refused an order for {order.symbol}: {message.reason}")


def _refused(desk: Memory, order: Order, story: Story | None, message: Acked) -> None:
    untouched = story is not None and not story.filled.get(order.client_id, 0.0)
    if order.purpose == "entry" and story is not None and untouched:
        drop_entry(desk, story, f"the broker refused it: {message.reason}")
        return
    note = f"the broker refused order {order.client_id} for {order.symbol}: {message.reason}"
    holds.impose(desk, holds.RECONCILIATION, State.REDUCING, "rule:reconciliation", message.at, note=note)
    relevel(desk, micros(message.at))
