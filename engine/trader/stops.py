"""Moving a stop by hand: closer to the price for a trader, away from it only with the risk role."""

from __future__ import annotations

import math

from engine.core.events import Event, EventKind
from engine.domain import Position, Role, Side, micros
from engine.messages import MoveStop
from engine.outcomes import PositionChanged
from engine.trader.memory import Cell, Memory
from engine.trader.positions import position_of
from engine.trader.sentences import refusal, sentence_of


def stop_fault(position: Position, stop: float, price: float, role: Role) -> tuple[str, str] | None:
    """Code and sentence of why `stop` cannot be the position's stop at `price`; None when this role may set it."""
    if not (math.isfinite(stop) and stop > 0):
        return "BAD_PRICE", f"{stop:g} is no price"
    sign, place = (1, "below") if position.side is Side.LONG else (-1, "above")
    if (price - stop) * sign <= 0:
        words = f"a stop of {_number(stop)} is not {place} the price of {_number(price)}; to sell now, use Close"
        return "BEYOND_STOP", words if position.side is Side.LONG else words.replace("to sell now", "to buy back now")
    if position.stop is None:
        return None
    if stop == position.stop:
        return "NO_CHANGE", f"the stop stands at {_number(stop)} already"
    if (stop - position.stop) * sign < 0 and role.rank < Role.RISK.rank:
        now = _number(position.stop)
        return "WIDER_STOP", f"{_number(stop)} is wider than the stop of {now}; only the risk role may move a stop away"
    return None


def move(desk: Memory, cell: Cell, message: MoveStop) -> None:
    """Move the stop of one position, or say why not."""
    before = position_of(desk, cell)
    if before is None:
        return
    fault = stop_fault(before, message.stop, _price(desk, before, message), message.role)
    numbers: dict[str, float] = {}
    if fault is None:
        wider = message.role.rank >= Role.RISK.rank
        events = desk.book.move_stop(*cell, message.stop, micros(message.at), wider=wider)
        for event in events:
            if event.kind == EventKind.REFUSED:
                fault, numbers = _of_the_core(event, message.stop), dict(event.numbers)
    after = position_of(desk, cell)
    if fault is not None:
        desk.refuse(refusal(fault[0], message.at, *cell, numbers, fault[1]))
    elif after is not None:
        desk.say(PositionChanged(after, "tightened" if _is_tighter(before, after) else "widened"))


def _of_the_core(event: Event, stop: float) -> tuple[str, str]:
    """Code and sentence of why the core did not move a stop that is right on its face."""
    if event.code == "HEAT":
        return event.code, f"a stop of {_number(stop)} risks too much: {sentence_of(event.code, event.numbers)}"
    return event.code, f"{_number(stop)} cannot be the stop of {event.symbol}: its trailing stop is nearer to the price"


def _price(desk: Memory, position: Position, message: MoveStop) -> float:
    """What closing would bring now: the quote, while it is fresh, else the last mark."""
    quote = message.quote
    if quote is None or message.at - quote.at > desk.plan.quote_age:
        return position.mark
    return quote.bid if position.side is Side.LONG else quote.ask


def _is_tighter(before: Position, after: Position) -> bool:
    if before.stop is None or after.stop is None:
        return True
    return after.stop > before.stop if before.side is Side.LONG else after.stop < before.stop


def _number(value: float) -> str:
    """A price with the digits that its size deserves, without trailing zeros."""
    digits = 2 if value >= 100 else max(2, 5 - math.floor(math.log10(value)))
    return f"{value:,.{digits}f}".rstrip("0").rstrip(".")
