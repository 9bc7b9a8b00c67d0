"""Reading what a person typed after a command, and laying out long lists."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from engine import renamed
from engine.domain import Symbol

ROOM = 2_900  # characters of one section


def symbol_of(text: str, symbols: Sequence[Symbol]) -> Symbol | None:
    """The one symbol that a person means by `BTC`, `BTC/USD`, `btc-usd` or `btcusd`; None when none or several fit.

    A coin's old name means the coin, unless another one is called so now: `MATIC` is POL.
    """
    return _named(text, symbols) or _named(_today(text, symbols), symbols)


def _today(text: str, symbols: Sequence[Symbol]) -> str:
    """What an old name, of a coin or of a pair of a quote that is traded here, is called now."""
    wanted = "".join(letter for letter in text.upper() if letter.isalnum())
    quotes = dict.fromkeys(symbol.partition("/")[2] for symbol in symbols)
    old = {f"{base}/{quote}" for quote in quotes for base in {wanted, wanted.removesuffix(quote)} if base}
    new = {renamed(name) for name in old} - old
    return next((symbol for symbol in symbols if symbol in new), "")


def _named(text: str, symbols: Sequence[Symbol]) -> Symbol | None:
    wanted = "".join(letter for letter in text.upper() if letter.isalnum())
    exact = [symbol for symbol in symbols if symbol.replace("/", "").upper() == wanted]
    by_base = [symbol for symbol in symbols if symbol.split("/")[0].upper() == wanted]
    found = exact or by_base
    return found[0] if wanted and len(found) == 1 else None


def count_of(text: str, usual: int, most: int) -> int | None:
    """The number that was asked for, `usual` when none was, None when it is not one between 1 and `most`."""
    if not text:
        return usual
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text) <= most else None


def near(text: str, known: Iterable[str]) -> str:
    """The known word that a mistyped one comes close to; "" when none does."""
    return next(iter(difflib.get_close_matches(text.lower(), list(known), n=1)), "")


def lines(rows: Iterable[str]) -> list[str]:
    """Rows gathered into texts that each fit one section."""
    texts: list[str] = []
    for row in rows:
        cut = row[:ROOM]
        if texts and len(texts[-1]) + len(cut) < ROOM:
            texts[-1] += "\n" + cut
        else:
            texts.append(cut)
    return texts
