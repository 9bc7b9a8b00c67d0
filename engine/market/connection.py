"""One WebSocket line to a venue, kept open: signs of life, why it ended, and when to try again."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect

from engine.clock import monotonic
from engine.market.intake import Intake

log = logging.getLogger(__name__)

BACK_OFF = (5.0, 10.0, 20.0, 40.0, 60.0)
SILENCE = 5.0  # real seconds without any sign of life: the line is dead
PING_AFTER = 2.0  # without a frame for so long, ask for a sign of life
TEND_EVERY = 0.25
SETTLED = 60.0  # a connection that lasted this long starts the back-off afresh
OPEN_WITHIN = 8.0
FRAME_LIMIT = 16 * 1024 * 1024  # a venue's list of instruments alone is above the library's 1 MiB
LOOPBACK = ("127.0.0.1", "localhost", "::1")

Converse = Callable[[ClientConnection], Awaitable[None]]
Ask = Callable[[ClientConnection], Awaitable[Awaitable[object] | None]]


class TurnedAway(Exception):
    """The venue ended the conversation for a reason that haste makes worse: not before `rest` real seconds again."""

    def __init__(self, sentence: str, rest: float) -> None:
        super().__init__(sentence)
        self.rest = rest


def delays(dice: random.Random) -> Iterator[float]:
    """Seconds before each reconnect: at once (at most 1 s of jitter), then 5, 10, 20, 40 and 60 s for good."""
    yield dice.random()
    yield from BACK_OFF
    while True:
        yield BACK_OFF[-1]


async def ping(socket: ClientConnection) -> Awaitable[object]:
    """Ask for a sign of life by the protocol's own ping, where a venue has no message for it."""
    return await socket.ping()


class Line:
    """Connects, hands the open socket to a conversation, and connects again when it ends, until cancelled.

    `ask` sends for a sign of life; what it returns, if anything, is done when one has come without a frame.
    `detail` says how things stand in words, `reconnects` counts the tries after the first.
    """

    def __init__(
        self,
        name: str,
        url: str,
        ask: Ask = ping,
        *,
        silence: float = SILENCE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        dice: random.Random | None = None,
    ) -> None:
        self.detail = "not started"
        self.reconnects = 0
        self._name = name
        self._url = url
        self._ask = ask
        self._silence = silence
        self._sleep = sleep
        self._dice = dice or random.Random()
        self._rest = 0.0

    async def keep(self, intake: Intake, converse: Converse) -> None:
        """Stay connected; every end is told to `intake` with its reason."""
        waits = delays(self._dice)
        while True:
            opened = monotonic()
            self._rest = 0.0
            self.detail = await self._connection(converse)
            intake.down(self.detail, intake.sure_until())
            if monotonic() - opened >= SETTLED:
                waits = delays(self._dice)
            wait = max(next(waits), self._rest)
            log.warning("%s: %s; next try in %.1f s", self._name, self.detail, wait)
            await self._sleep(wait)
            self.reconnects += 1

    async def _connection(self, converse: Converse) -> str:
        """One connection from open to end; returns why it ended."""
        try:
            async with connect(
                self._url,
                open_timeout=OPEN_WITHIN,
                close_timeout=1,
                ping_interval=None,
                max_size=FRAME_LIMIT,
                proxy=None if urlsplit(self._url).hostname in LOOPBACK else True,
            ) as socket:
                self.detail = f"connected to {self._url}; nothing subscribed has been answered yet"
                await converse(socket)
        except TurnedAway as error:
            self._rest = error.rest
            return str(error)
        except TimeoutError as error:
            return str(error) or f"no answer at {self._url} within {OPEN_WITHIN:.0f} s"
        except (OSError, websockets.WebSocketException) as error:
            return f"connection to {self._url} ended: {str(error) or type(error).__name__}"
        return f"{self._url} closed the connection"

    async def frames(self, socket: ClientConnection, alive: Callable[[], object]) -> AsyncIterator[str | bytes | None]:
        """Frames until the line closes, None at times in between; raises `TimeoutError` after too long a silence.

        `alive` is called for every sign of life that is no frame.
        """
        heard = asked = monotonic()
        answer: asyncio.Future[object] | None = None
        while True:
            text = None
            with suppress(TimeoutError):
                async with asyncio.timeout(min(TEND_EVERY, self._silence / 2)):
                    text = await socket.recv()
            now = monotonic()
            if answer is not None and answer.done():
                if answer.exception() is None:
                    heard = now
                    alive()
                answer = None
            heard = now if text is not None else heard
            if now - heard >= self._silence:
                raise TimeoutError(f"no frame from {self._url} for {self._silence:g} s")
            if now - max(heard, asked) >= min(PING_AFTER, self._silence / 2):
                asked = now
                expected = await self._ask(socket)
                answer = asyncio.ensure_future(expected) if expected is not None else None
            yield text


__all__ = ["Ask", "Converse", "Line", "TurnedAway", "delays", "ping"]
