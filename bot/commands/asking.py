"""Reading what a person typed after a command, and laying out long lists."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from engine.domain import Symbol

ROOM = 2_900  # characters of one section


def symbol_of(text: str, symbols: Sequence[Symbol]) -> Symbol | None:
    """The one symbol that a person means by `BTC`, `BTC/USD`, `btc-usd` or `btcusd`; None when none or several fit."""
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
