"""A real desk through its page, in a real browser: what a person sees and presses, on a screen and on a phone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.desk import RunningDesk
from tests.e2e.house import BRISK, NOWHERE
from tests.sandbox.browser import NEEDS_CHROMIUM, PHONE, fits_a_phone, opened

pytestmark = NEEDS_CHROMIUM
WAITING = "#list .message:has(button:text-is('Approve'))"
SLOWER = {
    "fast: 2, slow: 5": "fast: 3, slow: 9",
    "minimum_bars: 6": "minimum_bars: 10",
    "25 s": "10 min",
    "0.5 %": "5 %",
}


def leisurely(folder: Path) -> str:
    """The brisk playbook with cards that a person has time to read at 25 × speed."""
    text = Path(BRISK).read_text()
    for brisk, slow in SLOWER.items():
        assert brisk in text
        text = text.replace(brisk, slow)
    path = folder / "leisurely.yaml"
    path.write_text(text)
    return str(path)


def address(desk: RunningDesk) -> str:
    at = json.loads((desk.data / "sandbox.json").read_text())
    return f"http://127.0.0.1:{at['port']}/?token={at['token']}"


async def type_in(page: Any, text: str) -> None:
    await page.fill("#composer-text", text)
    await page.press("#composer-text", "Enter")


async def approve(page: Any, press: str) -> Any:
    """Press Approve on the first card that waits; the card once it says who decided."""
    await page.wait_for_selector(WAITING, timeout=40_000)
    ts = await page.locator(WAITING).last.get_attribute("data-ts")
    card = page.locator(f"#list .message[data-ts='{ts}']")
    await getattr(card.locator("button:text-is('Approve')"), press)()
    await card.locator(":text('approved by @Ada Admin')").first.wait_for()
    assert await card.locator("button:text-is('Approve')").count() == 0
    return card


async def chart(page: Any) -> None:
    """Ask for the figures; their picture follows and is really there."""
    await type_in(page, "/performance 7d")
    picture = page.locator("#list .whisper img").last
    await picture.wait_for(timeout=15_000)
    assert await picture.evaluate("async (one) => { await one.decode(); return one.naturalWidth; }") > 600
    assert "quity" in str(await picture.get_attribute("alt"))


async def on_a_screen(page: Any) -> None:
    card = await approve(page, "click")
    await card.locator(".replies").click()
    await page.locator("#thread-list :text('Opened')").first.wait_for(timeout=15_000)
    await type_in(page, "/positions")
    await page.locator("#list .whisper:has-text('/USD')").first.wait_for()
    await page.click("[data-go=home]")
    await page.locator(".home :text('Open positions:')").wait_for()
    assert "simulated" in (await page.inner_text(".home")).lower()
    await page.click("[data-go='ml-signals']")
    await chart(page)


async def on_a_phone(page: Any) -> None:
    await page.wait_for_selector(WAITING, timeout=40_000)
    assert await fits_a_phone(page)
    card = await approve(page, "tap")
    await card.locator(".replies").tap()
    await page.locator("#thread-list :text('Approved')").first.wait_for()
    await page.tap("#thread-close")
    await type_in(page, "/positions")
    await page.locator("#list .whisper").first.wait_for()
    await chart(page)
    assert await fits_a_phone(page)
    await page.tap("#menu")
    await page.tap("[data-go=home]")
    await page.locator(".home :text('Open positions:')").wait_for()
    assert await fits_a_phone(page)


async def test_a_person_runs_the_desk_from_its_page(start: Callable[..., RunningDesk], tmp_path: Path) -> None:
    fast = ("--feed", "simulated", "--speed", "25", "--playbook", leisurely(tmp_path))
    desk = start(*fast, DATABASE_URL=NOWHERE)
    await asyncio.to_thread(desk.ready)

    async with opened(address(desk)) as page:
        await on_a_screen(page)
    async with opened(address(desk), **PHONE) as page:
        await on_a_phone(page)
