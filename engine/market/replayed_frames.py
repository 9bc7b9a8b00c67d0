"""Recorded frames as a feed: Kraken's of today through the very handler of the live feed."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from engine.clock import Clock, ScaledClock, real_seconds, release
from engine.domain import Instrument, MarketKind, Print, Symbol
from engine.market.intake import Intake, forget
from engine.market.quality import Quarantine, Quarantined
from engine.market.record import fits_name
from engine.market.recorded_binance import BINANCE
from engine.market.recorded_kraken import KRAKEN_V2
from engine.market.recorded_kraken_v1 import KRAKEN_V1
from engine.market.recording import NOTE, Account, Reader, read_recording
from engine.market.symbols import Absent
from engine.ports import BarColumns, FeedStatus, MarketSink

log = logging.getLogger(__name__)

WIRES = (KRAKEN_V2, KRAKEN_V1, BINANCE)
BOOK_DEPTH = 25
BEAT = 0.05


class ReplayedFrames:
    """Implements `Feed` over a recording. Without a `clock` the feed makes one that stands at `start()` until `run`.

    Frames come in the venue's time (`recording` says how it is known); one without a time comes with the frame before
    it. A recording has no history. `book_depth` is the depth that was recorded, where the frames do not say it: it
    decides which levels a checksum sees. `symbols` may be named as for bars.
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
        self.frames: Reader | None = None
        self._record = read_recording(path, WIRES)
        first = self._record.frames[0].at
        self._begin = begin or first
        self.clock: Clock = clock or ScaledClock(self._begin, speed, held=True)
        meant = {name: self._record.wire.symbol(name, first) for name in self._record.names}
        self._names = {name: symbol for name, symbol in meant.items() if not isinstance(symbol, Absent)}
        self._no_pairs = {name: why.sentence for name, why in meant.items() if isinstance(why, Absent)}
        own = tuple(dict.fromkeys(self._names.values()))
        self.symbols = tuple(next((one for one in own if fits_name(name, one)), name) for name in symbols) or own
        self._depth = book_depth
        self._kinds: Counter[str] = Counter()
        self._earlier = 0
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
            ordered=True, numbered=self._record.wire.numbered, on_late=self.on_late,
        )  # fmt: skip
        self.frames = self._record.wire.reader(intake, self._names, self._depth)
        if not self._record.subscribes:  # only data was recorded
            for symbol in self.symbols:
                intake.builder.alive(symbol, self._begin)
            intake.up("replaying")
        for frame in self._record.frames:
            self._kinds[frame.kind] += 1
            if frame.kind == NOTE:
                continue
            if frame.at < self._begin and frame.kind in self._record.wire.passing:
                self._earlier += 1  # an earlier replay delivered it
                continue
            while (wait := real_seconds(self.clock, frame.at)) > 0:
                intake.advance()
                await asyncio.sleep(min(BEAT, wait))
            self.frames.handle(frame.text)
        intake.advance(complete_until=self._record.until)
        self._state = "the record has ended"
        log.info("%s: %s", self.name, self.account())
        intake.down(self._state)

    def account(self) -> Account:
        """What has become of the recording's lines so far."""
        status, frames = self.status(), self.frames
        return Account(
            lines=dict(self._kinds),
            earlier=self._earlier,
            prints=status.prints,
            late_prints=status.late_prints,
            lost_prints=status.lost_prints,
            quotes=self._intake.quotes if self._intake else 0,
            checksums_good=frames.checksums_good if frames else 0,
            checksums_bad=frames.checksums_bad if frames else 0,
            set_aside=status.quarantined,
        )

    def status(self) -> FeedStatus:
        if self._intake is None:
            return FeedStatus(self.name, False, self._state, refused_symbols=self._no_pairs)
        refused = self.frames.refused if self.frames else {}
        return self._intake.status(self._state, refused={**self._no_pairs, **refused})

    def quarantine(self) -> tuple[Quarantined, ...]:
        """The last messages that were not believed, oldest first."""
        return tuple(self._quarantine.last)
