"""A sink that keeps what it is given, and waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, suppress

from engine.domain import Print, Quote
from engine.messages import FeedChanged, Minute


class Kept:
    def __init__(self) -> None:
        self.prints: list[Print] = []
        self.quotes: list[Quote] = []
        self.minutes: list[Minute] = []
        self.changes: list[FeedChanged] = []

    def on_print(self, item: Print) -> None:
        self.prints.append(item)

    def on_quote(self, item: Quote) -> None:
        self.quotes.append(item)

    def on_minute(self, minute: Minute) -> None:
        self.minutes.append(minute)

    def on_feed(self, change: FeedChanged) -> None:
        self.changes.append(change)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until `condition` holds; a test that waits longer fails."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def running(feed, sink: Kept) -> Iterator[asyncio.Task]:
    """The feed's `run` in the background, ended at the end of the block; its failure fails the test."""
    task = asyncio.create_task(feed.run(sink))
    try:
        yield task
    finally:
        if not task.done():
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        if hasattr(feed, "close"):
            await feed.close()
