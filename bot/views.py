"""The two small windows of the home tab: a reason for a pause, and the second step of a panic."""

from __future__ import annotations

from typing import Any

from bot.blocks import Block, section
from bot.commands.safety import panic_now, pause
from bot.front import Answer, Ask, Front, Handler
from bot.ids import ViewId
from engine.domain import Role

REASON = "reason"


async def ask_pause(front: Front, ask: Ask) -> Answer:
    """The window that asks why."""
    field: Block = {
        "type": "input",
        "block_id": REASON,
        "optional": True,
        "label": _plain("Why? It is posted to the channel."),
        "element": {"type": "plain_text_input", "action_id": REASON, "max_length": 500},
    }
    return await _open(front, ask, ViewId.PAUSE, "Pause entries", "Pause", [field])


async def ask_panic(front: Front, ask: Ask) -> Answer:
    """The window that asks whether everything shall be closed."""
    held = [position.symbol for position in front.snapshot().positions]
    pending = len(front.snapshot().proposals)
    text = front.words.parts("panic_question", {"held": held, "pending": pending, "reason": ""})["body"]
    return await _open(front, ask, ViewId.PANIC, "Panic", "Close everything", [section(text)])


async def _open(front: Front, ask: Ask, view: ViewId, title: str, submit: str, blocks: list[Block]) -> Answer:
    asked = {
        "type": "modal",
        "callback_id": str(view),
        "title": _plain(title),
        "submit": _plain(submit),
        "close": _plain("Cancel"),
        "blocks": blocks,
    }
    await front.client.views_open(trigger_id=ask.trigger, view=asked)
    return Answer(None)


def reason_of(view: dict[str, Any]) -> str:
    """What was typed into the pause window."""
    values = (view.get("state") or {}).get("values") or {}
    return str((values.get(REASON) or {}).get(REASON, {}).get("value") or "")


def _plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


VIEWS: dict[ViewId, tuple[Role, Handler]] = {
    ViewId.PAUSE: (Role.TRADER, pause),
    ViewId.PANIC: (Role.RISK, panic_now),
}
