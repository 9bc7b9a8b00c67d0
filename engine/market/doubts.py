"""Which symbols' prices a second source contradicts, and since when."""

from __future__ import annotations

from datetime import datetime

from engine.domain import Symbol, micros


class Doubts:
    """A symbol is doubted from one instant to another; every minute that this touches is doubtful."""

    def __init__(self) -> None:
        self._since: dict[Symbol, int] = {}
        self._until: dict[Symbol, tuple[int, int]] = {}  # the last stretch that ended

    def begin(self, symbol: Symbol, at: datetime) -> None:
        self._since.setdefault(symbol, micros(at))

    def end(self, symbol: Symbol, at: datetime) -> None:
        since = self._since.pop(symbol, None)
        if since is not None:
            self._until[symbol] = since, micros(at)

    def touch(self, symbol: Symbol, start: int, end: int) -> bool:
        """Whether `symbol` was doubted at any time in [`start`, `end`) µs."""
        if symbol in self._since and self._since[symbol] < end:
            return True
        since, until = self._until.get(symbol, (0, -1))
        return since < end and until >= start
