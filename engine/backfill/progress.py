"""How far a backfill is, by symbol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.clock import monotonic
from engine.domain import Symbol
from engine.ports import Piece


@dataclass(slots=True)
class Part:
    """One symbol: pieces that hold some of it, those that are done (failed ones apart), and the rows they brought."""

    pieces: int = 0
    done: int = 0
    failed: int = 0
    rows: int = 0

    @property
    def share(self) -> float:
        return (self.done + self.failed) / self.pieces if self.pieces else 1.0


@dataclass(slots=True)
class Progress:
    """Counts since the job began. `before`: pieces that an earlier run had finished; they count as done.

    `began` is when fetching began. `costs`: seconds that the source will take for each piece by its key, where it knows
    them: a day of a busy coin may take a hundred times as long as one of a thin coin.
    """

    parts: dict[Symbol, Part] = field(default_factory=dict)
    pieces: int = 0
    before: int = 0
    done: int = 0
    failed: int = 0
    rows: int = 0
    stage: str = "asking"  # asking, fetching, checking, done
    checked: int = 0  # symbols whose stored history was looked through
    began: float = field(default_factory=monotonic)
    costs: Mapping[str, float] = field(default_factory=dict)
    _tried: float = field(default=0.0, init=False)  # the costs of what was done or given up
    _left: float = field(default=0.0, init=False)

    def expect(
        self,
        symbols: Sequence[Symbol],
        pieces: Iterable[Piece],
        done: Iterable[Piece],
        costs: Mapping[str, float] | None = None,
    ) -> None:
        """All the work there is, and what was done before."""
        self.began, self.costs = monotonic(), costs or {}
        self.parts = {symbol: Part() for symbol in symbols}
        for piece in pieces:
            self.pieces += 1
            self._left += self._cost(piece)
            for symbol in piece.symbols:
                self.parts[symbol].pieces += 1
        for piece in done:
            self.before += 1
            self._left -= self._cost(piece)
            for symbol in piece.symbols:
                self.parts[symbol].done += 1
        self.stage = "fetching"

    def finished(self, piece: Piece, rows: Mapping[Symbol, int]) -> None:
        self.done += 1
        self._pass(piece)
        self.rows += sum(rows.values())
        for symbol in piece.symbols:
            part = self.parts[symbol]
            part.done, part.rows = part.done + 1, part.rows + rows.get(symbol, 0)

    def gave_up(self, piece: Piece) -> None:
        self.failed += 1
        self._pass(piece)
        for symbol in piece.symbols:
            self.parts[symbol].failed += 1

    def _cost(self, piece: Piece) -> float:
        return self.costs.get(piece.key, 0.0 if self.costs else 1.0)

    def _pass(self, piece: Piece) -> None:
        self._tried += self._cost(piece)
        self._left -= self._cost(piece)

    @property
    def share(self) -> float:
        """Of the pieces; 1 when there are none."""
        return (self.before + self.done + self.failed) / self.pieces if self.pieces else 1.0

    @property
    def seconds(self) -> float:
        return monotonic() - self.began

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds left at the pace so far, and before anything is done by the source's own; None when it has none."""
        if self._tried:
            return max(0.0, self._left) * self.seconds / self._tried
        return self._left if self.costs else None

    def as_json(self) -> dict[str, Any]:
        """For a reader in another process; shares from 0 to 1."""
        symbols = {
            symbol: {"share": round(part.share, 4), "rows": part.rows, "failed": part.failed}
            for symbol, part in self.parts.items()
        }
        return {
            "stage": self.stage,
            "share": round(self.share, 4),
            "pieces": self.pieces,
            "done": self.before + self.done,
            "failed": self.failed,
            "rows": self.rows,
            "rows_per_second": round(self.rows_per_second),
            "eta": None if self.eta is None else round(self.eta),
            "checked": self.checked,
            "symbols": symbols,
        }
