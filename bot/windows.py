"""Small windows over Slack: opened while the trigger of a press lives, read when they come back."""

from __future__ import annotations

from typing import Any

from slack_sdk.errors import SlackApiError

from bot.access import reason
from bot.blocks import Block
from bot.front import Answer, Ask, Front
from bot.ids import ViewId

TOO_LATE = {"expired_trigger_id", "trigger_expired", "exchanged_trigger_id"}


async def open_window(
    front: Front, ask: Ask, view: ViewId, title: str, submit: str, blocks: list[Block], about: str = ""
) -> Answer:
    """Open a window with one button that submits it; `about` comes back with it."""
    asked = {
        "type": "modal",
        "callback_id": str(view),
        "title": plain_text(title),
        "submit": plain_text(submit),
        "close": plain_text("Cancel"),
        "private_metadata": about,
        "blocks": blocks,
    }
    try:
        await front.client.views_open(trigger_id=ask.trigger, view=asked)
    except SlackApiError as error:
        if reason(error) not in TOO_LATE:
            raise
        return Answer(front.sentence("window_late"))
    return Answer(None)


def typed_in(view: dict[str, Any]) -> str:
    """What was typed into the one field of a window."""
    values = (view.get("state") or {}).get("values") or {}
    field: dict[str, Any] = next((item for block in values.values() for item in block.values()), {})
    return str(field.get("value") or "")


def plain_text(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}
