"""The Web API answers as Slack answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox import Sandbox
from tests.sandbox.conftest import MANIFEST, SIGNALS, Drive


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def button(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": name, "text": {"type": "plain_text", "text": name}, **more}


class HandClock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 20, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[tuple[AsyncWebClient, HandClock, Sandbox]]:
    clock = HandClock()
    sandbox = Sandbox(tmp_path / "slow", 0, clock, MANIFEST)
    await sandbox.start()
    yield AsyncWebClient(token=sandbox.bot_token, base_url=sandbox.api_url, retry_handlers=[]), clock, sandbox
    await sandbox.stop()


async def refusal(call: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_auth_test_names_the_bot_and_its_scopes(client: AsyncWebClient) -> None:
    answer = await client.auth_test()
    assert (answer["user_id"], answer["team_id"]) == ("U_BOT", "T_SANDBOX")
    scopes = {key.lower(): value for key, value in answer.headers.items()}["x-oauth-scopes"]
    assert "chat:write" in scopes.split(",")


@pytest.mark.parametrize(("token", "error"), [("xoxb-wrong", "invalid_auth"), ("", "not_authed")])
async def test_a_wrong_token_is_told_so(sandbox: Sandbox, token: str, error: str) -> None:
    assert await refusal(AsyncWebClient(token=token, base_url=sandbox.api_url).auth_test()) == error


async def test_each_kind_of_token_opens_its_own_door(sandbox: Sandbox, client: AsyncWebClient) -> None:
    assert await refusal(client.apps_connections_open(app_token=sandbox.bot_token)) == "not_allowed_token_type"
    app = AsyncWebClient(token=sandbox.app_token, base_url=sandbox.api_url)
    assert await refusal(app.chat_postMessage(channel=SIGNALS, text="x")) == "not_allowed_token_type"


async def test_a_json_body_may_be_empty_and_a_form_may_hold_json(sandbox: Sandbox) -> None:
    headers = {"Authorization": f"Bearer {sandbox.bot_token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        empty = {"Content-Type": "application/json"}
        async with session.post(f"{sandbox.api_url}auth.test", data=b"", headers=empty) as response:
            assert (await response.json())["ok"]
        form = {"channel": SIGNALS, "text": "x", "blocks": '[{"type":"divider"}]'}
        async with session.post(f"{sandbox.api_url}chat.postMessage", data=form) as response:
            assert (await response.json())["message"]["blocks"][0]["type"] == "divider"


async def test_a_missing_scope_is_named(client: AsyncWebClient) -> None:
    with pytest.raises(SlackApiError) as caught:
        await client.reactions_add(channel=SIGNALS, timestamp="1.0", name="eyes")
    assert caught.value.response["error"] == "missing_scope"
    assert caught.value.response["needed"] == "reactions:write"


async def test_membership_decides_who_may_post_and_read(client: AsyncWebClient) -> None:
    assert await refusal(client.chat_postMessage(channel="general", text="x")) == "not_in_channel"
    assert await refusal(client.conversations_history(channel="C0GENERAL01")) == "not_in_channel"
    assert await refusal(client.chat_postMessage(channel="nowhere", text="x")) == "channel_not_found"
    await client.conversations_join(channel="C0GENERAL01")
    assert (await client.chat_postMessage(channel="#general", text="x"))["channel"] == "C0GENERAL01"


async def test_ids_are_unique_and_rising(client: AsyncWebClient) -> None:
    names = ["ml-signals", "daily-reports", "system-alerts", SIGNALS] * 3
    posted = [(await client.chat_postMessage(channel=name, text="x"))["ts"] for name in names[:8]]
    assert posted == sorted(set(posted))


async def test_history_is_newest_first_in_pages_with_metadata_when_asked(client: AsyncWebClient) -> None:
    kept = {"event_type": "post", "event_payload": {"key": "k1"}}
    for number in range(3):
        await client.chat_postMessage(channel=SIGNALS, text=str(number), metadata=kept)
    page = await client.conversations_history(channel=SIGNALS, limit=2, include_all_metadata=True)
    assert [one["text"] for one in page["messages"]] == ["2", "1"]
    assert page["messages"][0]["metadata"] == kept
    cursor = page["response_metadata"]["next_cursor"]
    rest = await client.conversations_history(channel=SIGNALS, cursor=cursor)
    assert [one["text"] for one in rest["messages"]] == ["0"]
    assert "metadata" not in rest["messages"][0]


async def test_history_between_two_ids_counts_the_ends_only_when_inclusive(client: AsyncWebClient) -> None:
    first, second, third = [
        (await client.chat_postMessage(channel=SIGNALS, text=text))["ts"] for text in ("a", "b", "c")
    ]
    asked: dict[str, Any] = {"channel": SIGNALS, "oldest": first, "latest": third}
    assert [one["ts"] for one in (await client.conversations_history(**asked))["messages"]] == [second]
    ends = await client.conversations_history(**asked, inclusive=True)
    assert [one["ts"] for one in ends["messages"]] == [third, second, first]


async def test_a_reply_to_a_reply_joins_the_same_thread(client: AsyncWebClient, drive: Drive) -> None:
    head = (await client.chat_postMessage(channel=SIGNALS, text="head"))["ts"]
    reply = (await client.chat_postMessage(channel=SIGNALS, text="one", thread_ts=head))["ts"]
    again = await client.chat_postMessage(channel=SIGNALS, text="two", thread_ts=reply, reply_broadcast=True)
    assert again["message"]["thread_ts"] == head
    thread = (await client.conversations_replies(channel=SIGNALS, ts=head))["messages"]
    assert [one["text"] for one in thread] == ["head", "one", "two"]
    assert thread[0]["reply_count"] == 2
    assert [one["text"] for one in await drive.messages()] == ["head", "two"]
    assert [one["text"] for one in await drive.messages(thread_ts=head)] == ["head", "one", "two"]


async def test_an_update_without_blocks_takes_them_away(client: AsyncWebClient) -> None:
    ts = (await client.chat_postMessage(channel=SIGNALS, text="a", blocks=[section("*a*")]))["ts"]
    await client.chat_update(channel=SIGNALS, ts=ts, text="b")
    [message] = (await client.conversations_history(channel=SIGNALS))["messages"]
    assert (message["text"], message["blocks"]) == ("b", [])
    assert message["edited"]["user"] == "U_BOT"
    await client.chat_delete(channel=SIGNALS, ts=ts)
    assert await refusal(client.chat_update(channel=SIGNALS, ts=ts, text="c")) == "message_not_found"


async def test_only_own_messages_can_be_changed(client: AsyncWebClient, drive: Drive) -> None:
    said = await drive.post("/_page/say", user="U_TRADER", channel="ml-signals", text="mine")
    ts = said["message"]["ts"]
    assert await refusal(client.chat_update(channel=SIGNALS, ts=ts, text="x")) == "cant_update_message"
    assert await refusal(client.chat_delete(channel=SIGNALS, ts=ts)) == "cant_delete_message"


BAD_BLOCKS = {
    "too long a section": [section("x" * 3001)],
    "an empty section": [section("")],
    "eleven fields": [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}],
    "a long field": [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}],
    "a long header": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
    "mrkdwn in a header": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}],
    "26 buttons": [{"type": "actions", "elements": [button(f"b{n}") for n in range(26)]}],
    "one action twice": [{"type": "actions", "elements": [button("a"), button("a")]}],
    "a long value": [{"type": "actions", "elements": [button("a", value="x" * 2001)]}],
    "an unknown style": [{"type": "actions", "elements": [button("a", style="blue")]}],
    "a long confirm": [
        {"type": "actions", "elements": [button("a", confirm={"title": {"type": "plain_text", "text": "x" * 101}})]}
    ],
    "an unknown block": [{"type": "sektion"}],
    "an alert in a message": [{"type": "alert", "text": {"type": "mrkdwn", "text": "x"}}],
    "an image without alt_text": [{"type": "image", "image_url": "https://x/y.png"}],
    "a block_id twice": [{**section("a"), "block_id": "b"}, {**section("b"), "block_id": "b"}],
    "51 blocks": [{"type": "divider"}] * 51,
}


@pytest.mark.parametrize("name", BAD_BLOCKS)
async def test_blocks_above_a_limit_are_refused_with_a_pointer(client: AsyncWebClient, name: str) -> None:
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=SIGNALS, text="x", blocks=BAD_BLOCKS[name])
    assert caught.value.response["error"] == "invalid_blocks"
    assert "json-pointer:/blocks" in caught.value.response["response_metadata"]["messages"][0]


async def test_blocks_at_the_limits_are_taken(client: AsyncWebClient) -> None:
    blocks = [section("x" * 3000), {"type": "actions", "elements": [button(f"b{n}") for n in range(25)]}]
    await client.chat_postMessage(channel=SIGNALS, text="x", blocks=[*blocks, *[{"type": "divider"}] * 48])


async def test_too_much_text_in_all_blocks_is_refused_and_a_long_text_is_cut(client: AsyncWebClient) -> None:
    heavy = client.chat_postMessage(channel=SIGNALS, text="x", blocks=[section("x" * 2900)] * 5)
    assert await refusal(heavy) == "msg_blocks_too_long"
    assert await refusal(client.chat_postMessage(channel=SIGNALS, markdown_text="x" * 12_001)) == "msg_too_long"
    cut = await client.chat_postMessage(channel=SIGNALS, text="x" * 40_001)
    assert (cut["warning"], len(cut["message"]["text"])) == ("message_truncated", 40_000)
    assert await refusal(client.api_call("chat.postMessage", json={"channel": SIGNALS, "text": " "})) == "no_text"


async def test_a_channel_takes_one_post_a_second_after_a_small_burst(
    slow: tuple[AsyncWebClient, HandClock, Sandbox],
) -> None:
    client, clock, _ = slow
    for name in (SIGNALS, "ml-signals", "#ml-signals", SIGNALS):
        await client.chat_postMessage(channel=name, text="x")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=SIGNALS, text="x")
    assert (caught.value.response.status_code, caught.value.response["error"]) == (429, "ratelimited")
    assert caught.value.response.headers["Retry-After"] == "1"
    await client.chat_postMessage(channel="daily-reports", text="another channel has its own budget")
    clock.advance(1.0)
    await client.chat_postMessage(channel=SIGNALS, text="x")


async def test_the_sdk_waits_out_a_429(sandbox: Sandbox) -> None:
    patient = [AsyncRateLimitErrorRetryHandler(max_retry_count=3)]
    client = AsyncWebClient(token=sandbox.bot_token, base_url=sandbox.api_url, retry_handlers=patient)
    for _number in range(5):
        await client.chat_postMessage(channel=SIGNALS, text="x")


async def test_a_response_url_serves_five_times_and_half_an_hour(
    slow: tuple[AsyncWebClient, HandClock, Sandbox],
) -> None:
    client, clock, sandbox = slow
    posted = await client.chat_postMessage(channel=SIGNALS, text="before")
    base = f"http://127.0.0.1:{sandbox.port}/response/"
    url = base + sandbox.space.response_url("U_TRADER", SIGNALS, posted["ts"])

    async def send(session: aiohttp.ClientSession, to: str, **body: Any) -> int:
        async with session.post(to, json=body) as response:
            return response.status

    async with aiohttp.ClientSession() as session:
        assert await send(session, url, text="after", replace_original=True) == 200
        assert await send(session, url, text="here", response_type="in_channel") == 200
        assert await send(session, url, text="only you") == 200
        assert await send(session, url, delete_original=True) == 200
        assert await send(session, url, text="fifth") == 200
        assert await send(session, url, text="sixth") == 404
        late = base + sandbox.space.response_url("U_TRADER", SIGNALS)
        clock.advance(1801)
        assert await send(session, late, text="late") == 404
    assert [one["text"] for one in (await client.conversations_history(channel=SIGNALS))["messages"]] == ["here"]
    assert sorted(one["text"] for one in sandbox.space.ephemerals.values()) == ["fifth", "only you"]


async def test_files_arrive_in_the_channel_and_need_membership(client: AsyncWebClient, drive: Drive) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(64)
    await client.files_upload_v2(channel=SIGNALS, content=picture, filename="equity.png", initial_comment="the day")
    [message] = await drive.messages()
    assert (message["text"], message["files"][0]["mimetype"]) == ("the day", "image/png")
    headers = {"X-Sandbox-Token": drive.sandbox.token}
    async with drive.session.get(message["files"][0]["url_private"], headers=headers) as response:
        assert await response.read() == picture
    away = client.files_upload_v2(channel="C0GENERAL01", content=picture, filename="equity.png")
    assert await refusal(away) == "not_in_channel"


async def test_ephemerals_are_in_no_history_and_need_a_member(client: AsyncWebClient, drive: Drive) -> None:
    await client.chat_postEphemeral(channel=SIGNALS, user="U_VIEWER", text="psst")
    assert await drive.messages() == []
    mine = (await drive.get("/_page/messages", channel="ml-signals", user="U_VIEWER"))["messages"]
    assert [one["text"] for one in mine] == ["psst"]
    assert (await drive.get("/_page/messages", channel="ml-signals", user="U_RISK"))["messages"] == []
    nobody = client.chat_postEphemeral(channel=SIGNALS, user="U_NOBODY", text="x")
    assert await refusal(nobody) == "user_not_in_channel"


async def test_modals_stack_three_high_and_keep_their_hash(client: AsyncWebClient, sandbox: Sandbox) -> None:
    title = {"type": "plain_text", "text": "T"}
    view = {"type": "modal", "title": title, "blocks": [section("x")]}
    trigger = sandbox.space.triggers.issue
    first = (await client.views_open(trigger_id=trigger("U_RISK"), view=view))["view"]
    for _number in range(2):
        await client.views_push(trigger_id=trigger("U_RISK"), view=view)
    fourth = client.views_push(trigger_id=trigger("U_RISK"), view=view)
    assert await refusal(fourth) == "push_limit_reached"
    await client.views_update(view_id=first["id"], view=view, hash=first["hash"])
    stale = client.views_update(view_id=first["id"], view=view, hash=first["hash"])
    assert await refusal(stale) == "hash_conflict"
    bad = {**view, "title": {"type": "plain_text", "text": "x" * 25}}
    assert await refusal(client.views_open(trigger_id=trigger("U_RISK"), view=bad)) == "invalid_arguments"


async def test_calls_at_the_same_moment_all_get_their_own_id(client: AsyncWebClient) -> None:
    names = ("ml-signals", "daily-reports", "system-alerts")
    answers = await asyncio.gather(*(client.chat_postMessage(channel=name, text="x") for name in names * 4))
    assert len({answer["ts"] for answer in answers}) == 12
