"""A running account under changed rules: other limits, sizes, costs or symbols; positions and money go on."""

from __future__ import annotations

from typing import Any

from engine.core.book import Book, SnapshotError
from engine.core.layout import LEGS
from engine.core.rules import Rules

_CELLS = ("plan", "pos", "ord")
_LEGS = ("leg_price", "leg_quantity")


def carry(book: Book, before: Rules, after: Rules) -> Book:
    """A new Book under `after` that holds what `book` holds under `before`. Raises `SnapshotError` when a strategy or
    symbol with a position or an order is no longer there."""
    fresh = Book(after)
    _refuse_orphans(book, after)
    old, new = book._array[0], fresh._array[0]
    new["acct"] = old["acct"]
    symbols = {item.symbol: s for s, item in enumerate(before.instruments)}
    strategies = {item.name: k for k, item in enumerate(before.strategies)}
    for s, instrument in enumerate(after.instruments):
        if instrument.symbol not in symbols:
            continue
        was = symbols[instrument.symbol]
        for name in old["sym"].dtype.names:
            new["sym"][name][s] = old["sym"][name][was]
        for k, strategy in enumerate(after.strategies):
            if strategy.name in strategies:
                from_cell = strategies[strategy.name] * len(symbols) + was
                _copy_cell(old, from_cell, new, k * len(after.instruments) + s)
    return fresh


def _refuse_orphans(book: Book, after: Rules) -> None:
    symbols = {item.symbol for item in after.instruments}
    strategies = {item.name for item in after.strategies}
    taken = [(held.strategy, held.symbol) for held in book.positions()]
    taken += [(order.strategy, order.symbol) for order in book.working()]
    for strategy, symbol in taken:
        if symbol not in symbols or strategy not in strategies:
            raise SnapshotError(
                f"{strategy} has a position or an order in {symbol}, which is no longer part of the desk; "
                "start with it once more and close it first"
            )


def _copy_cell(old: Any, was: int, new: Any, cell: int) -> None:
    for group in _CELLS:
        source, target = old[group], new[group]
        for name in source.dtype.names:
            if name in _LEGS:
                target[name][cell * LEGS : (cell + 1) * LEGS] = source[name][was * LEGS : (was + 1) * LEGS]
            else:
                target[name][cell] = source[name][was]
