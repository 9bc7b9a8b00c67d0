"""Which whole minutes may be wrong all the same: a second source contradicts them, or a print was set aside in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from engine.domain import Print, Symbol, micros


class Doubts:
    """Every minute that a doubt touches is doubtful.

    A second source doubts a symbol from one instant to another (`begin`, `end`). A print that the gate has set aside
    doubts its own minute, and those that are flat after it, until it is `confirmed` or something trades later: nobody
    knows whether it was the last price. `wary` says why no minute of a symbol can be relied on for now; None stands
    for every symbol.
    """

    def __init__(self) -> None:
        self.wary: dict[Symbol | None, str] = {}
        self._since: dict[Symbol, int] = {}
        self._until: dict[Symbol, tuple[int, int]] = {}  # the last stretch that ended
        self._aside: dict[Symbol, list[int]] = {}  # when the prints were that are set aside

    def begin(self, symbol: Symbol, at: datetime) -> None:
        self._since.setdefault(symbol, micros(at))

    def end(self, symbol: Symbol, at: datetime) -> None:
        since = self._since.pop(symbol, None)
        if since is not None:
            self._until[symbol] = since, micros(at)

    def set_aside(self, item: Print) -> None:
        """Nobody has confirmed this print yet."""
        self._aside.setdefault(item.symbol, []).append(micros(item.at))

    def confirmed(self, item: Print) -> bool:
        """A print that was set aside counts after all; False when it was not set aside for a bar."""
        aside, at = self._aside.get(item.symbol, []), micros(item.at)
        if at not in aside:
            return False
        aside.remove(at)
        return True

    def touch(self, symbol: Symbol, start: int, end: int, last: datetime) -> bool:
        """Whether the minute of `symbol` in [`start`, `end`) µs is doubtful; the last print believed was at `last`."""
        if symbol in self.wary or None in self.wary:
            return True
        if any(at < end and (at >= start or at >= micros(last)) for at in self._aside.get(symbol, ())):
            return True
        if symbol in self._since and self._since[symbol] < end:
            return True
        since, until = self._until.get(symbol, (0, -1))
        return since < end and until >= start

    def settle(self, end: int, last: Mapping[Symbol, datetime]) -> None:
        """A minute has closed at `end`: prints set aside in it are done with where one was believed after them."""
        for symbol, aside in list(self._aside.items()):
            kept = [at for at in aside if at >= end or at >= micros(last[symbol])]
            if kept:
                self._aside[symbol] = kept
            else:
                del self._aside[symbol]
