"""What a person does: gives a command, presses, submits, closes, speaks, opens the Home."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from bot.sandbox import payloads
from bot.sandbox.buttons import find
from bot.sandbox.errors import DriveError, SlackError
from bot.sandbox.forms import filled
from bot.sandbox.people import BOT_USER, PEOPLE
from bot.sandbox.sockets import DispatchFailed, OperationTimeout
from bot.sandbox.traces import CONTENT_SECONDS, Trace
from bot.sandbox.views import View, refuse_bad_view
from bot.sandbox.workspace import Workspace, shape

Answer = dict[str, Any]
NO_SOCKET = "The desk is not connected, so this did not reach it. Is it running?"
NO_ACK = "The desk did not answer within three seconds. It may still have heard this; look before trying again."


def person(user: str) -> str:
    """A known user who is not the bot; DriveError otherwise."""
    if user not in PEOPLE or user == BOT_USER:
        people = ", ".join(one for one in PEOPLE if one != BOT_USER)
        raise DriveError("user_not_found", f"user was {user!r}; the people here are {people}", 404)
    return user


def room(space: Workspace, name: str) -> dict[str, Any]:
    found = space.store.channel(name)
    if found is None:
        known = ", ".join(one["name"] for one in space.store.channels() if not one["is_im"])
        raise DriveError("channel_not_found", f"channel was {name!r}; there are {known}", 404)
    return found


def begin(space: Workspace, user: str, channel: str, ts: str = "") -> Trace:
    trigger, response = space.triggers.issue(user), space.response_url(user, channel, ts)
    return space.traces.begin(Trace(user, channel, ts, trigger, response))


async def carried(space: Workspace, trace: Trace, sending: Awaitable[Answer]) -> Answer:
    """Send, hear the acknowledgement, wait for content; DriveError when the app did not hear or answer."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    try:
        ack = await sending
        ack_ms = round((loop.time() - start) * 1000, 1)
        more: Answer = acknowledged(space, trace, ack)
        if "response_action" not in more:
            await trace.content(CONTENT_SECONDS - (loop.time() - start))
    except DispatchFailed as failure:
        raise DriveError("dispatch_failed", NO_SOCKET, 424) from failure
    except OperationTimeout as failure:
        raise DriveError("operation_timeout", NO_ACK, 424) from failure
    finally:
        space.traces.end(trace)
    return {"ok": True, "ack_ms": ack_ms, "replies": trace.replies, "views": trace.views, **more}


def acknowledged(space: Workspace, trace: Trace, ack: Answer) -> Answer:
    """What an acknowledgement itself carries: a message, or what to do with a modal."""
    if "response_action" in ack:
        return {"response_action": ack["response_action"]}
    if ack.get("text") or ack.get("blocks"):
        kept: Answer = {key: ack[key] for key in ("text", "blocks") if key in ack}
        message = {**space.said_by(BOT_USER), "channel": trace.channel, "text": "", "blocks": [], **kept}
        if ack.get("response_type") == "in_channel":
            space.post(message, response=trace.response)
        else:
            space.whisper(message, trace.user, response=trace.response)
    return {}


async def command(space: Workspace, user: str, channel: str, name: str, text: str) -> Answer:
    """A slash command typed by `user` in `channel`."""
    if not name.startswith("/") or not space.manifest.knows(name):
        raise DriveError("unknown_command", f"{name!r} is not a command of this app; type / to see them", 404)
    where = room(space, channel)
    trace = begin(space, person(user), where["id"])
    payload = payloads.slash_command(space, trace, where, name, text)
    return await carried(space, trace, space.sockets.dispatch("slash_commands", payload))


async def press(space: Workspace, user: str, channel: str, ts: str, action_id: str, value: Any = None) -> Answer:
    """A button pressed, or an option chosen, on the message `ts`."""
    where, who = room(space, channel), person(user)
    message = space.ephemerals.get(ts) or space.messages.get(where["id"], ts)
    if message is None or message.get("to", who) != who:
        raise DriveError("message_not_found", f"there is no message {ts} in {channel} that {who} can see", 404)
    found = find(message.get("blocks", []), action_id) or space.former.find(ts, action_id)
    if found is None:
        raise DriveError("action_not_found", f"message {ts} has no {action_id!r} to press", 404)
    trace = begin(space, who, where["id"], ts)
    action = payloads.pressed(found[1], found[0]["block_id"], value)
    payload = payloads.message_action(space, trace, where, message, action)
    return await carried(space, trace, space.sockets.dispatch("interactive", payload))


def owned_view(space: Workspace, user: str, view_id: str) -> View:
    """A modal or Home that `user` has in front of them."""
    home = space.store.home(person(user))
    if home is not None and home["id"] == view_id:
        return home
    for view in space.modals.stack(user):
        if view["id"] == view_id:
            return view
    raise DriveError("view_not_found", f"{user} has no view {view_id} open", 404)


async def press_view(
    space: Workspace, user: str, view_id: str, action_id: str, value: Any = None, values: Answer | None = None
) -> Answer:
    """A button pressed in a modal or on the App Home; `values` are the modal's fields so far."""
    view = owned_view(space, user, view_id)
    found = find(view["blocks"], action_id)
    if found is None:
        raise DriveError("action_not_found", f"view {view_id} has no {action_id!r} to press", 404)
    trace = begin(space, user, "")
    state = {"state": {"values": filled(view, values or {})[0]}}
    action = payloads.pressed(found[1], found[0]["block_id"], value)
    payload = payloads.view_action(space, trace, {**view, **state}, action)
    return await carried(space, trace, space.sockets.dispatch("interactive", payload))


async def submit(space: Workspace, user: str, view_id: str, values: Answer) -> Answer:
    """A modal sent. Missing required fields never reach the app, as in Slack."""
    view = owned_view(space, user, view_id)
    state, errors = filled(view, values)
    if errors:
        raise DriveError("invalid_values", "; ".join(f"{block}: {why}" for block, why in errors.items()), 422)
    trace = begin(space, user, "")
    sent = {**view, "state": {"values": state}}
    return await carried(space, trace, _submitted(space, trace, sent))


async def _submitted(space: Workspace, trace: Trace, view: View) -> Answer:
    ack = await space.sockets.dispatch("interactive", payloads.view_submission(trace, view))
    settle(space, trace, view, ack)
    return ack


def settle(space: Workspace, trace: Trace, view: View, ack: Answer) -> None:
    """What becomes of a submitted modal: stays with errors, changes, gets one on top, or goes."""
    action = ack.get("response_action")
    try:
        if action == "errors":
            trace.opened({**view, "errors": ack.get("errors", {})})
        elif action in ("update", "push"):
            refuse_bad_view(ack.get("view"), "modal")
            push = action == "push"
            made = (
                space.modals.push(trace.user, ack["view"]) if push else space.modals.update(view["id"], ack["view"])[1]
            )
            trace.opened(made)
        elif action == "clear":
            space.modals.clear(trace.user)
        else:
            space.modals.close(view["id"])
    except SlackError as refusal:
        raise DriveError(refusal.code, f"Slack would refuse the app's answer: {refusal.extra}", 424) from refusal
    space.show_modals(trace.user)


async def dismiss(space: Workspace, user: str, view_id: str) -> Answer:
    """A modal closed without sending; the app hears of it when it asked to."""
    view = owned_view(space, user, view_id)
    space.modals.close(view_id)
    space.show_modals(user)
    if not view.get("notify_on_close"):
        return {"ok": True, "ack_ms": None, "replies": [], "views": []}
    trace = begin(space, user, "")
    return await carried(space, trace, space.sockets.dispatch("interactive", payloads.view_closed(trace, view)))


def say(space: Workspace, user: str, channel: str, text: str, thread_ts: str = "") -> Answer:
    """A plain message typed by a person."""
    where = room(space, channel)
    if not text.strip():
        raise DriveError("no_text", "there is nothing to send", 400)
    message = {**space.said_by(person(user)), "channel": where["id"], "text": text[:4000], "blocks": []}
    if thread_ts:
        message["thread_ts"] = thread_ts
    space.post(message)
    told = {key: message[key] for key in ("type", "user", "text", "ts", "team", "channel")}
    if f"<@{BOT_USER}>" in text:
        space.event({**told, "type": "app_mention"})
    kind = "im" if where["is_im"] else "channels"
    space.event({**told, "channel_type": kind.removesuffix("s"), "subscription": f"message.{kind}"})
    return {"ok": True, "message": shape(message)}


async def open_home(space: Workspace, user: str) -> View | None:
    """The person opens the App Home; the view after the app has had its chance to publish."""
    who = person(user)
    trace = space.traces.begin(Trace(who, ""))
    channel = space.store.direct(who)["id"]
    known = space.store.home(who)
    opened = {"type": "app_home_opened", "user": who, "channel": channel, "tab": "home"}
    space.event({**opened, **({"view": known} if known else {})})
    try:
        if space.sockets.count and space.manifest.listens("app_home_opened"):
            await trace.content(CONTENT_SECONDS)
    finally:
        space.traces.end(trace)
    return space.store.home(who)
