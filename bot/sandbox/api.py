"""The Web API's door: tokens, bodies, scopes, rates and faults, the same for every method."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.sandbox.errors import SlackError, invalid_arguments, invalid_blocks, ratelimited
from bot.sandbox.messages import Message
from bot.sandbox.people import BOT_USER
from bot.sandbox.workspace import Workspace

JSON_ARGUMENTS = ("blocks", "metadata", "view", "files", "attachments")
BODY_LIMIT = 8 * 1024 * 1024


@dataclass(frozen=True)
class Call:
    """One call of a method with its arguments, however they came."""

    space: Workspace
    method: str
    args: dict[str, Any]

    def text(self, name: str, default: str = "") -> str:
        value = self.args.get(name)
        return default if value is None else str(value)

    def flag(self, name: str) -> bool:
        return str(self.args.get(name, "")).lower() in ("1", "true")

    def number(self, name: str, default: int, most: int = 1000) -> int:
        try:
            return max(1, min(most, int(self.args.get(name) or default)))
        except ValueError as failure:
            raise invalid_arguments([f"must be a number [json-pointer:/{name}]"]) from failure

    def need(self, name: str) -> Any:
        value = self.args.get(name)
        if value in (None, ""):
            raise invalid_arguments([f"missing required field: {name}"])
        return value

    def channel(self, name: str = "channel") -> dict[str, Any]:
        """The channel, by id, name, or the user of a direct one; SlackError channel_not_found."""
        wanted = self.text(name)
        if wanted.startswith("U_") and wanted != BOT_USER:
            return self.space.store.direct(wanted)
        found = self.space.store.channel(wanted)
        if found is None:
            raise SlackError("channel_not_found")
        return found

    def inside(self, name: str = "channel") -> dict[str, Any]:
        """A channel that the app is a member of; SlackError not_in_channel."""
        channel = self.channel(name)
        if BOT_USER not in self.space.store.members(channel["id"]):
            raise SlackError("not_in_channel")
        return channel

    def own_message(self) -> Message:
        """A message of the app's own, to change or delete."""
        channel, ts = self.channel(), str(self.need("ts"))
        message = self.space.messages.get(channel["id"], ts)
        verb = self.method.removeprefix("chat.")
        if message is None:
            raise SlackError("message_not_found")
        if message["user"] != BOT_USER:
            raise SlackError(f"cant_{verb}_message")
        return message


Handler = Callable[[Call], dict[str, Any]]


@dataclass(frozen=True)
class Method:
    handler: Handler
    scope: str
    tier: int
    writes: bool
    token: str


METHODS: dict[str, Method] = {}


def method(name: str, scope: str = "", tier: int = 3, writes: bool = False, token: str = "xoxb") -> Callable[..., Any]:
    """Register a handler: the scope it needs, its rate tier, whether it changes anything, the token's kind."""

    def keep(handler: Handler) -> Handler:
        METHODS[name] = Method(handler, scope, tier, writes, token)
        return handler

    return keep


async def arguments(request: web.Request) -> dict[str, Any]:
    """The call's arguments from query, JSON or form; arguments that are JSON inside a form are read as such."""
    args: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        body = await request.text()
        try:
            args |= json.loads(body) if body.strip() else {}
        except (ValueError, TypeError) as failure:
            raise SlackError("invalid_json") from failure
    else:
        args |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    for name in JSON_ARGUMENTS:
        if isinstance(args.get(name), str) and args[name]:
            args[name] = _decoded(name, args[name])
    return args


def _decoded(name: str, value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError as failure:
        refused = invalid_blocks(["must be valid JSON"]) if name == "blocks" else SlackError("invalid_json")
        raise refused from failure


def refuse_token(space: Workspace, request: web.Request, args: dict[str, Any], wanted: Method) -> None:
    """SlackError not_authed, invalid_auth or not_allowed_token_type unless the right token came."""
    header = request.headers.get("Authorization", "")
    token = header.removeprefix("Bearer ").strip() or str(args.pop("token", ""))
    if not token:
        raise SlackError("not_authed")
    known = {space.store.token(prefix): prefix for prefix in ("xoxb", "xapp")}
    if token not in known:
        raise SlackError("invalid_auth")
    if known[token] != wanted.token:
        raise SlackError("not_allowed_token_type")


def refuse_scope(space: Workspace, wanted: Method) -> None:
    scopes = space.manifest.scopes
    if scopes is not None and wanted.scope and not set(wanted.scope.split(",")) & scopes:
        raise SlackError("missing_scope", needed=wanted.scope, provided=",".join(sorted(scopes)))


def refuse_fault(space: Workspace, args: dict[str, Any]) -> None:
    """What the faults that are on do to a call before it is heard."""
    if space.faults.on("slack_down"):
        raise SlackError("service_unavailable", 503)
    if space.faults.on("rate_limit"):
        raise ratelimited(space.faults.left("rate_limit"))
    blocks = args.get("blocks") or (args.get("view") or {}).get("blocks")
    if space.faults.on("invalid_blocks") and blocks:
        raise invalid_blocks(["the fault invalid_blocks is on [json-pointer:/blocks/0]"])


def scopes_header(space: Workspace) -> dict[str, str]:
    known = space.manifest.scopes
    if known is None:
        known = frozenset(scope for one in METHODS.values() for scope in one.scope.split(",") if scope)
    return {"x-oauth-scopes": ",".join(sorted(known)), "Cache-Control": "no-store"}


def called(space: Workspace, name: str, request: web.Request, args: dict[str, Any]) -> dict[str, Any]:
    wanted = METHODS.get(name)
    if wanted is None:
        raise SlackError("unknown_method", req_method=name)
    refuse_fault(space, args)
    refuse_token(space, request, args, wanted)
    refuse_scope(space, wanted)
    named = space.store.channel(str(args.get("channel", "")))
    space.rates.check(name, wanted.tier, named["id"] if named else "")
    return {"ok": True, **wanted.handler(Call(space, name, args))}


async def serve(space: Workspace, request: web.Request) -> web.StreamResponse:
    """POST /api/METHOD as Slack answers it."""
    name = request.match_info["method"]
    try:
        body = called(space, name, request, await arguments(request))
    except SlackError as refusal:
        return web.json_response(refusal.body(), status=refusal.status, headers=refusal.headers)
    if METHODS[name].writes and space.faults.on("lost_response"):
        return lost(request)
    return web.json_response(body, headers=scopes_header(space))


def lost(request: web.Request) -> web.StreamResponse:
    """The work is done and the answer never arrives."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
