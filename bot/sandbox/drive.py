"""/_drive: the workspace driven by tests and scripts, and by the page's own buttons."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from bot.sandbox import acting
from bot.sandbox.errors import DriveError
from bot.sandbox.faults import KINDS
from bot.sandbox.workspace import Workspace, shape

Body = dict[str, Any]
Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]
FAULT_SECONDS = 600.0


async def body_of(request: web.Request) -> Body:
    """The call's JSON object; DriveError when it is none."""
    try:
        body = json.loads(await request.text() or "{}")
    except ValueError as failure:
        raise DriveError("invalid_json", f"the body should be a JSON object: {failure}") from failure
    if not isinstance(body, dict):
        raise DriveError("invalid_json", "the body should be a JSON object")
    return body


def word(body: Body, name: str, default: str | None = None) -> str:
    """A text field; DriveError when it is missing or something else."""
    value = body.get(name, default)
    if not isinstance(value, str):
        raise DriveError("invalid_arguments", f"{name} was {value!r}; it should be a text")
    return value


async def command(space: Workspace, body: Body) -> Body:
    user, channel = word(body, "user"), word(body, "channel")
    return await acting.command(space, user, channel, word(body, "command"), word(body, "text", ""))


async def press(space: Workspace, body: Body) -> Body:
    """`value` chooses an option; `view_id` instead of channel and ts presses in a modal or a Home."""
    user, action, value = word(body, "user"), word(body, "action_id"), body.get("value")
    if "view_id" in body:
        values = fields(body)
        return await acting.press_view(space, user, word(body, "view_id"), action, value, values)
    return await acting.press(space, user, word(body, "channel"), word(body, "ts"), action, value)


def fields(body: Body) -> Body:
    values = body.get("values", {})
    if not isinstance(values, dict):
        raise DriveError("invalid_arguments", f"values was {values!r}; it should be an object")
    return values


async def submit(space: Workspace, body: Body) -> Body:
    return await acting.submit(space, word(body, "user"), word(body, "view_id"), fields(body))


async def fault(space: Workspace, body: Body) -> Body:
    """Break something for `seconds`."""
    kind, seconds = word(body, "kind"), body.get("seconds", 5)
    if kind not in KINDS:
        raise DriveError("unknown_fault", f"kind was {kind!r}; it is one of {', '.join(KINDS)}")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= FAULT_SECONDS:
        raise DriveError("invalid_arguments", f"seconds was {seconds!r}; it should be 0 to {FAULT_SECONDS:.0f}")
    space.faults.start(kind, float(seconds))
    if kind in ("slack_down", "stale_ticket"):
        await space.sockets.drop()
    elif kind == "half_open":
        space.sockets.mute(float(seconds))
    elif kind == "refresh":
        await space.sockets.refresh(float(seconds))
    return {"ok": True, "kind": kind, "seconds": seconds}


async def messages(space: Workspace, query: Body) -> Body:
    channel = acting.room(space, word(query, "channel"))["id"]
    head = query.get("thread_ts")
    found = space.messages.thread(channel, head) if head else space.messages.heads(channel)
    return {"messages": [shape(one) for one in found]}


async def home(space: Workspace, query: Body) -> Body:
    return {"ok": True, "view": await acting.open_home(space, word(query, "user"))}


Act = Callable[[Workspace, Body], Awaitable[Body]]
READS: dict[str, Act] = {"messages": messages, "home": home}
WRITES: dict[str, Act] = {"command": command, "press": press, "submit": submit, "fault": fault}


def answering(space: Workspace, act: Act, reads: bool) -> Serve:
    """A request handler: JSON out, a refusal as JSON with its 4xx."""

    async def serve(request: web.Request) -> web.StreamResponse:
        try:
            body = dict(request.query) if reads else await body_of(request)
            return web.json_response(await act(space, body))
        except DriveError as refusal:
            return web.json_response(refusal.body(), status=refusal.status)

    return serve


def add_routes(app: web.Application, space: Workspace) -> None:
    for name, act in READS.items():
        app.router.add_get(f"/_drive/{name}", answering(space, act, reads=True))
    for name, act in WRITES.items():
        app.router.add_post(f"/_drive/{name}", answering(space, act, reads=False))
