"""Move stop: a small window with the stop, the price and one number; a bad number is said in the window itself."""

from __future__ import annotations

import math
from typing import Any

from bot.blocks import Block, assemble
from bot.cards import away, base
from bot.front import Answer, Ask, Front, first, outcomes
from bot.ids import ViewId, pressed, value
from bot.render import slack
from bot.windows import open_window, plain_text, typed_in
from engine import stop_fault
from engine.domain import Position, Role, Side
from engine.messages import MoveStop
from engine.outcomes import PositionChanged, Refused

STOP = "stop"


async def ask_stop(front: Front, ask: Ask) -> Answer:
    """The window over a position: what its stop is, and what it shall be."""
    position = _position(front, ask.value)
    if position is None:
        return Answer(front.sentence("position_gone"))
    parts = front.words.parts("move_stop", _shown(front, position, ask.role))
    words = assemble({name: text for name, text in parts.items() if name in ("body", "facts")})
    number: Block = {"type": "number_input", "action_id": STOP, "is_decimal_allowed": True}
    if position.stop is not None:
        number["initial_value"] = f"{position.stop:.10g}"
    field: Block = {
        "type": "input",
        "block_id": STOP,
        "label": plain_text(parts["label"]),
        "hint": plain_text(parts["hint"]),
        "element": number,
    }
    about = value(position.trade_id)
    return await open_window(front, ask, ViewId.STOP, "Move stop", "Move it", [*words.blocks, field], about)


def faults(front: Front, view: dict[str, Any], role: Role) -> dict[str, str]:
    """What is wrong with the number, under its field."""
    position = _position(front, view.get("private_metadata"))
    if position is None:
        return {}  # the answer says that the position is gone
    price = _price(front, position)
    stop = _number(typed_in(view))
    if stop is None:
        example = position.stop or price
        return {STOP: front.words.line("answers", "stop_number", typed=typed_in(view), example=example)}
    fault = stop_fault(position, stop, price, role)
    return {STOP: _sentence(fault[1])} if fault else {}


async def move_stop(front: Front, ask: Ask) -> Answer:
    """The submitted window: the engine judges again, and the answer takes the window's place."""
    position = _position(front, (ask.body.get("view") or {}).get("private_metadata"))
    stop = _number(ask.text)
    if position is None or stop is None:
        return Answer(front.sentence("position_gone"))
    at = front.desk.clock.now()
    record = await front.submit(MoveStop(at, ask.user, ask.role, position.symbol, stop, position.strategy))
    if record is None:
        return Answer(front.sentence("slow"))
    changed = first(record, PositionChanged)
    if not isinstance(changed, PositionChanged):
        return Answer(front.sentence("refusals", refusals=[item.refusal for item in outcomes(record, Refused)]))
    after = changed.position
    moved = away(after.stop, _price(front, after))
    return Answer(front.sentence("stop_moved", position=after, before=position.stop, away=moved))


def _position(front: Front, raw: Any) -> Position | None:
    at = pressed(raw)
    return next((item for item in front.snapshot().positions if at and item.trade_id == at.id), None)


def _price(front: Front, position: Position) -> float:
    """What closing would bring: the quote when it is newer than the last closed minute, else that minute's close."""
    quote, close = front.desk.quote(position.symbol), front.snapshot().closes.get(position.symbol)
    if quote is None or (close is not None and quote.at < close[0]):
        return position.mark
    return quote.bid if position.side is Side.LONG else quote.ask


def _shown(front: Front, position: Position, role: Role) -> dict[str, Any]:
    mark = _price(front, position)
    stop = position.stop if position.stop is not None else mark
    return {
        "position": position,
        "base": base(position.symbol),
        "mark": mark,
        "stop_away": away(position.stop, mark),
        "wider": role.rank >= Role.RISK.rank,
        "low": min(stop, mark),
        "high": max(stop, mark),
    }


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", "").strip())
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _sentence(text: str) -> str:
    return slack(text[:1].upper() + text[1:] + ".")
