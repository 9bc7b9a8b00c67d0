"""Joining a Slack workspace: what is wrong is named before anything hangs, and a wedged socket is freed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.access import reason
from engine import clock

log = logging.getLogger(__name__)

PING = 5.0  # seconds; the default of 10 doubles every recovery
STUCK_AFTER = 15.0  # seconds without a connection before its ticket is thrown away
BACK_OFF = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
NEEDED = ("commands", "chat:write", "channels:read", "channels:history", "groups:read", "files:write", "im:write")
PRIVATE = "groups:history"  # what became of a lost post in a private channel is looked up in its history
NETWORK = (aiohttp.ClientError, OSError, TimeoutError, asyncio.TimeoutError)
_BUSY = {"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}


class SlackRefused(RuntimeError):
    """Slack will not have this desk as it is set up; the sentence says what to change."""


class NotReached(RuntimeError):
    """Slack did not answer; waiting helps."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The workspace that the desk is in, and the ids of its channels by role (signals, reports, alerts)."""

    team: str
    team_name: str
    bot_user: str
    channels: Mapping[str, str]
    warnings: tuple[str, ...] = field(default=())


async def check(client: AsyncWebClient, app_token: str, channels: Mapping[str, str]) -> Joined:
    """Try both tokens and every channel (role → name without #).

    Raises:
        SlackRefused: a token, scope or channel is wrong; every fault found is in the sentence.
        NotReached: Slack could not be asked.
    """
    told = await _bot_token(client)
    await _app_token(client, app_token)
    scopes = {scope.strip() for scope in told.headers.get("x-oauth-scopes", "").split(",") if scope.strip()}
    missing = [scope for scope in NEEDED if scope not in scopes]
    if scopes and missing:
        raise SlackRefused(
            f"the bot token lacks the scope{'s' if len(missing) > 1 else ''} {', '.join(missing)}: "
            "update the app from manifest.yml and reinstall it to the workspace"
        )
    ids, faults = await _join(client, channels, may_look=not scopes or PRIVATE in scopes)
    if faults:
        raise SlackRefused("; ".join(faults))
    return Joined(told["team_id"], told.get("team", ""), told.get("user_id", ""), ids)


async def check_until_reached(client: AsyncWebClient, app_token: str, channels: Mapping[str, str]) -> Joined:
    """`check`, waiting with back-off while Slack cannot be reached, and saying so."""
    attempt = 0
    while True:
        try:
            return await check(client, app_token, channels)
        except NotReached as error:
            wait = BACK_OFF[min(attempt, len(BACK_OFF) - 1)]
            attempt += 1
            log.warning("%s; trying again in %.0f s", error, wait)
            await asyncio.sleep(wait)


async def _bot_token(client: AsyncWebClient) -> Any:
    try:
        return await client.auth_test()
    except SlackApiError as error:
        raise _named(error, "SLACK_BOT_TOKEN", "it starts with xoxb- and is under OAuth & Permissions") from error
    except NETWORK as error:
        raise NotReached(f"Slack at {client.base_url} cannot be reached ({reason(error)})") from error


async def _app_token(client: AsyncWebClient, app_token: str) -> None:
    try:
        await client.apps_connections_open(app_token=app_token)
    except SlackApiError as error:
        hint = "it starts with xapp-, has the scope connections:write and is under Basic Information"
        raise _named(error, "SLACK_APP_TOKEN", hint) from error
    except NETWORK as error:
        raise NotReached(f"Slack at {client.base_url} cannot be reached ({reason(error)})") from error


def _named(error: SlackApiError, setting: str, hint: str) -> Exception:
    code = reason(error)
    if code in _BUSY or code.startswith("HTTP 5"):
        return NotReached(f"Slack is not well ({code})")
    if code == "missing_scope":
        return SlackRefused(f"{setting} lacks the scope {error.response.get('needed', 'it needs')}: {hint}")
    return SlackRefused(f"Slack does not accept {setting} ({code}): {hint}")


async def _join(
    client: AsyncWebClient, channels: Mapping[str, str], may_look: bool
) -> tuple[dict[str, str], list[str]]:
    """Role → channel id, the bot inside each; and a sentence for every channel that cannot be had.

    `may_look`: the bot token may read a private channel's history.
    """
    try:
        known = await _channels(client, set(channels.values()))
        found: dict[str, str] = {}
        faults: list[str] = []
        for role, name in channels.items():
            fault = await _enter(client, known.get(name), name, role)
            if not fault and known[name].get("is_private") and not may_look:
                fault = (
                    f"the channel #{name} is private, and the bot token lacks the scope {PRIVATE}: update the app from "
                    f"manifest.yml and reinstall it, or set CHANNEL_{role.upper()} to a public channel"
                )
            if fault:
                faults.append(fault)
            else:
                found[role] = known[name]["id"]
        return found, faults
    except SlackApiError as error:
        raise _named(error, "SLACK_BOT_TOKEN", "update the app from manifest.yml and reinstall it") from error
    except NETWORK as error:
        raise NotReached(f"Slack at {client.base_url} cannot be reached ({reason(error)})") from error


async def _channels(client: AsyncWebClient, names: set[str]) -> dict[str, Mapping[str, Any]]:
    """The channels of these names (or ids) that the bot can see."""
    found: dict[str, Mapping[str, Any]] = {}
    cursor = ""
    while True:
        kinds = "public_channel,private_channel"
        page = await client.conversations_list(exclude_archived=True, limit=200, types=kinds, cursor=cursor)
        for channel in page["channels"]:
            found.update({key: channel for key in (channel["name"], channel["id"]) if key in names})
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor or names <= found.keys():
            return found


async def _enter(client: AsyncWebClient, channel: Mapping[str, Any] | None, name: str, role: str) -> str | None:
    """Be a member; a sentence when that cannot be."""
    setting = f"CHANNEL_{role.upper()}"
    if channel is None:
        return f"there is no channel #{name} that the bot can see: create it, invite the bot, or set {setting}"
    if channel.get("is_member"):
        return None
    if channel.get("is_private"):
        return f"the bot is not in the private channel #{name}: invite it with /invite @Nightdesk"
    try:
        await client.conversations_join(channel=channel["id"])
    except SlackApiError as error:
        return f"the bot cannot join #{name} ({reason(error)}): invite it with /invite @Nightdesk"
    return None


class Connection:
    """The Socket Mode connection and its watchdog."""

    def __init__(self, app: AsyncApp, app_token: str) -> None:
        self._handler = AsyncSocketModeHandler(app, app_token, ping_interval=PING)
        self._watching: asyncio.Task[None] | None = None
        self.up = False
        self.down_since: float | None = clock.monotonic()
        self._freed_at = 0.0
        self.freed = 0  # stale tickets thrown away

    async def open(self, within: float = 15.0) -> None:
        """Connect; when that takes longer than `within` seconds the watchdog goes on with it."""
        self._watching = asyncio.create_task(self._watch(), name="slack-watchdog")
        try:
            await asyncio.wait_for(self._handler.connect_async(), within)  # type: ignore[no-untyped-call]
        except TimeoutError:
            log.warning("Slack's socket is not open after %.0f s; the watchdog keeps trying", within)
        await self._look()

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._handler.close_async()  # type: ignore[no-untyped-call]
        self.up = False

    def status(self) -> str:
        """The connection in a sentence, for /health."""
        if self.up:
            return f"connected to Slack{f', {self.freed} stale tickets thrown away' if self.freed else ''}"
        return f"not connected to Slack for {clock.monotonic() - (self.down_since or 0.0):.0f} s"

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            await self._look()

    async def _look(self) -> None:
        """Note whether the socket is up. A ticket that Slack no longer takes is retried for ever by the client, so
        after a while it is forgotten and the client asks for a new one."""
        self.up = await self._handler.client.is_connected()
        now = clock.monotonic()
        if self.up:
            self.down_since = None
        elif self.down_since is None:
            self.down_since = now
        elif now - max(self.down_since, self._freed_at) > STUCK_AFTER:
            log.warning("Slack's socket was down for %.0f s; asking for a new ticket", now - self.down_since)
            self._handler.client.wss_uri = None
            self._freed_at = now
            self.freed += 1
