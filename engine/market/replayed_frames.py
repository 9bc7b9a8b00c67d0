"""Recorded Kraken v2 frames as a feed, through the very handler of the live feed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from engine.clock import Clock, ScaledClock, real_seconds, release
from engine.domain import Instrument, MarketKind, Print, Symbol
from engine.market.intake import Intake, forget
from engine.market.kraken_frames import KrakenFrames, channels
from engine.market.kraken_subscriptions import Subscriptions
from engine.market.quality import Quarantine, Quarantined
from engine.market.record import RecordedFrame, parsed, read_frames, recorded_names
from engine.market.symbols import kraken_symbol
from engine.ports import BarColumns, FeedStatus, MarketSink

BOOK_DEPTH = 25
BEAT = 0.05


class ReplayedFrames:
    """Implements `Feed` over a recording. Without a `clock` the feed makes one that stands at `start()` until `run`.

    Frames come at the venue times inside them; one without a time comes with the frame before it. A recording has no
    history. `book_depth` is the depth that was recorded: it decides which levels a checksum sees.
    """

    kind = MarketKind.REPLAY
    has_prints = True

    def __init__(
        self,
        path: Path,
        symbols: Sequence[Symbol] = (),
        *,
        begin: datetime | None = None,
        clock: Clock | None = None,
        speed: float = 1.0,
        book_depth: int = BOOK_DEPTH,
        on_late: Callable[[Print], None] = forget,
    ) -> None:
        self.name = f"replay of {path.name}"
        self.label = self.name
        self.on_late = on_late
        self.frames: KrakenFrames | None = None
        self._recorded = read_frames(path)
        self._begin = begin or self._recorded[0].at
        self.clock: Clock = clock or ScaledClock(self._begin, speed, held=True)
        self._names = {kraken_symbol(name): name for name in recorded_names(self._recorded)}
        self.symbols = tuple(symbols) or tuple(self._names)
        self._depth = book_depth
        self._quarantine = Quarantine()
        self._intake: Intake | None = None
        self._state = "not started"

    def start(self) -> datetime:
        """Where desk time begins."""
        return self._begin

    async def close(self) -> None:
        """Nothing is open between runs."""

    async def prepare(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Instrument]:
        """The instrument frames come with the record; until then nothing is rounded."""
        return {symbol: Instrument(symbol) for symbol in (symbols or self.symbols) if symbol in self.symbols}

    async def warm_up(self, symbols: Sequence[Symbol], minutes: int) -> Mapping[Symbol, BarColumns]:
        return {}

    async def run(self, sink: MarketSink) -> None:
        """Deliver frame by frame; ends with the record."""
        release(self.clock)
        self._state = "replaying"
        self._intake = intake = Intake(
            self.name, self.symbols, self.clock, sink, start=self._begin, quarantine=self._quarantine,
            ordered=True, on_late=self.on_late,
        )  # fmt: skip
        subscriptions = Subscriptions(channels(self._depth), self.symbols, self._names)
        subscriptions.open(self._begin)  # asked when it was recorded; the answers are in the record
        self.frames = KrakenFrames(intake, subscriptions, self._depth)
        if not any(_subscribes(frame) for frame in self._recorded):  # only data was recorded
            for symbol in self.symbols:
                intake.builder.alive(symbol, self._begin)
            intake.up("replaying")
        for frame in self._recorded:
            if frame.at < self._begin and parsed(frame.text).get("channel") in ("trade", "ticker"):
                continue  # an earlier replay delivered it
            while (wait := real_seconds(self.clock, frame.at)) > 0:
                intake.advance()
                await asyncio.sleep(min(BEAT, wait))
            self.frames.handle(frame.text)
        intake.advance(complete_until=self._recorded[-1].at)
        self._state = "the record has ended"
        intake.down(self._state)

    def status(self) -> FeedStatus:
        if self._intake is None:
            return FeedStatus(self.name, False, self._state)
        refused = self.frames.subscriptions.refused if self.frames else {}
        return self._intake.status(self._state, refused=refused)

    def quarantine(self) -> tuple[Quarantined, ...]:
        """The last messages that were not believed, oldest first."""
        return tuple(self._quarantine.last)


def _subscribes(frame: RecordedFrame) -> bool:
    """Whether a frame acknowledges a subscription of prints."""
    result = parsed(frame.text).get("result")
    return isinstance(result, Mapping) and result.get("channel") == "trade"
