"""Massive's own minute bars beside those the desk made of the same trades: a lost trade shows in the difference."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.clock import Clock
from engine.domain import BarQuality, Print, Quote, Symbol, instant, micros
from engine.market.bars import MINUTE_US
from engine.market.massive_events import MinuteEvent
from engine.messages import FeedChanged, Minute, Suspected
from engine.ports import MarketSink

MINUTE = timedelta(minutes=1)
KEPT = 5  # minutes that wait for their other half
APART = 0.001  # closes, as a share
SHORT = 0.05  # volume, as a share
ENOUGH = 200
USUAL = 0.2  # where more than this share differs, the two are made of different trades, and nothing was lost

_Key = tuple[Symbol, int]  # symbol, close in µs
_Half = tuple[float, float]  # close, volume


@dataclass(slots=True)
class _Waiting:
    halves: OrderedDict[_Key, _Half]

    def keep(self, key: _Key, half: _Half, room: int) -> None:
        self.halves[key] = half
        while len(self.halves) > room:
            self.halves.popitem(last=False)


class BarCheck:
    """Stands before the sink and compares every whole bar with the vendor's, whichever comes first.

    A bar that lacks volume or ends elsewhere is suspected, so that history heals it. `note`: what the status adds.
    """

    def __init__(self, sink: MarketSink, feed: str, clock: Clock, on_suspect: Callable[[Suspected], None]) -> None:
        self.compared = self.apart = 0
        self._sink = sink
        self._feed = feed
        self._clock = clock
        self._on_suspect = on_suspect
        self._ours, self._theirs = _Waiting(OrderedDict()), _Waiting(OrderedDict())
        self._room = KEPT

    @property
    def note(self) -> str:
        if not self.apart:
            return ""
        return f"; {self.apart:,} of {self.compared:,} bars differ from Massive's own"

    @property
    def warning(self) -> str:
        """Where the check has nothing to say any more, a sentence that says so."""
        if not self._says_nothing():
            return ""
        share = f"{self.apart:,} of {self.compared:,} bars differ from Massive's own"
        return f"{share}: the two are not made of the same trades, so a trade that is lost shows nowhere."

    def _says_nothing(self) -> bool:
        return self.compared >= ENOUGH and self.apart > self.compared * USUAL

    def theirs(self, symbol: Symbol, event: MinuteEvent) -> None:
        """Take the vendor's bar of a minute that is also made of trades."""
        key, half = (symbol, event.s * 1000 + MINUTE_US), (event.c, event.v)
        ours = self._ours.halves.pop(key, None)
        if ours is None:
            self._theirs.keep(key, half, self._room)
        else:
            self._compare(key, ours, half)

    def came_late(self, symbol: Symbol, event: MinuteEvent) -> None:
        """A bar that was to be the minute came when the minute had been closed without it."""
        self._suspect(symbol, instant(event.s * 1000), "Massive's bar came after its minute had closed")

    # ------------------------------------------------------------ the sink's calls

    def on_print(self, item: Print) -> None:
        self._sink.on_print(item)

    def on_quote(self, item: Quote) -> None:
        self._sink.on_quote(item)

    def on_feed(self, change: FeedChanged) -> None:
        self._sink.on_feed(change)

    def on_minute(self, minute: Minute) -> None:
        """Pass a minute on, then compare its whole bars."""
        self._sink.on_minute(minute)
        close_us = micros(minute.at)
        self._room = KEPT * max(1, len(minute.symbols))
        for symbol, *half, quality in zip(minute.symbols, minute.close, minute.volume, minute.quality, strict=True):
            key, ours = (symbol, close_us), (half[0], half[1])
            theirs = self._theirs.halves.pop(key, None)
            if quality not in (BarQuality.GOOD.value, BarQuality.QUIET.value):
                continue
            if theirs is None:
                self._ours.keep(key, ours, self._room)
            else:
                self._compare(key, ours, theirs)

    def _compare(self, key: _Key, ours: _Half, theirs: _Half) -> None:
        self.compared += 1
        elsewhere = abs(ours[0] / theirs[0] - 1) > APART
        if not elsewhere and ours[1] >= theirs[1] * (1 - SHORT):
            return
        self.apart += 1
        if self._says_nothing():
            return
        why = f"close {ours[0]:g}, volume {ours[1]:g} of the trades; Massive's own bar has {theirs[0]:g}, {theirs[1]:g}"
        self._suspect(key[0], instant(key[1]) - MINUTE, why)

    def _suspect(self, symbol: Symbol, since: datetime, why: str) -> None:
        self._on_suspect(Suspected(self._clock.now(), self._feed, symbol, since, since + MINUTE, why))
