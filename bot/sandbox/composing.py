"""What a message may contain, and what it becomes when Slack takes it."""

from __future__ import annotations

from typing import Any

from bot.sandbox.blocks import MARKDOWN_CHARACTERS, TOTAL_CHARACTERS, characters, check
from bot.sandbox.errors import SlackError, invalid_blocks
from bot.sandbox.messages import Message
from bot.sandbox.views import named_blocks
from bot.sandbox.workspace import Workspace

TEXT_CHARACTERS = 40_000
METADATA_BYTES = 16_000


def content(args: dict[str, Any]) -> Message:
    """text, blocks, attachments and metadata of a message; SlackError when Slack would refuse them."""
    blocks = args.get("blocks") or []
    text = str(args.get("text") or "")
    if args.get("markdown_text"):
        if text or blocks:
            raise SlackError("markdown_text_conflict")
        text = str(args["markdown_text"])
        if len(text) > MARKDOWN_CHARACTERS:
            raise SlackError("msg_too_long")
    refuse_bad_blocks(blocks)
    if not text.strip() and not blocks and not args.get("attachments"):
        raise SlackError("no_text")
    made: Message = {"text": text[:TEXT_CHARACTERS], "blocks": named_blocks(blocks)}
    if args.get("attachments"):
        made["attachments"] = args["attachments"]
    if args.get("metadata"):
        made["metadata"] = metadata(args["metadata"])
    return made


def warnings(args: dict[str, Any]) -> dict[str, Any]:
    """What Slack says beside its yes: a cut text, a missing fallback text."""
    text = str(args.get("text") or args.get("markdown_text") or "")
    if len(text) > TEXT_CHARACTERS:
        return {"warning": "message_truncated", "response_metadata": {"warnings": ["message_truncated"]}}
    if not text:
        return {"warning": "missing_text_in_message", "response_metadata": {"warnings": ["missing_text_in_message"]}}
    return {}


def refuse_bad_blocks(blocks: Any) -> None:
    found = check(blocks)
    if found:
        raise invalid_blocks(found)
    if characters(blocks) > TOTAL_CHARACTERS:
        raise SlackError("msg_blocks_too_long")
    spoken = sum(len(block["text"]) for block in blocks if block["type"] == "markdown")
    if spoken > MARKDOWN_CHARACTERS:
        raise SlackError("msg_too_long")
    if sum(block["type"] == "table" for block in blocks) > 1:
        raise invalid_blocks(["only one table is allowed in a message [json-pointer:/blocks]"])


def metadata(value: Any) -> dict[str, Any]:
    """`{"event_type", "event_payload"}`; SlackError otherwise."""
    good = isinstance(value, dict) and isinstance(value.get("event_type"), str)
    if not good or not isinstance(value.get("event_payload", {}), dict):
        raise SlackError("invalid_metadata_format")
    if len(str(value)) > METADATA_BYTES:
        raise SlackError("metadata_too_large")
    return {"event_type": value["event_type"], "event_payload": value.get("event_payload", {})}


def head_of(space: Workspace, channel: str, thread_ts: str) -> str:
    """The thread's head: a reply's id stands for its head, as in Slack; SlackError thread_not_found."""
    message = space.messages.get(channel, thread_ts)
    if message is None:
        raise SlackError("thread_not_found")
    return str(message.get("thread_ts") or message["ts"])


def visible(message: Message, with_metadata: bool = True) -> Message:
    """A kept message as the Web API shows it."""
    hidden = {"channel"} if with_metadata else {"channel", "metadata"}
    return {key: value for key, value in message.items() if key not in hidden}
