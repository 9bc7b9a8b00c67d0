"""What a quiet minute is flat at: the last trade's price, as long as no trade can have come since unheard."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from engine.domain import Symbol

NEAR = timedelta(seconds=2)  # closer than this, a trade and the venue's word about its last one may cross on the way


class LastCloses:
    """A broken line makes a close *stale*: until a trade is heard, or the venue says what its last one was, a minute
    without trades is not known to be flat, and is missing."""

    def __init__(self) -> None:
        self.stale: set[Symbol] = set()
        self._price: dict[Symbol, float] = {}
        self._at: dict[Symbol, datetime] = {}  # of the trade, where it is known
        self._told: dict[Symbol, datetime] = {}  # when the venue said so

    def seed(self, symbol: Symbol, price: float, at: datetime | None = None) -> None:
        """From history, which ended at `at`; what was heard stands."""
        if symbol not in self._price:
            self._price[symbol] = price
            if at is not None:
                self._at[symbol] = at

    def broke(self, symbols: Iterable[Symbol]) -> None:
        self.stale.update(symbols)

    def heard_from(self, symbol: Symbol, at: datetime) -> None:
        """Trades are heard from `at` on: a close from before that may have been followed by others."""
        if symbol in self._at and self._at[symbol] < at:
            self.stale.add(symbol)

    def told(self, symbol: Symbol, price: float, at: datetime) -> None:
        """The venue says at what its last trade was."""
        if symbol in self.stale and price > 0:
            self._price[symbol], self._told[symbol] = price, at
            self.stale.discard(symbol)

    def traded(self, symbol: Symbol, price: float, at: datetime, since: datetime | None) -> None:
        """The last trade of a closed minute; trades are heard since `since` (None: not now)."""
        told = self._told.get(symbol)
        if told is not None and at < told + NEAR:
            if at >= told - NEAR and price != self._price[symbol]:
                self.stale.add(symbol)
            return
        self._price[symbol], self._at[symbol] = price, at
        if since is not None and at >= since:
            self.stale.discard(symbol)

    def late(self, symbol: Symbol, price: float, at: datetime) -> None:
        """A trade that came after its minute: minutes to come are flat at it when none is newer."""
        if at >= self._at.get(symbol, at):
            self.traded(symbol, price, at, None)

    def flat(self, symbol: Symbol, end: datetime) -> float | None:
        """The price that a minute without trades, which ended at `end`, is flat at; None when it is not known: also
        when the venue has spoken since, maybe of a later trade."""
        told = self._told.get(symbol)
        if symbol in self.stale or (told is not None and told >= end):
            return None
        return self._price.get(symbol)
