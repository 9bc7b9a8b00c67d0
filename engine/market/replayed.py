"""Recorded market data as a feed, in the record's own time: one-minute bars, or raw Kraken frames.

Bars of another interval are refused: shown as minutes they would make a one-minute strategy decide at the wrong times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from engine.clock import Clock, ScaledClock, real_seconds, release
from engine.domain import BarQuality, Instrument, MarketKind, Print, Quote, Symbol, instant, micros
from engine.market.bars import MINUTE_US, Row, as_minute
from engine.market.columns import newest
from engine.market.quality import QualityGate, Quarantine, Quarantined, Reason
from engine.market.record import fits_name, read_bars
from engine.messages import FeedChanged
from engine.ports import BarColumns, FeedStatus, MarketSink

HISTORY = 300  # minutes of the record kept as history, when it is longer than twice that
STAMP_EVERY = timedelta(seconds=5)
BEAT = 0.05


class ReplayedBars:
    """Implements `Feed` over a file of one-minute bars.

    Each minute comes at its close. There are no prints: quotes are the last close on both sides, stamped anew every few
    desk seconds, so that a press can be judged. A row that is absent from the file is a missing minute. `begin`
    continues an earlier replay. Without a `clock` the feed makes one that stands at `start()` until `run`.
    """

    kind = MarketKind.REPLAY
    has_prints = False

    def __init__(
        self,
        path: Path,
        symbols: Sequence[Symbol] = (),
        *,
        begin: datetime | None = None,
        clock: Clock | None = None,
        speed: float = 1.0,
    ) -> None:
        self.name = f"replay of {path.name}"
        self.label = self.name
        record = read_bars(path, symbols)
        self.symbols = tuple(record.bars)
        self._bars = record.bars
        closes = [columns.time for columns in self._bars.values()]
        self._first = int(min(time[0] for time in closes))
        self._end = int(max(time[-1] for time in closes))
        self._begin = micros(begin) // MINUTE_US * MINUTE_US if begin else self._after_history()
        self.clock: Clock = clock or ScaledClock(self.start(), speed, held=True)
        self._quarantine = Quarantine()
        self._quarantine.counts.update({Reason.BAR_IMPOSSIBLE.value: record.impossible} if record.impossible else {})
        self._quotes: dict[Symbol, float] = {}
        self._seen: dict[Symbol, datetime] = {}
        self._state = "not started"
        self._last: datetime | None = None
        self._gate = QualityGate(self._quarantine, confirm_within=timedelta(minutes=2), max_age=timedelta(minutes=5))

    def _after_history(self) -> int:
        minutes = (self._end - self._first) // MINUTE_US + 1
        return self._first + (HISTORY - 1) * MINUTE_US if minutes > 2 * HISTORY else self._first - MINUTE_US

    def start(self) -> datetime:
        """Where desk time begins: the close of the last minute that is history."""
        return instant(self._begin)

    async def close(self) -> None:
        """Nothing is open between runs."""

    async def prepare(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Instrument]:
        """Files say nothing of steps and minimums: nothing is rounded. Symbols the record lacks are absent.

        `symbols` may be named as for the constructor; the answer has the desk's names.
        """
        asked = symbols or self.symbols
        return {own: Instrument(own) for name in asked for own in self.symbols if fits_name(name, own)}

    async def warm_up(self, symbols: Sequence[Symbol], minutes: int) -> Mapping[Symbol, BarColumns]:
        """The record's bars before the start."""
        found = {symbol: newest(self._bars[symbol], minutes, self._begin) for symbol in symbols}
        return {symbol: columns for symbol, columns in found.items() if columns.time.size}

    async def run(self, sink: MarketSink) -> None:
        """Deliver minute by minute; ends with the record."""
        release(self.clock)
        self._state = "replaying"
        self._believe_history()
        sink.on_feed(FeedChanged(self.clock.now(), self.name, True, self._state))
        for close in range(self._begin + MINUTE_US, self._end + 1, MINUTE_US):
            await self._wait(sink, instant(close))
            self._minute(sink, close)
        self._state = "the record has ended"
        sink.on_feed(FeedChanged(self.clock.now(), self.name, False, self._state))

    def _believe_history(self) -> None:
        for symbol, columns in self._bars.items():
            before = newest(columns, 1, self._begin)
            if before.time.size:
                self._quotes[symbol] = float(before.close[0])
                self._gate.seed(symbol, float(before.close[0]), instant(int(before.time[0])))

    async def _wait(self, sink: MarketSink, until: datetime) -> None:
        """Stamp quotes until `until` comes. A replay that lags behind its clock gives way to others once a minute."""
        stamped = self.clock.now() - STAMP_EVERY
        while (now := self.clock.now()) < until:
            if now - stamped >= STAMP_EVERY:
                stamped = now
                self._stamp(sink, now)
            await asyncio.sleep(min(BEAT, real_seconds(self.clock, until)))
        await asyncio.sleep(0)

    def _stamp(self, sink: MarketSink, now: datetime) -> None:
        for symbol, price in self._quotes.items():
            self._seen[symbol] = now
            sink.on_quote(Quote(symbol, now, price, price))

    def _minute(self, sink: MarketSink, close: int) -> None:
        at = instant(close)
        rows, missing = [], []
        for symbol in self.symbols:
            row = self._row(symbol, close)
            if row is None or not self._believed(row, at):
                missing.append(symbol)
            else:
                rows.append(row)
                self._quotes[symbol] = row[4]
        self._last = self.clock.now()
        sink.on_minute(as_minute(at, rows, missing))
        self._stamp(sink, self._last)

    def _row(self, symbol: Symbol, close: int) -> Row | None:
        """The bar that closed at `close`; None when the file has none."""
        bars = self._bars[symbol]
        k = int(np.searchsorted(bars.time, close))
        if k == bars.time.size or bars.time[k] != close:
            return None
        opened, high, low, last, volume = (
            float(column[k]) for column in (bars.open, bars.high, bars.low, bars.close, bars.volume)
        )
        quality = BarQuality.GOOD if volume > 0 else BarQuality.QUIET
        counted = bars.trades is not None and np.isfinite(bars.trades[k])
        trades = int(bars.trades[k]) if bars.trades is not None and counted else None
        return (symbol, opened, high, low, last, volume, quality.value, trades)

    def _believed(self, row: Row, at: datetime) -> bool:
        """A close more than half away from the last is doubtful until the next bar confirms it."""
        return bool(self._gate.admit(Print(row[0], at, row[4], row[5], at), at))

    def status(self) -> FeedStatus:
        return FeedStatus(
            name=self.name,
            up=self._state == "replaying",
            detail=self._state,
            last_frame=self._last,
            quarantined=dict(self._quarantine.counts),
            symbols=dict(self._seen),
        )

    def quarantine(self) -> tuple[Quarantined, ...]:
        """The last bars that were not believed, oldest first."""
        return tuple(self._quarantine.last)
