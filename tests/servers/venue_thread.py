"""A local venue on a thread of its own, for tests that drive a desk in another process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from typing import Any, Generic, TypeVar

from engine.clock import Clock, SystemClock
from tests.servers.kraken import KrakenServer
from tests.servers.massive import MassiveServer

T = TypeVar("T")
S = TypeVar("S", KrakenServer, MassiveServer)
BEAT = 0.25  # seconds between the prints of a pair


class VenueThread(Generic[S]):
    """A venue that prints each pair at its price in `prices` until told otherwise; `still` names pairs that rest."""

    def __init__(self, server: S, clock: Clock | None = None) -> None:
        """`clock`: what the venue stamps with, when not real time."""
        self.server = server
        self.server.now = (clock or SystemClock()).now
        self.still: set[str] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="venue", daemon=True)

    def __enter__(self) -> VenueThread[S]:
        self._thread.start()
        self.ask(self.server.__aenter__())
        self._trading = asyncio.run_coroutine_threadsafe(self._trade(), self._loop)
        return self

    def __exit__(self, *_: object) -> None:
        self._trading.cancel()
        self.ask(self.server.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    @property
    def settings(self) -> Mapping[str, str]:
        """What sends a desk here."""
        return self.server.settings

    def ask(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run on the venue's loop and wait for the answer."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def move(self, pair: str, share: float) -> None:
        """Another price from the next beat on."""
        self.server.prices[pair] *= 1 + share

    async def _trade(self) -> None:
        while True:
            for pair in self.server.pairs:
                if pair not in self.still:
                    await self.server.trade_at_its_price(pair)
            await asyncio.sleep(BEAT)
