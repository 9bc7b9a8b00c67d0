"""What a live feed knows from history before its stream begins, and how its minutes are closed while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from engine.clock import real_seconds
from engine.domain import Symbol, instant
from engine.market.columns import newest
from engine.market.errors import MarketError
from engine.market.intake import Intake
from engine.ports import BarColumns

log = logging.getLogger(__name__)

BEAT = 0.1
RECENT = timedelta(minutes=10)


class Past:
    """The last closes that history gave. `progress` says how far the asking is, "" when it is over."""

    def __init__(self) -> None:
        self.progress = ""
        self._closes: dict[Symbol, tuple[float, datetime]] = {}

    async def gather(
        self, symbols: Sequence[Symbol], minutes: int, ask: Callable[[Symbol], Awaitable[BarColumns]], within: float
    ) -> dict[Symbol, BarColumns]:
        """At most `minutes` bars of every symbol. One whose history cannot be had, or not within so many real seconds,
        is absent and logged."""
        answers: dict[Symbol, BarColumns] = {}

        async def warm(symbol: Symbol) -> None:
            try:
                columns = await ask(symbol)
            except MarketError as error:
                log.warning("no history for %s: %s", symbol, error)
                return
            if columns.time.size:
                answers[symbol] = newest(columns, minutes)
                self._closes[symbol] = (float(columns.close[-1]), instant(int(columns.time[-1])))
            self.progress = f", history of {len(answers)}/{len(symbols)}"

        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await asyncio.gather(*map(warm, symbols))
        if len(answers) < len(symbols):
            log.warning("history came for %d of %d symbols; the others warm up live", len(answers), len(symbols))
        self.progress = ""
        return answers

    def first_minute(self, now: datetime) -> datetime:
        """Now, or the end of the history when that is not long ago: a minute that passed since is missing, not lost."""
        return max((at for _, at in self._closes.values() if now - at <= RECENT), default=now)

    def seed(self, intake: Intake) -> None:
        """Let quiet minutes be flat at these closes, and the first live price be judged against them."""
        closes = {symbol: close for symbol, (close, _) in self._closes.items()}
        intake.builder.seed(closes, {symbol: at for symbol, (_, at) in self._closes.items()})
        for symbol, (close, at) in self._closes.items():
            intake.gate.seed(symbol, close, at)


async def close_minutes(intake: Intake) -> None:
    """Deliver every minute when its time has come, until cancelled."""
    while True:
        intake.advance()
        await asyncio.sleep(min(BEAT, max(0.005, real_seconds(intake.clock, intake.due()))))
