"""The small windows: a reason for a pause, the second step of a panic, a new stop. What each does when submitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from bot import stops
from bot.blocks import Block, section
from bot.commands.safety import panic_now, pause
from bot.front import Answer, Ask, Front, Handler
from bot.ids import ViewId
from bot.windows import open_window, plain_text
from engine.domain import Role

REASON = "reason"


class Window(NamedTuple):
    """Who may submit a window, who answers, and what is wrong with its fields (block → sentence) before it closes."""

    need: Role
    handler: Handler
    faults: Callable[[Front, dict[str, Any], Role], dict[str, str]] | None = None


async def ask_pause(front: Front, ask: Ask) -> Answer:
    """The window that asks why."""
    field: Block = {
        "type": "input",
        "block_id": REASON,
        "optional": True,
        "label": plain_text("Why? It is posted to the channel."),
        "element": {"type": "plain_text_input", "action_id": REASON, "max_length": 500},
    }
    return await open_window(front, ask, ViewId.PAUSE, "Pause entries", "Pause", [field])


async def ask_panic(front: Front, ask: Ask) -> Answer:
    """The window that asks whether everything shall be closed."""
    held = [position.symbol for position in front.snapshot().positions]
    pending = len(front.snapshot().proposals)
    text = front.words.parts("panic_question", {"held": held, "pending": pending, "reason": ""})["body"]
    return await open_window(front, ask, ViewId.PANIC, "Panic", "Close everything", [section(text)])


VIEWS: dict[ViewId, Window] = {
    ViewId.PAUSE: Window(Role.TRADER, pause),
    ViewId.PANIC: Window(Role.RISK, panic_now),
    ViewId.STOP: Window(Role.TRADER, stops.move_stop, stops.faults),
}
