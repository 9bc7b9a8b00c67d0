"""How names of pairs are spelled: any source's text → `BASE/QUOTE`. Which coin a name meant, `symbols` knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from engine.domain import Symbol
from engine.market.coins import coins

KRAKEN_CODES = {"XBT": "BTC", "XDG": "DOGE"}
QUOTES = (
    "USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD", "EUR", "GBP", "JPY", "AUD", "CAD", "CHF", "TRY", "BRL",
    "DAI", "BTC", "XBT", "ETH", "BNB",
)  # fmt: skip
_BETWEEN = re.compile(r"[/\-_:]")


def canonical(name: str) -> Symbol:
    """`xbt/usd`, `BTC-USD` and `BTC/USD` are all `BTC/USD`."""
    base, _, quote = name.strip().upper().replace("-", "/").partition("/")
    base, quote = KRAKEN_CODES.get(base, base), KRAKEN_CODES.get(quote, quote)
    return f"{base}/{quote}" if quote else base


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
    """`BASE/QUOTE` for a file's or vendor's own name: ADAUSDT, ADA-USDT, ADA_USDT and X:ADAUSDT are all ADA/USDT.

    A coin keeps the name that it is given. Text in which no quote currency can be seen stays as it is.
    """
    text = name.strip().upper().removeprefix("X:")
    parts = _BETWEEN.split(text)
    if len(parts) > 1 and parts[0] and parts[1]:
        return f"{parts[0]}/{parts[1]}"
    fits = [quote for quote in QUOTES if text.endswith(quote) and len(text) > len(quote)]
    if not fits:
        return text
    known = [quote for quote in fits if text.removesuffix(quote) in _known_bases()]
    quote = known[0] if known else fits[0] if len(text) - len(fits[0]) > 2 else fits[-1]  # BATUSD is no BA/TUSD
    return f"{text.removesuffix(quote)}/{quote}"


@cache
def _known_bases() -> frozenset[str]:
    """Every base that the table of coins has a name for."""
    return frozenset(KRAKEN_CODES) | {era.name for coin in coins().values() for era in coin.eras}
