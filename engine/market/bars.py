"""One-minute bars from prints, all symbols at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.domain import OF_A_BAR, BarQuality, Print, Symbol, instant, micros
from engine.market.doubts import Doubts
from engine.market.last_close import LastCloses
from engine.market.sequence import Sequence as TradeIds
from engine.messages import Minute

MINUTE_US = 60_000_000
GRACE = timedelta(seconds=2)


LONG_AGO = instant(0)

Key = tuple[datetime, int]  # when, and the trade id


@dataclass(slots=True)
class _Forming:
    """A bar in the making; `first` and `last` order prints of one instant by trade id, so arrival does not matter."""

    first: Key
    last: Key
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int | None  # None where prints were made of a bar, which does not say how many there were

    def add(self, key: Key, price: float, quantity: float) -> None:
        if key >= self.last:  # nearly always
            self.last, self.close = key, price
        elif key < self.first:
            self.first, self.open = key, price
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.volume += quantity
        if self.trades is not None:
            self.trades += 1


@dataclass(slots=True)
class _Alive:
    """When prints of one symbol could be heard: since when now, and the stretch before that."""

    since: int | None = None
    before: tuple[int, int] = (0, 0)

    def covers(self, start: int, end: int) -> bool:
        if self.since is not None and self.since <= start:
            return True
        return self.before[0] <= start and end <= self.before[1]


class BarBuilder:
    """Collects prints and yields each minute once, when its time has come.

    A minute comes `grace` after its close (sooner when the feed has passed it) and only after the feed was heard once
    more, so that a dead line is never taken for a quiet market. A symbol that the feed heard for the whole minute has
    a bar (flat with volume 0 when nothing traded); any other is missing, and so is one without a first price.
    `ordered`: the feed delivers each symbol's prints in order, so a minute may close when all symbols are past it.
    `ids` knows of trades that were numbered and never came: a minute that may lack one is missing, not good.
    """

    def __init__(
        self,
        symbols: Sequence[Symbol],
        start: datetime,
        *,
        grace: timedelta = GRACE,
        ordered: bool = False,
        ids: TradeIds | None = None,
    ) -> None:
        self.symbols = tuple(symbols)
        self.doubts = Doubts()
        self._ids = ids or TradeIds(start)
        self._next = micros(start) // MINUTE_US
        self._grace = grace // timedelta(microseconds=1)
        self._ordered = ordered
        self._forming: dict[int, dict[Symbol, _Forming]] = {}
        self._alive = {symbol: _Alive() for symbol in self.symbols}
        self._reached = dict.fromkeys(self.symbols, LONG_AGO)
        self._from = self._until = LONG_AGO  # the minute of the last print, and its bars
        self._bars: dict[Symbol, _Forming] = {}
        self._closes = LastCloses()
        self._heard = LONG_AGO

    def seed(self, closes: Mapping[Symbol, float], ended: Mapping[Symbol, datetime] | None = None) -> None:
        """Last closes from history: what a quiet minute is flat at before the first print, if trades have been heard
        since history `ended`."""
        for symbol, close in closes.items():
            self._closes.seed(symbol, close, ended.get(symbol) if ended else None)

    @property
    def unsure(self) -> frozenset[Symbol]:
        """Symbols that may have traded unheard, so that a minute without trades is not known to be flat."""
        return frozenset(self._closes.stale)

    def told(self, symbol: Symbol, price: float, at: datetime) -> None:
        """The venue says at `at` what its last trade was."""
        if self._alive[symbol].since is not None:
            self._closes.told(symbol, price, at)

    def late(self, item: Print) -> None:
        """A print whose minute is gone."""
        self._closes.late(item.symbol, item.price, item.at)

    def hear(self, at: datetime) -> None:
        """Any sign of life of the feed, at desk time."""
        if at > self._heard:
            self._heard = at

    def alive(self, symbol: Symbol, at: datetime) -> None:
        """From `at` on, every print of `symbol` arrives."""
        span = self._alive[symbol]
        if span.since is None:
            span.since = micros(at)
            self._closes.heard_from(symbol, at)

    def alive_after(self, symbol: Symbol, at: datetime) -> None:
        """What happened at `at` was before the line: prints of `symbol` arrive from the next instant on."""
        span = self._alive[symbol]
        if span.since is not None and span.since <= micros(at):
            span.since = micros(at) + 1

    def dead(self, at: datetime, symbols: Sequence[Symbol] = ()) -> None:
        """From `at` on, prints may be lost, for `symbols` or for all."""
        for symbol in symbols or self.symbols:
            span = self._alive[symbol]
            if span.since is not None:
                span.before, span.since = (span.since, micros(at)), None
                self._closes.broke((symbol,))

    def wait(self, grace: timedelta) -> None:
        """From now on a minute comes so long after its close: where it is delivered whole, that happens after it."""
        self._grace = grace // timedelta(microseconds=1)

    def interrupt(self, since: datetime, at: datetime, symbols: Sequence[Symbol] = ()) -> None:
        """Something that was sent between `since` and `at` could not be read: prints of up to a grace before it may be
        among it."""
        listening = [symbol for symbol in symbols or self.symbols if self._alive[symbol].since is not None]
        if listening:
            self.dead(instant(max(0, micros(since) - self._grace)), listening)
        for symbol in listening:
            self.alive(symbol, at)

    def passed(self) -> datetime:
        """The end of the last minute that has been closed: prints before it come too late."""
        return instant(self._next * MINUTE_US)

    def add(self, item: Print) -> bool:
        """Take one print; False when its minute is gone (late: to be stored, never applied backwards)."""
        at, symbol = item.at, item.symbol
        if not self._from <= at < self._until and not self._turn_to(micros(at) // MINUTE_US):
            return False
        key = (at, item.trade_id or 0)
        forming = self._bars.get(symbol)
        if forming is None:
            price = item.price
            trades = None if item.side == OF_A_BAR else 1
            self._bars[symbol] = _Forming(key, key, price, price, price, price, item.quantity, trades)
        else:
            forming.add(key, item.price, item.quantity)
        if at > self._reached[symbol]:
            self._reached[symbol] = at
        return True

    def _turn_to(self, minute: int) -> bool:
        """Make `minute` the one whose bars are at hand; False when it is gone."""
        if minute < self._next:
            return False
        self._from, self._until = instant(minute * MINUTE_US), instant((minute + 1) * MINUTE_US)
        self._bars = self._forming.setdefault(minute, {})
        return True

    def due(self) -> datetime:
        """When the next minute comes at the latest, while the feed is heard."""
        return instant((self._next + 1) * MINUTE_US + self._grace)

    def advance(self, now: datetime, complete_until: datetime | None = None) -> list[Minute]:
        """The minutes whose time has come at `now`, oldest first.

        `complete_until`: the feed knows that it has delivered everything before that instant.
        """
        limit = micros(now)
        complete = micros(complete_until) if complete_until else 0
        minutes = []
        while self._ready((self._next + 1) * MINUTE_US, limit, complete):
            minutes.append(self._close())
        return minutes

    def _ready(self, close: int, now: int, complete: int) -> bool:
        if complete >= close:
            return True
        listening = [symbol for symbol, span in self._alive.items() if span.since is not None]
        if now < close or (listening and micros(self._heard) < close):
            return False
        if now >= close + self._grace:
            return True
        past = self._ordered and bool(listening) and not self._ids.holes
        return past and all(micros(self._reached[symbol]) >= close for symbol in listening)

    def _close(self) -> Minute:
        start, end = self._next * MINUTE_US, (self._next + 1) * MINUTE_US
        forming = self._forming.pop(self._next, {})
        self._next += 1
        self._from = self._until = LONG_AGO
        rows: list[Row] = []
        missing = []
        for symbol in self.symbols:
            bar = forming.get(symbol)
            if bar is not None:
                since = self._alive[symbol].since
                self._closes.traded(symbol, bar.close, bar.last[0], None if since is None else instant(since))
            price = self._closes.flat(symbol, instant(end)) if bar is None else bar.close
            if price is None or not self._is_whole(symbol, start, end):
                missing.append(symbol)
            elif bar is None:
                rows.append((symbol, price, price, price, price, 0.0, self._grade(symbol, start, BarQuality.QUIET), 0))
            else:
                grade = self._grade(symbol, start, BarQuality.GOOD)
                rows.append((symbol, bar.open, bar.high, bar.low, bar.close, bar.volume, grade, bar.trades))
        self.doubts.settle(end, self._reached)
        return as_minute(instant(end), rows, missing)

    def _is_whole(self, symbol: Symbol, start: int, end: int) -> bool:
        return self._alive[symbol].covers(start, end) and not self._ids.is_broken(symbol, start, end)

    def _grade(self, symbol: Symbol, start: int, quality: BarQuality) -> str:
        doubtful = self.doubts.touch(symbol, start, start + MINUTE_US, self._reached[symbol])
        return (BarQuality.DOUBTFUL if doubtful else quality).value


Row = tuple[Symbol, float, float, float, float, float, str, int | None]


def as_minute(at: datetime, rows: Sequence[Row], missing: Sequence[Symbol]) -> Minute:
    """One `Minute` that closed at `at`, from (symbol, open, high, low, close, volume, quality, trades) rows."""
    symbols, opens, highs, lows, closes, volumes, qualities, trades = zip(*rows, strict=True) if rows else ((),) * 8
    known = trades if any(count is not None for count in trades) else ()
    return Minute(at, symbols, opens, highs, lows, closes, volumes, qualities, tuple(missing), trades=known)
