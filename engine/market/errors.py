"""What can be broken about a market: each error says what was wrong, with what value, and what to do."""

from __future__ import annotations


class MarketError(Exception):
    """Market data cannot be had or read. The message is one sentence for a person."""


class FeedUnreachable(MarketError):
    """The venue did not answer; trying again later may help."""


class RecordError(MarketError):
    """A file of recorded market data cannot be replayed as it is."""


class FeedNameError(MarketError):
    """The feed asked for does not exist."""


class BarsError(MarketError, ValueError):
    """A file of bars cannot be used; the text names the file, what was wrong and what to do."""
