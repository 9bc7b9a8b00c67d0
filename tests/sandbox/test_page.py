"""The page in a real browser, with a small desk on the other side."""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox import Sandbox, acting
from tests.sandbox.browser import NEEDS_CHROMIUM, PHONE, fits_a_phone, opened
from tests.sandbox.conftest import MANIFEST, SIGNALS

pytestmark = NEEDS_CHROMIUM


def png(width: int, height: int) -> bytes:
    """A plain picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\x30\x60\x90" * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text}


def button(name: str, words: str, **more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": name, "text": plain(words), "value": "p1", **more}


SURE = {"title": plain("Reject?"), "text": mrkdwn("*Sure?*"), "confirm": plain("Yes, reject"), "deny": plain("Keep")}
FACTS = [
    {"type": "header", "text": plain("BUY BTC/USD")},
    {"type": "section", "fields": [mrkdwn("*Size*\n$100"), mrkdwn("*Stop*\n−5 %")]},
]
BUTTONS = [button("approve", "Approve", style="primary"), button("reject", "Reject", style="danger", confirm=SURE)]
CARD = [*FACTS, {"type": "actions", "elements": BUTTONS}]
QUESTION = {
    "type": "modal",
    "callback_id": "reason",
    "title": plain("Why?"),
    "submit": plain("Send"),
    "blocks": [
        {
            "type": "input",
            "block_id": "why",
            "label": plain("Reason"),
            "element": {"type": "plain_text_input", "action_id": "text"},
        }
    ],
}


@pytest.fixture
def desk(app: AsyncApp) -> None:
    """Answers as a desk does: an ephemeral, a changed card with a thread, a modal, a Home."""

    @app.command("/positions")
    async def positions(ack: Any, respond: Any) -> None:
        await ack()
        await respond("*No* open positions & <https://example.com|rules>, `a < b`")

    @app.command("/ask")
    async def ask(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=QUESTION)

    @app.view("reason")
    async def reason(ack: Any, view: dict[str, Any], client: AsyncWebClient) -> None:
        text = view["state"]["values"]["why"]["text"]["value"]
        if len(text) < 5:
            await ack(response_action="errors", errors={"why": "Say a little more."})
            return
        await ack()
        await client.chat_postMessage(channel=SIGNALS, text=f"Reason: {text}")

    @app.action("approve")
    async def approve(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        ts, said = body["message"]["ts"], f"Approved by <@{body['user']['id']}>"
        blocks = [*FACTS, {"type": "context", "elements": [mrkdwn(said)]}]
        await client.chat_update(channel=SIGNALS, ts=ts, text=said, blocks=blocks)
        await client.chat_postMessage(channel=SIGNALS, thread_ts=ts, text="Opened at 64,220.10")

    @app.action("reject")
    async def reject(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        await client.chat_update(channel=SIGNALS, ts=body["message"]["ts"], text="Rejected")

    @app.event("app_home_opened")
    async def home(event: dict[str, Any], client: AsyncWebClient) -> None:
        blocks = [{"type": "header", "text": plain("The desk at a glance")}]
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})


async def sandbox_files(client: AsyncWebClient) -> list[str]:
    messages = (await client.conversations_history(channel=SIGNALS))["messages"]
    return [file["id"] for message in messages for file in message.get("files", [])]


@pytest.mark.usefixtures("desk", "handler")
async def test_command_card_approval_thread_home_and_modal(sandbox: Sandbox, client: AsyncWebClient) -> None:
    async with opened(sandbox.address) as page:
        assert "?" not in page.url
        assert "Type / for commands" in await page.inner_text(".empty")
        await page.fill("#composer-text", "/po")
        assert await page.inner_text(".completions li .command") == "/positions"
        await page.press("#composer-text", "Tab")
        await page.press("#composer-text", "Enter")
        whisper = page.locator(".whisper")
        await whisper.wait_for()
        assert "No open positions & rules, a < b" in await whisper.inner_text()
        assert "Only visible to you" in await whisper.inner_text()
        await client.chat_postMessage(channel=SIGNALS, text="BUY BTC", blocks=CARD)
        await page.click("button:has-text('Approve')")
        await page.wait_for_selector(".card:has-text('Approved by @Ada Admin')")
        await page.wait_for_selector(".card .actions", state="detached")
        await page.click(".replies:has-text('1 reply')")
        await page.wait_for_selector("#thread-list :text('Opened at 64,220.10')")
        await page.fill("#thread-text", "well done")
        await page.press("#thread-text", "Enter")
        await page.wait_for_selector("#list .replies:has-text('2 replies')")
        await page.keyboard.press("Escape")
        await page.click("[data-go=home]")
        await page.wait_for_selector(".home :text('The desk at a glance')")


@pytest.mark.usefixtures("desk", "handler")
async def test_a_modal_and_a_confirmation_ask_before_they_act(sandbox: Sandbox, client: AsyncWebClient) -> None:
    await client.chat_postMessage(channel=SIGNALS, text="BUY BTC", blocks=CARD)
    async with opened(sandbox.address) as page:
        await page.click("button:has-text('Reject')")
        await page.click(".ask button:has-text('Keep')")
        assert await page.locator(".card").count() == 1
        await page.click("button:has-text('Reject')")
        await page.click(".ask button:has-text('Yes, reject')")
        await page.wait_for_selector("#list .text:has-text('Rejected')")
        await page.fill("#composer-text", "/ask")
        await page.press("#composer-text", "Enter")
        await page.fill(".modal input", "no")
        await page.click(".modal [type=submit]")
        await page.wait_for_selector(".field-error:has-text('Say a little more.')")
        await page.fill(".modal input", "too far from the mean")
        await page.press(".modal input", "Enter")
        await page.wait_for_selector("#list .text:has-text('Reason: too far from the mean')")
        await page.wait_for_selector(".modal", state="detached")


@pytest.mark.usefixtures("handler")
async def test_text_stays_text_and_what_is_new_is_marked(sandbox: Sandbox, client: AsyncWebClient) -> None:
    nasty = "<img src=x onerror=alert(1)> &lt;script&gt;alert(2)&lt;/script&gt; <javascript:alert(3)|press> *b*"
    async with opened(sandbox.address) as page:
        await client.chat_postMessage(channel=SIGNALS, text=nasty)
        message = page.locator("#list .message .text")
        await message.wait_for()
        assert "<script>alert(2)</script>" in await message.inner_text()
        assert await message.locator("img, script, a").count() == 0
        assert await message.locator("strong").inner_text() == "b"
        await client.chat_postMessage(channel="system-alerts", text="<!channel> feed lost")
        await page.wait_for_selector("[data-go='system-alerts'].unread .count:text('1')")
        assert (await page.title()).startswith("(1) ")
        await page.click("[data-go='system-alerts']")
        await page.wait_for_selector("[data-go='system-alerts']:not(.unread)")
        await page.select_option("#become", "U_STRANGER")
        await page.wait_for_selector("[data-go='ml-signals'].unread")
        assert "Sam Stranger" in await page.inner_text("#become option:checked")


@pytest.mark.usefixtures("handler")
async def test_a_picture_opens_large_and_a_phone_has_room(
    sandbox: Sandbox, client: AsyncWebClient, tmp_path: Any
) -> None:
    await client.chat_postMessage(channel=SIGNALS, text="BUY BTC", blocks=CARD)
    await client.files_upload_v2(channel=SIGNALS, content=png(1200, 500), filename="equity.png", title="Equity")
    [file] = (await sandbox_files(client))[-1:]
    block = {"type": "image", "slack_file": {"id": file}, "alt_text": "Equity again"}
    await client.chat_postMessage(channel=SIGNALS, text="again", blocks=[block])
    sandbox.label = "Simulated market"
    async with opened(sandbox.address, **PHONE) as page:
        await page.wait_for_function("[...document.images].every((one) => one.complete && one.naturalWidth)")
        assert await fits_a_phone(page)
        tall = [await one.bounding_box() for one in await page.locator(".card .button").all()]
        assert all(box["height"] >= 44 for box in tall)
        assert await page.inner_text("#label") == "Simulated market"
        assert (await page.screenshot(path=tmp_path / "phone.png"))[:4] == b"\x89PNG"
        assert await page.locator(".picture").count() == 2
        await page.locator(".picture").first.tap()
        await page.wait_for_selector(".lightbox img")
        await page.tap(".lightbox .close")
        await page.tap("#menu")
        await page.tap("[data-go='daily-reports']")
        await page.wait_for_selector(".empty:has-text('07:00 and 19:00')")


async def test_earlier_messages_come_on_demand(sandbox: Sandbox, handler: AsyncSocketModeHandler) -> None:
    for number in range(230):
        acting.say(sandbox.space, "U_RISK", "general", f"line {number}")
    async with opened(sandbox.address) as page:
        await page.click("[data-go=general]")
        await page.wait_for_selector("text=line 229")
        assert await page.locator("#list .message").count() == 200
        await page.click("#earlier")
        await page.wait_for_selector("#list :text-is('line 0')")
        assert await page.locator("#list .message").count() == 230
        assert not await page.locator("#earlier").is_visible()


async def test_the_page_says_when_the_desk_is_away_and_returns(
    sandbox: Sandbox, handler: AsyncSocketModeHandler
) -> None:
    async with opened(sandbox.address) as page:
        await handler.client.close()
        await page.wait_for_selector("#status.wait")
        assert "Waiting for the desk" in await page.inner_text("#status")


@pytest.mark.usefixtures("handler")
async def test_a_desk_that_is_gone_is_seen_on_a_phone_and_the_page_comes_back(sandbox: Sandbox, tmp_path: Path) -> None:
    class Clock:
        speed = 60.0

        def now(self) -> datetime:
            return datetime(2026, 11, 20, 3, 35, tzinfo=UTC)

    sandbox.label = "Simulated market"
    sandbox.show_clock(Clock(), "America/Los_Angeles")
    async with opened(sandbox.address, restarts=True, **PHONE) as page:
        await page.wait_for_selector("#label:has-text('Simulated market · 60× · desk time 19:3')")
        assert await page.locator("#lost").is_hidden()
        await sandbox.stop()
        await page.wait_for_selector("#lost:has-text('Desk not connected')")
        assert await page.locator("#composer-text").is_disabled()
        again = Sandbox(tmp_path / "data", sandbox.port, manifest=MANIFEST)
        await again.start()
        await page.wait_for_selector("#lost", state="hidden", timeout=20_000)
        assert await page.locator("#composer-text").is_enabled()
    await again.stop()
