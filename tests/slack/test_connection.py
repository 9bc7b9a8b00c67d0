"""Joining: what is wrong is named before anything hangs, and a wedged socket is freed."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

import bot.connection
from bot.app import slack_client
from bot.connection import NEEDED, PRIVATE, NotReached, SlackRefused, check, check_until_reached
from bot.sandbox import Sandbox
from tests.slack.box import IDS
from tests.slack.conftest import CHANNELS, Room

CHANNEL = {"id": "C1", "name": "ml-signals", "is_member": False, "is_private": False}


class Faulty:
    """A Slack that answers as a test tells it: method → body."""

    def __init__(self) -> None:
        self.scopes = ", ".join((*NEEDED, "channels:join"))
        self.bodies: dict[str, dict[str, Any]] = {
            "auth.test": {"ok": True, "team_id": "T1", "team": "Desk", "user_id": "U1"},
            "apps.connections.open": {"ok": True, "url": "ws://127.0.0.1:1/"},
            "conversations.list": {"ok": True, "channels": [CHANNEL]},
            "conversations.join": {"ok": True},
        }

    async def answer(self, request: web.Request) -> web.Response:
        body = self.bodies[request.match_info["method"]]
        return web.json_response(body, headers={"x-oauth-scopes": self.scopes})


@pytest.fixture
def faulty() -> Faulty:
    return Faulty()


@pytest.fixture
async def strange(faulty: Faulty) -> AsyncIterator[AsyncWebClient]:
    app = web.Application()
    app.router.add_route("*", "/api/{method}", faulty.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield slack_client("xoxb-1", f"http://127.0.0.1:{runner.addresses[0][1]}/api/")
    await runner.cleanup()


async def test_a_good_set_up_gives_the_team_and_the_channels(client: AsyncWebClient, sandbox: Sandbox) -> None:
    joined = await check(client, sandbox.app_token, CHANNELS)

    assert joined.team == "T_SANDBOX"
    assert joined.channels == IDS


async def test_a_bad_bot_token_is_named(sandbox: Sandbox) -> None:
    with pytest.raises(SlackRefused, match=r"SLACK_BOT_TOKEN .*invalid_auth.*xoxb-"):
        await check(slack_client("xoxb-wrong", sandbox.api_url), sandbox.app_token, CHANNELS)


async def test_a_bad_app_token_is_named_and_kept_secret(client: AsyncWebClient) -> None:
    with pytest.raises(SlackRefused, match="SLACK_APP_TOKEN") as refused:
        await check(client, "xapp-very-secret", CHANNELS)

    assert "very-secret" not in str(refused.value)


async def test_a_missing_channel_is_named_with_what_to_do(client: AsyncWebClient, sandbox: Sandbox) -> None:
    with pytest.raises(SlackRefused, match=r"no channel #nowhere .*CHANNEL_ALERTS"):
        await check(client, sandbox.app_token, {**CHANNELS, "alerts": "nowhere"})


async def test_a_public_channel_is_joined(client: AsyncWebClient, sandbox: Sandbox) -> None:
    assert (await check(client, sandbox.app_token, {"alerts": "general"})).channels == {"alerts": "C0GENERAL01"}


def _scopes(faulty: Faulty) -> None:
    faulty.scopes = "commands, chat:write"


def _private(faulty: Faulty) -> None:
    faulty.bodies["conversations.list"] = {"ok": True, "channels": [{**CHANNEL, "is_private": True}]}


def _secret(faulty: Faulty) -> None:
    faulty.bodies["conversations.list"] = {
        "ok": True,
        "channels": [{**CHANNEL, "is_private": True, "is_member": True}],
    }


def _closed(faulty: Faulty) -> None:
    faulty.bodies["conversations.join"] = {"ok": False, "error": "missing_scope"}


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (_scopes, "lacks the scopes channels:read, channels:history, groups:read, files:write, im:write.*reinstall"),
        (_private, "not in the private channel #ml-signals.*invite"),
        (_secret, "#ml-signals is private, and the bot token lacks the scope groups:history.*CHANNEL_SIGNALS"),
        (_closed, "cannot join #ml-signals .*missing_scope"),
    ],
)
async def test_what_is_missing_is_named(
    strange: AsyncWebClient, faulty: Faulty, breaks: Callable[[Faulty], None], says: str
) -> None:
    breaks(faulty)

    with pytest.raises(SlackRefused, match=says):
        await check(strange, "xapp-1", {"signals": "ml-signals"})


async def test_a_private_channel_is_joined_with_the_scope_for_it(strange: AsyncWebClient, faulty: Faulty) -> None:
    _secret(faulty)
    faulty.scopes += f", {PRIVATE}"

    assert (await check(strange, "xapp-1", {"signals": "ml-signals"})).channels == {"signals": "C1"}


async def test_a_slack_that_is_unwell_is_waited_for_and_said_so(
    strange: AsyncWebClient, faulty: Faulty, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(bot.connection, "BACK_OFF", (0.05,))
    well = dict(faulty.bodies["auth.test"])
    faulty.bodies["auth.test"] = {"ok": False, "error": "internal_error"}
    with pytest.raises(NotReached):
        await check(strange, "xapp-1", {"signals": "ml-signals"})

    waiting = asyncio.create_task(check_until_reached(strange, "xapp-1", {"signals": "ml-signals"}))
    await asyncio.sleep(0.2)
    faulty.bodies["auth.test"] = well

    assert (await asyncio.wait_for(waiting, 5)).team == "T1"
    assert re.search("Slack is not well .*trying again", caplog.text)


async def test_a_closed_door_is_not_reached() -> None:
    with pytest.raises(NotReached, match="cannot be reached"):
        await check(slack_client("xoxb-1", "http://127.0.0.1:9/api/"), "xapp-1", CHANNELS)


async def test_a_stale_ticket_is_thrown_away(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot.connection, "STUCK_AFTER", 2.0)

    await room.drive.fault("stale_ticket", 3.0)
    for _ in range(150):
        await asyncio.sleep(0.1)
        if room.connection.freed and room.connection.up:
            break

    assert room.connection.freed >= 1
    assert room.connection.status().startswith("connected")
    assert (await room.drive.command("/positions", user="U_ADMIN"))["replies"]


async def test_a_refresh_of_the_socket_is_not_noticed(room: Room) -> None:
    await room.drive.fault("refresh", 1.0)
    await asyncio.sleep(0.5)

    assert (await room.drive.command("/positions", user="U_ADMIN"))["replies"]
