"""Held symbols without prices are asked for by REST, for as long as the desk runs."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from engine import delivery
from engine.clock import ManualClock
from engine.domain import Quote, Side, Symbol
from engine.ports import FeedStatus
from tests.days.desk import NOW, snapshot
from tests.slack.desk import position


class Venue:
    """Stumbles the first time it is asked, as no venue should."""

    def __init__(self) -> None:
        self.asked: list[Symbol] = []

    def status(self) -> FeedStatus:
        return FeedStatus("kraken", True, "")

    async def poll(self, symbol: Symbol) -> Quote:
        self.asked.append(symbol)
        if len(self.asked) == 1:
            raise KeyError("result")
        return Quote(symbol, NOW, 99.0, 101.0)


async def test_an_answer_that_breaks_does_not_end_the_asking(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(delivery, "LOOK_EVERY", 0.01)
    venue, settled = Venue(), []
    held = snapshot(positions=(position(symbol="ETH/USD", side=Side.LONG),))
    desk: Any = SimpleNamespace(clock=ManualClock(NOW), feed=venue, snapshot=lambda: held)
    sink: Any = SimpleNamespace(on_polled=lambda quote, side: settled.append((quote.bid, side)))

    asking = asyncio.create_task(delivery.poll_silent(desk, sink))
    async with asyncio.timeout(5):
        while not settled:
            await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    assert settled[0] == (99.0, Side.LONG)
    assert "asking the venue for silent prices failed" in caplog.text
