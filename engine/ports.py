"""What the desk needs from the world, as plain nouns; adapters are adjectives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from engine.clock import Clock
from engine.domain import Instrument, MarketKind, Order, Print, Quote, Symbol
from engine.messages import Acked, FeedChanged, Message, Minute
from engine.outcomes import Outcome
from engine.records import Post, Record

PRICE_SILENCE = timedelta(seconds=60)  # × speed: a held symbol without prices for longer is blind (SEMANTICS 1)

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class BarColumns:
    """Consecutive bars of one symbol as columns of one length, oldest first.

    `time` is int64 microseconds since the epoch, UTC, of the bar's **close**; the rest is float64.
    """

    symbol: Symbol
    interval: timedelta
    time: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    vwap: np.ndarray | None = None  # volume-weighted average price; NaN where the source gave none
    trades: np.ndarray | None = None  # number of trades, float64; NaN where the source gave none

    def cut(self, rows: slice | np.ndarray) -> BarColumns:
        """These rows only (a slice, a mask or places), of every column there is."""
        names = ("time", "open", "high", "low", "close", "volume", "vwap", "trades")
        columns = {name: column[rows] for name in names if (column := getattr(self, name)) is not None}
        return BarColumns(self.symbol, self.interval, **columns)


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """A feed's own account of itself, for `/health`. Times are desk time, lags in seconds, counts since start."""

    name: str
    up: bool
    detail: str
    last_frame: datetime | None = None
    reconnects: int = 0
    prints: int = 0
    late_prints: int = 0
    gaps: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)  # reason code → count
    refused_symbols: Mapping[Symbol, str] = field(default_factory=dict)
    symbols: Mapping[Symbol, datetime] = field(default_factory=dict)  # last print or quote
    lost_prints: int = 0  # numbered by the venue and never delivered
    skew: timedelta | None = None  # this machine's clock against the venue's stamps: above 0 it is ahead
    warning: str = ""  # what the feed can no longer vouch for, as a sentence
    wary: Mapping[Symbol, str] = field(default_factory=dict)  # whose minutes are graded doubtful for now, and why


class MarketSink(Protocol):
    """Where a feed delivers. Called on the asyncio loop; every call returns at once."""

    def on_print(self, item: Print) -> None: ...

    def on_quote(self, item: Quote) -> None: ...

    def on_minute(self, minute: Minute) -> None: ...

    def on_feed(self, change: FeedChanged) -> None: ...


class Feed(Protocol):
    """Live, simulated or replayed market data. `has_prints` is False when only closed bars are known."""

    name: str
    kind: MarketKind
    has_prints: bool
    clock: Clock  # desk time

    async def prepare(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Instrument]:
        """Ask what can be traded. Unknown symbols are absent from the answer and named in `status()`."""
        ...

    async def warm_up(self, symbols: Sequence[Symbol], minutes: int) -> Mapping[Symbol, BarColumns]:
        """Closed one-minute bars before now, at most `minutes` of them, for indicators."""
        ...

    async def run(self, sink: MarketSink) -> None:
        """Deliver until cancelled; reconnects by itself. Ends only when the data does (a replay)."""
        ...

    def status(self) -> FeedStatus: ...

    async def close(self) -> None:
        """Let go of connections that outlive `run`."""
        ...


@dataclass(frozen=True, slots=True)
class Listing:
    """Since when, and until when, a source carries a symbol; None: not known, or still listed. `note` says why."""

    symbol: Symbol
    source_name: str
    first: datetime | None = None
    last: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of history that is fetched at once and can be done again on its own: `key` names it for good."""

    key: str
    symbols: tuple[Symbol, ...]
    since: datetime  # opens of its bars: from here,
    until: datetime  # to here, exclusive


@dataclass(frozen=True, slots=True)
class Rejected:
    """Rows of a source that were not taken, with a reason code and a sentence with the first of them.

    `opened`: when the bars among them opened (µs), where the rows say so: there the source had something.
    """

    symbol: Symbol
    code: str
    count: int
    sentence: str
    opened: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """One-minute bars (or the source's own interval) of a piece, checked row by row; what was not taken is named."""

    bars: tuple[BarColumns, ...]
    rejected: tuple[Rejected, ...] = ()
    duplicates: int = 0
    note: str = ""  # one sentence about the piece as a whole ("" when there is nothing to say)


class History(Protocol):
    """Bars of the past from one source: a vendor, a venue, or files."""

    name: str
    at_once: int  # how many pieces may be fetched at the same time

    async def prepare(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Listing]:
        """What the source carries of `symbols`; absent: not carried. Raises `MarketError` when it cannot be asked."""
        ...

    def pieces(self, symbols: Sequence[Symbol], since: datetime, until: datetime) -> Sequence[Piece]:
        """The work, in the order in which it is best done. The same arguments give the same keys."""
        ...

    async def fetch(self, piece: Piece) -> Fetched:
        """One piece. Raises `MarketError` with a sentence when it cannot be had; waits for the source's rate limit."""
        ...

    async def close(self) -> None: ...


class Broker(Protocol):
    """Takes orders. Reachable from the gateway alone."""

    name: str

    def place(self, order: Order) -> Acked | None:
        """Send one order; idempotent by client id. None: the answer will come as a message later."""
        ...

    def find(self, client_id: str) -> Acked | None:
        """What became of an order; None when the broker never saw it."""
        ...

    def cancel(self, client_id: str) -> None: ...


class Ledger(Protocol):
    """The append-only, hash-chained record of everything."""

    def append(
        self,
        message: Message,
        outcomes: Sequence[Outcome],
        posts: Sequence[Post],
        judged_until: Mapping[Symbol, datetime],
    ) -> Record:
        """Write one row; returns only when it is durable. Raises `LedgerError` and writes nothing on failure."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Rows appended within are durable, all of them, once it has ended; none is when it raises `LedgerError`."""
        ...

    def read(self, after: int = 0) -> Iterator[Record]: ...

    def head(self) -> tuple[int, str]:
        """Sequence and hash of the last row; (0, "") when empty."""
        ...
