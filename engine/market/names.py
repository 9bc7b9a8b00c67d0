"""Symbol names: every source's own form → the desk's `BASE/QUOTE`."""

from __future__ import annotations

from collections.abc import Sequence

from engine.domain import Symbol

KRAKEN_CODES = {"XBT": "BTC", "XDG": "DOGE"}
RENAMED = {"MATIC": "POL", "RNDR": "RENDER"}
_QUOTES = ("USDT", "USDC", "TUSD", "BUSD", "FDUSD", "USD", "EUR", "GBP", "CAD", "AUD", "JPY", "CHF", "BTC", "ETH")


def canonical(name: str) -> Symbol:
    """`xbt/usd`, `BTC-USD` and `BTC/USD` are all `BTC/USD`."""
    base, _, quote = name.strip().upper().replace("-", "/").partition("/")
    base, quote = KRAKEN_CODES.get(base, base), KRAKEN_CODES.get(quote, quote)
    return f"{base}/{quote}" if quote else base


def renamed(symbol: Symbol) -> Symbol:
    """Where a coin that took a new name is traded now: `MATIC/USD` → `POL/USD`; any other symbol as it is."""
    base, slash, quote = symbol.partition("/")
    return f"{RENAMED.get(base, base)}{slash}{quote}"


def meant_pair(name: str, known: Sequence[Symbol] = ()) -> Symbol | None:
    """What a name that is no `BASE/QUOTE` may have meant: `BTCUSD` and `BTC` → `BTC/USD`; None for a pair."""
    pair = canonical(name)
    if pair.count("/") == 1 and all(pair.split("/")):
        return None
    joined = split_joined(pair.replace("/", ""))
    return next((symbol for symbol in known if symbol.split("/")[0] in (pair, joined.split("/")[0])), None) or (
        joined if "/" in joined else f"{joined}/USD"
    )


def split_joined(name: str) -> Symbol:
    """`ADAUSDT` → `ADA/USDT`, as files name their coins; a name with a separator keeps its parts.

    A coin keeps the name that the file gives it: an old file of MATIC is MATIC's history, not POL's.
    """
    text = name.strip().upper().replace("-", "/")
    if "/" in text:
        return text
    for quote in _QUOTES:
        if text.endswith(quote) and len(text) > len(quote):
            return f"{text[: -len(quote)]}/{quote}"
    return text
