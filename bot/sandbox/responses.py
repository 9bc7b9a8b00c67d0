"""response_url: the app's answer to an interaction, five times within half an hour."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from bot.sandbox.composing import content
from bot.sandbox.errors import SlackError, ratelimited
from bot.sandbox.messages import Message
from bot.sandbox.people import BOT_USER
from bot.sandbox.workspace import ResponseUrl, Workspace


async def serve(space: Workspace, request: web.Request) -> web.StreamResponse:
    """POST /response/KEY with a message payload."""
    try:
        payload = json.loads(await request.text())
        if not isinstance(payload, dict):
            raise SlackError("invalid_payload", 400)
        respond(space, request.match_info["key"], payload)
    except ValueError:
        return web.json_response({"ok": False, "error": "invalid_payload"}, status=400)
    except SlackError as refusal:
        status = refusal.status if refusal.status != 200 else 400
        return web.json_response(refusal.body(), status=status, headers=refusal.headers)
    return web.Response(text="ok")


def respond(space: Workspace, key: str, payload: dict[str, Any]) -> None:
    """Say, replace or delete; SlackError used_url or expired_url when the address is spent."""
    if space.faults.on("slack_down"):
        raise SlackError("service_unavailable", 503)
    if space.faults.on("rate_limit"):
        raise ratelimited(space.faults.left("rate_limit"))
    url = space.responses.get(key)
    if url is None or space.now() > url.until:
        raise SlackError("expired_url", 404)
    if url.left == 0:
        raise SlackError("used_url", 404)
    answer(space, key, url, payload)
    url.left -= 1


def answer(space: Workspace, key: str, url: ResponseUrl, payload: dict[str, Any]) -> None:
    if payload.get("delete_original"):
        erase(space, url)
        return
    if payload.get("replace_original") and url.original:
        replace(space, key, url, content(payload))
        return
    say(space, key, url, payload)


def say(space: Workspace, key: str, url: ResponseUrl, payload: dict[str, Any]) -> None:
    """A new message: to the asker only, or to the channel with response_type in_channel."""
    message = {**space.said_by(BOT_USER), "channel": url.channel, **content(payload)}
    if payload.get("thread_ts"):
        message["thread_ts"] = str(payload["thread_ts"])
    if payload.get("response_type") == "in_channel":
        space.post(message, response=key)
    else:
        space.whisper(message, url.user, response=key)


def original(space: Workspace, url: ResponseUrl) -> Message:
    found = space.ephemerals.get(url.original) or space.messages.get(url.channel, url.original)
    if found is None:
        raise SlackError("message_not_found", 404)
    return found


def replace(space: Workspace, key: str, url: ResponseUrl, said: Message) -> None:
    old = original(space, url)
    fresh = {**old, **said}
    if not old.get("ephemeral"):
        space.change(fresh, response=key)
        return
    space.ephemerals[old["ts"]] = fresh
    space.live.tell("changed", to=url.user, message=fresh)
    space.tell_traces(fresh, key)


def erase(space: Workspace, url: ResponseUrl) -> None:
    """Take the original away; a command has none, which Slack takes without a word."""
    if not url.original:
        return
    old = original(space, url)
    if old.get("ephemeral"):
        space.unwhisper(old["ts"])
    else:
        space.delete(old["channel"], old["ts"])
