"""Sockets, envelopes and faults, with the real client on the other end."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox import Sandbox
from tests.sandbox.conftest import SIGNALS, Drive, connected


async def link(client: AsyncWebClient, sandbox: Sandbox) -> str:
    return str((await client.apps_connections_open(app_token=sandbox.app_token))["url"])


async def test_a_ticket_opens_one_socket_and_pings_are_echoed(
    drive: Drive, client: AsyncWebClient, sandbox: Sandbox
) -> None:
    url = await link(client, sandbox)
    async with drive.session.ws_connect(url, autoping=False) as socket:
        assert (await socket.receive_json())["type"] == "hello"
        await socket.ping(b"sdk-ping-pong:1")
        assert (await socket.receive()).data == b"sdk-ping-pong:1"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await drive.session.ws_connect(url)


async def test_each_envelope_goes_to_one_socket_and_ten_is_the_most(
    drive: Drive, client: AsyncWebClient, sandbox: Sandbox
) -> None:
    sockets = [await drive.session.ws_connect(await link(client, sandbox)) for _number in range(10)]
    for socket in sockets:
        await socket.receive_json()
    one_more = await drive.session.ws_connect(await link(client, sandbox))
    assert (await one_more.receive_json())["reason"] == "too_many_websockets"
    heard: list[dict[str, Any]] = []

    async def answer(socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            heard.append(message.json())
            await socket.send_json({"envelope_id": heard[-1]["envelope_id"], "payload": {"text": "yes"}})

    listening = [asyncio.create_task(answer(socket)) for socket in sockets]
    assert (await drive.command("/positions"))["replies"][0]["text"] == "yes"
    assert [one["type"] for one in heard] == ["slash_commands"]
    for task, socket in zip(listening, sockets, strict=True):
        await socket.close()
        await task


async def test_an_event_without_acknowledgement_is_sent_again(
    drive: Drive, client: AsyncWebClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sandbox.sockets.ACK_SECONDS", 0.2)
    sandbox.space.sockets.retry_after = (0.0, 0.1)
    async with drive.session.ws_connect(await link(client, sandbox)) as socket:
        await socket.receive_json()
        await drive.post("/_page/say", user="U_TRADER", channel="ml-signals", text="hello <@U_BOT>")
        sent = [await socket.receive_json(timeout=3) for _number in range(3)]
    assert [one["retry_attempt"] for one in sent] == [0, 1, 2]
    assert sent[1]["retry_reason"] == "timeout"
    assert len({one["payload"]["event_id"] for one in sent}) == 1
    assert sent[0]["payload"]["event"]["type"] == "app_mention"


@pytest.fixture
def answering(app: AsyncApp) -> None:
    @app.command("/positions")
    async def positions(ack: Any, respond: Any) -> None:
        await ack()
        await respond("none")


@pytest.mark.usefixtures("answering", "handler")
async def test_a_refresh_loses_no_command(drive: Drive) -> None:
    await drive.fault("refresh", 0.3)
    for _number in range(4):
        assert (await drive.command("/positions"))["replies"][0]["text"] == "none"
        await asyncio.sleep(0.1)


@pytest.mark.usefixtures("answering")
async def test_a_half_open_socket_hears_nothing_and_the_client_finds_out(
    drive: Drive, handler: AsyncSocketModeHandler
) -> None:
    await drive.fault("half_open", 30)
    lost = {"user": "U_TRADER", "channel": "ml-signals", "command": "/positions", "text": ""}
    assert (await drive.post("/_drive/command", 424, **lost))["error"] == "operation_timeout"
    await connected(handler)
    assert (await drive.command("/positions"))["replies"][0]["text"] == "none"


async def test_a_stale_ticket_hangs_the_client_until_it_asks_for_a_new_one(
    drive: Drive, handler: AsyncSocketModeHandler
) -> None:
    await drive.fault("stale_ticket", 1.5)
    await asyncio.sleep(2.5)
    assert not await handler.client.is_connected()
    handler.client.wss_uri = None
    await connected(handler, 8)


async def test_slack_down_refuses_all_and_comes_back(drive: Drive, client: AsyncWebClient) -> None:
    await drive.fault("slack_down", 0.5)
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=SIGNALS, text="x")
    assert caught.value.response.status_code == 503
    await asyncio.sleep(0.5)
    await client.chat_postMessage(channel=SIGNALS, text="x")


async def test_a_rate_limit_says_how_long(drive: Drive, client: AsyncWebClient) -> None:
    await drive.fault("rate_limit", 7)
    with pytest.raises(SlackApiError) as caught:
        await client.chat_update(channel=SIGNALS, ts="1.0", text="x")
    assert caught.value.response.headers["Retry-After"] == "7"


async def test_a_lost_response_has_done_its_work(drive: Drive, client: AsyncWebClient) -> None:
    await drive.fault("lost_response", 5)
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=SIGNALS, text="said, and the answer lost")
    assert [one["text"] for one in await drive.messages()] == ["said, and the answer lost"]


async def test_invalid_blocks_refuses_blocks_and_takes_text(drive: Drive, client: AsyncWebClient) -> None:
    await drive.fault("invalid_blocks", 5)
    with pytest.raises(SlackApiError, match="invalid_blocks"):
        await client.chat_postMessage(channel=SIGNALS, text="x", blocks=[{"type": "divider"}])
    await client.chat_postMessage(channel=SIGNALS, text="x")


@pytest.mark.usefixtures("answering", "handler")
async def test_an_answer_comes_at_once(drive: Drive) -> None:
    start = time.monotonic()
    for _number in range(5):
        await drive.command("/positions")
    assert time.monotonic() - start < 2.5
