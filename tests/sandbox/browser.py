"""A headless browser on a workspace's page."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.async_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDS_CHROMIUM = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the path"
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
BEYOND = "[...document.querySelectorAll('#main *')].some((one) => one.getBoundingClientRect().right > 390.5)"


@asynccontextmanager
async def opened(address: str, restarts: bool = False, **how: Any) -> AsyncIterator[Any]:
    """A page on `address` (with its token); fails when it logs an error or asks anybody else for anything.

    `restarts`: the workspace goes away meanwhile, and the browser says so.
    """
    faults: list[str] = []
    own = address.split("/?")[0]
    async with playwright.async_playwright() as engine:
        browser = await engine.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context(**how)
        page = await context.new_page()
        page.set_default_timeout(8000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
        page.on("request", lambda request: faults.append(request.url) if own not in request.url else None)
        await page.goto(address)
        await page.wait_for_selector("#status.good", state="attached")
        yield page
        await browser.close()
    assert [fault for fault in faults if not (restarts and "net::ERR_" in fault)] == []


async def fits_a_phone(page: Any) -> bool:
    """Whether nothing reaches beyond 390 pixels."""
    wide = await page.evaluate("document.documentElement.scrollWidth")
    return wide == 390 and not await page.evaluate(BEYOND)
