"""conversations.*: what there is to read, and who is inside."""

from __future__ import annotations

from typing import Any

from bot.sandbox.api import Call, method
from bot.sandbox.composing import visible
from bot.sandbox.errors import SlackError
from bot.sandbox.people import BOT_USER, PEOPLE
from bot.sandbox.store import micros_of

READ = "channels:read,groups:read,im:read"
HISTORY = "channels:history,groups:history,im:history"
LAST = "~"
"""Above every id."""


def described(call: Call, channel: dict[str, Any]) -> dict[str, Any]:
    """A channel object."""
    members = call.space.store.members(channel["id"])
    common = {"id": channel["id"], "created": 0, "is_archived": False, "is_im": channel["is_im"], "is_mpim": False}
    if channel["is_im"]:
        return {**common, "user": channel["user"]}
    return {
        **common,
        "name": channel["name"],
        "is_channel": True,
        "is_group": False,
        "is_private": False,
        "is_general": channel["name"] == "general",
        "is_member": BOT_USER in members,
        "num_members": len(members),
        "purpose": {"value": channel["purpose"], "creator": "", "last_set": 0},
    }


@method("conversations.list", scope=READ, tier=2)
def list_channels(call: Call) -> dict[str, Any]:
    """Pages of `limit` channels; the cursor is the place of the next."""
    kinds = call.text("types", "public_channel").split(",")
    found = [one for one in call.space.store.channels() if ("im" if one["is_im"] else "public_channel") in kinds]
    start, limit = int(call.text("cursor", "0") or 0), call.number("limit", 100)
    cursor = str(start + limit) if start + limit < len(found) else ""
    page = [described(call, one) for one in found[start : start + limit]]
    return {"channels": page, "response_metadata": {"next_cursor": cursor}}


@method("conversations.info", scope=READ)
def info(call: Call) -> dict[str, Any]:
    return {"channel": described(call, call.channel())}


@method("conversations.join", scope="channels:join", writes=True)
def join(call: Call) -> dict[str, Any]:
    channel = call.channel()
    if channel["is_im"]:
        raise SlackError("method_not_supported_for_channel_type")
    new = call.space.store.join(channel["id"], BOT_USER)
    again = {} if new else {"warning": "already_in_channel"}
    return {"channel": described(call, channel), **again}


@method("conversations.members", scope=READ, tier=4)
def members(call: Call) -> dict[str, Any]:
    found = call.space.store.members(call.channel()["id"])
    return {"members": found, "response_metadata": {"next_cursor": ""}}


@method("conversations.open", scope="im:write", writes=True)
def open_direct(call: Call) -> dict[str, Any]:
    user = str(call.need("users"))
    if user not in PEOPLE or user == BOT_USER:
        raise SlackError("user_not_found")
    return {"channel": {"id": call.space.store.direct(user)["id"]}}


def bounds(call: Call) -> tuple[str, str]:
    """First and last id wanted; `oldest` and `latest` themselves count only when `inclusive`."""
    oldest, latest = call.text("oldest"), call.text("latest")
    if call.flag("inclusive"):
        return oldest, latest or LAST
    return f"{oldest} " if oldest else "", below(latest) if latest else LAST


def below(ts: str) -> str:
    """The id just under `ts`; SlackError when it is none."""
    try:
        micros = micros_of(ts) - 1
    except ValueError as failure:
        raise SlackError("invalid_ts_latest") from failure
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


@method("conversations.history", scope=HISTORY)
def history(call: Call) -> dict[str, Any]:
    """Newest first; the cursor is the id that the next page stays under."""
    channel, (oldest, latest) = call.inside(), bounds(call)
    if call.text("cursor"):
        latest = min(latest, below(call.text("cursor")))
    limit, told = call.number("limit", 100), call.flag("include_all_metadata")
    found = call.space.messages.heads(channel["id"], oldest, latest, limit + 1)[::-1]
    more = len(found) > limit
    page = [visible(one, told) for one in found[:limit]]
    after = page[-1]["ts"] if more else ""
    return {"messages": page, "has_more": more, "response_metadata": {"next_cursor": after}}


@method("conversations.replies", scope=HISTORY)
def replies(call: Call) -> dict[str, Any]:
    """The head and its replies, oldest first."""
    channel = call.inside()
    thread = call.space.messages.thread(channel["id"], str(call.need("ts")))
    if not thread:
        raise SlackError("thread_not_found")
    cursor, (oldest, latest) = call.text("cursor"), bounds(call)
    found = [one for one in thread if oldest <= one["ts"] <= latest and one["ts"] > cursor]
    limit, told = call.number("limit", 1000), call.flag("include_all_metadata")
    more = len(found) > limit
    page = [visible(one, told) for one in found[:limit]]
    return {"messages": page, "has_more": more, "response_metadata": {"next_cursor": page[-1]["ts"] if more else ""}}
