"""Symbol names: every source's own form → the desk's `BASE/QUOTE`."""

from __future__ import annotations

from engine.domain import Symbol

KRAKEN_CODES = {"XBT": "BTC", "XDG": "DOGE"}
RENAMED = {"MATIC": "POL", "RNDR": "RENDER"}
_QUOTES = ("USDT", "USDC", "TUSD", "BUSD", "FDUSD", "USD", "EUR", "GBP", "CAD", "AUD", "JPY", "CHF", "BTC", "ETH")


def canonical(name: str) -> Symbol:
    """`xbt/usd`, `BTC-USD` and `BTC/USD` are all `BTC/USD`; a renamed coin answers to its new name."""
    base, _, quote = name.strip().upper().replace("-", "/").partition("/")
    return f"{_coin(base)}/{_coin(quote)}" if quote else _coin(base)


def _coin(code: str) -> str:
    code = KRAKEN_CODES.get(code, code)
    return RENAMED.get(code, code)


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
