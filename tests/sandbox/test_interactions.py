"""Commands, presses and modals through the real Bolt client."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox import Sandbox
from tests.sandbox.conftest import SIGNALS, Drive

BUTTON = {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}, "value": "p1"}
CARD = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "*Buy* BTC"}},
    {"type": "actions", "block_id": "decide", "elements": [BUTTON]},
]
MODAL = {
    "type": "modal",
    "callback_id": "reason",
    "title": {"type": "plain_text", "text": "Why?"},
    "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [
        {
            "type": "input",
            "block_id": "why",
            "label": {"type": "plain_text", "text": "Reason"},
            "element": {"type": "plain_text_input", "action_id": "text"},
        }
    ],
}


async def test_a_command_returns_when_its_ephemeral_is_there(
    app: AsyncApp, handler: AsyncSocketModeHandler, drive: Drive
) -> None:
    @app.command("/positions")
    async def positions(ack: Any, respond: Any, command: dict[str, Any]) -> None:
        await ack()
        await asyncio.sleep(0.2)
        await respond(f"none, {command['text']}")

    answer = await drive.command("/positions", "please")
    assert answer["ok"]
    assert 0 < answer["ack_ms"] < 200
    [reply] = answer["replies"]
    assert (reply["text"], reply["ephemeral"], reply["user"], reply["channel"]) == (
        "none, please",
        True,
        "U_BOT",
        SIGNALS,
    )
    assert await drive.messages() == []


async def test_an_acknowledgement_with_text_is_content(
    app: AsyncApp, handler: AsyncSocketModeHandler, drive: Drive
) -> None:
    @app.command("/why")
    async def why(ack: Any) -> None:
        await ack("because")

    answer = await drive.command("/why")
    assert [(one["text"], one["ephemeral"]) for one in answer["replies"]] == [("because", True)]


async def test_a_press_returns_the_changed_card(
    app: AsyncApp, handler: AsyncSocketModeHandler, drive: Drive, client: AsyncWebClient
) -> None:
    @app.action("go")
    async def go(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        assert body["actions"][0]["value"] == "p1"
        await client.chat_update(channel=body["channel"]["id"], ts=body["message"]["ts"], text="Approved")

    posted = await client.chat_postMessage(channel="ml-signals", text="Buy BTC", blocks=CARD)
    answer = await drive.press({"channel": "ml-signals", "ts": posted["ts"]}, "go")
    [reply] = answer["replies"]
    assert (reply["ts"], reply["text"], reply["blocks"], reply["ephemeral"]) == (posted["ts"], "Approved", [], False)
    other = await drive.post("/_drive/press", 404, user="U_TRADER", channel=SIGNALS, ts=posted["ts"], action_id="stop")
    assert other["error"] == "action_not_found"
    late = await drive.press({"channel": "ml-signals", "ts": posted["ts"]}, "go")
    assert late["ok"], "a screen that lags behind still shows the button, and the app hears of it"


async def test_an_unrelated_post_in_the_channel_does_not_stand_for_the_answer(
    app: AsyncApp, handler: AsyncSocketModeHandler, drive: Drive, client: AsyncWebClient
) -> None:
    @app.command("/positions")
    async def positions(ack: Any, respond: Any) -> None:
        await ack()
        await client.chat_postMessage(channel=SIGNALS, text="a proposal that happens to come")
        await asyncio.sleep(0.5)
        await respond("none")

    answer = await drive.command("/positions")
    assert [one["text"] for one in answer["replies"]] == ["a proposal that happens to come", "none"]


async def test_a_home_published_meanwhile_does_not_stand_for_the_answer(
    app: AsyncApp, handler: AsyncSocketModeHandler, drive: Drive, client: AsyncWebClient
) -> None:
    @app.command("/positions")
    async def positions(ack: Any, respond: Any) -> None:
        await ack()
        await client.views_publish(user_id="U_TRADER", view={"type": "home", "blocks": []})
        await asyncio.sleep(0.3)
        await respond("none")

    answer = await drive.command("/positions")
    assert ([one["text"] for one in answer["replies"]], answer["views"]) == (["none"], [])


async def test_no_acknowledgement_is_operation_timeout_and_no_socket_dispatch_failed(
    app: AsyncApp, handler: AsyncSocketModeHandler, drive: Drive
) -> None:
    silent = {"user": "U_TRADER", "channel": "ml-signals", "command": "/silent", "text": ""}
    assert (await drive.post("/_drive/command", 424, **silent))["error"] == "operation_timeout"
    await handler.close_async()
    assert (await drive.post("/_drive/command", 424, **silent))["error"] == "dispatch_failed"


async def test_a_modal_shows_errors_then_goes(
    app: AsyncApp, handler: AsyncSocketModeHandler, drive: Drive, sandbox: Sandbox
) -> None:
    @app.command("/ask")
    async def ask(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=MODAL)

    @app.view("reason")
    async def reason(ack: Any, body: dict[str, Any], view: dict[str, Any], client: AsyncWebClient) -> None:
        text = view["state"]["values"]["why"]["text"]["value"]
        if text == "no":
            await ack(response_action="errors", errors={"why": "say more"})
            return
        await ack()
        await client.chat_postEphemeral(channel=SIGNALS, user=body["user"]["id"], text=f"noted: {text}")

    [view] = (await drive.command("/ask"))["views"]
    path, who = "/_drive/submit", {"user": "U_TRADER", "view_id": view["id"]}
    assert (await drive.post(path, 422, **who, values={}))["error"] == "invalid_values"
    refused = await drive.post(path, **who, values={"why": "no"})
    assert refused["response_action"] == "errors"
    assert refused["views"][0]["errors"] == {"why": "say more"}
    taken = await drive.post(path, **who, values={"why": {"text": {"type": "plain_text_input", "value": "drift"}}})
    assert [one["text"] for one in taken["replies"]] == ["noted: drift"]
    assert (await drive.post(path, 404, **who, values={"why": "x"}))["error"] == "view_not_found"


async def test_a_trigger_opens_one_view_within_three_seconds(sandbox: Sandbox, client: AsyncWebClient) -> None:
    trigger = sandbox.space.triggers.issue("U_TRADER")
    await client.views_open(trigger_id=trigger, view=MODAL)
    with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
        await client.views_open(trigger_id=trigger, view=MODAL)
    late = sandbox.space.triggers.issue("U_TRADER")
    sandbox.space.triggers.issued[late].until -= 3.1
    with pytest.raises(SlackApiError, match="expired_trigger_id"):
        await client.views_open(trigger_id=late, view=MODAL)


async def test_the_home_is_published_when_it_is_opened(
    app: AsyncApp, handler: AsyncSocketModeHandler, drive: Drive
) -> None:
    @app.event("app_home_opened")
    async def opened(event: dict[str, Any], client: AsyncWebClient) -> None:
        section = {"type": "section", "text": {"type": "mrkdwn", "text": f"hello <@{event['user']}>"}}
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": [section]})

    view = (await drive.get("/_drive/home", user="U_VIEWER"))["view"]
    assert view["blocks"][0]["text"]["text"] == "hello <@U_VIEWER>"
