"""One best bid and ask out of many exchanges' quotes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.domain import Quote, Symbol

FRESH = timedelta(seconds=15)  # as long as a quote may be acted on (SEMANTICS 2)


@dataclass(slots=True)
class BestOfExchanges:
    """The highest bid and the lowest ask among the exchanges heard of within `FRESH`.

    Each exchange's quote replaces its last one, so that a thin exchange's wide quote does not become the price between
    two quotes of the others. Where two exchanges cross for a moment, the newest quote stands alone: no single place
    offers both prices of a crossed pair.
    """

    _quotes: dict[Symbol, dict[int, Quote]] = field(default_factory=dict)

    def put(self, exchange: int, quote: Quote, now: datetime) -> Quote:
        """Take one exchange's quote (a crossed one as it is: the gate refuses it); gives what it makes the best."""
        if not 0 < quote.bid <= quote.ask:
            return quote
        known = self._quotes.setdefault(quote.symbol, {})
        known[exchange] = quote
        fresh = [one for one in known.values() if abs(now - one.at) <= FRESH]
        bid = max((one.bid for one in fresh), default=quote.bid)
        ask = min((one.ask for one in fresh), default=quote.ask)
        return quote if bid > ask else Quote(quote.symbol, quote.at, bid, ask)
