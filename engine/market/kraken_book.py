"""One symbol's order book from Kraken frames, proven by its CRC32 over the digits as sent, last zeros included."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from zlib import crc32

from engine.market.kraken_words import BookEntry
from engine.market.kraken_words import Level as Change

CHECKED_LEVELS = 10

Number = Decimal | int
Level = tuple[Number, Number]


def digits(number: Number, precision: int | None = None) -> str:
    """The checksum's form of one number: no point, no leading zeros; `precision` restores digits that were lost."""
    text = str(number) if isinstance(number, int) else format(number, "f")
    text = text if precision is None else f"{number:.{precision}f}"
    return text.replace(".", "").lstrip("0")


def checksum(
    asks: Iterable[Level], bids: Iterable[Level], price_precision: int | None = None, qty_precision: int | None = None
) -> int:
    """CRC32 of the best ten asks (low to high), then the best ten bids (high to low)."""
    best = [*sorted(asks)[:CHECKED_LEVELS], *sorted(bids, reverse=True)[:CHECKED_LEVELS]]
    text = "".join(digits(price, price_precision) + digits(quantity, qty_precision) for price, quantity in best)
    return crc32(text.encode())


class OrderBook:
    """Both sides, at most `depth` levels each."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.asks: dict[Number, Number] = {}
        self.bids: dict[Number, Number] = {}

    def apply(self, entry: BookEntry, *, snapshot: bool) -> bool:
        """Take one snapshot or update; True when the checksum agrees."""
        self.change(entry.asks, entry.bids, snapshot=snapshot)
        return self.agrees(entry.checksum)

    def agrees(self, told: int) -> bool:
        """Whether the book has the checksum that the venue told."""
        return checksum(self.asks.items(), self.bids.items()) == told

    def change(self, asks: Iterable[Change], bids: Iterable[Change], *, snapshot: bool) -> None:
        """Take levels that nothing proves, as v1's snapshots are: the next checksum covers them too."""
        if snapshot:
            self.asks, self.bids = {}, {}
        _change(self.asks, asks)
        _change(self.bids, bids)
        for price in sorted(self.asks)[self.depth :] if len(self.asks) > self.depth else ():
            del self.asks[price]
        for price in sorted(self.bids, reverse=True)[self.depth :] if len(self.bids) > self.depth else ():
            del self.bids[price]

    def best(self) -> tuple[float, float] | None:
        """Best bid and ask, or None while a side is empty."""
        if not self.asks or not self.bids:
            return None
        return float(max(self.bids)), float(min(self.asks))


def _change(side: dict[Number, Number], changes: Iterable[Change]) -> None:
    for change in changes:
        if change.qty:
            side[change.price] = change.qty
        else:
            side.pop(change.price, None)
