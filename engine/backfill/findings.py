"""What was seen in the answers of a source, as numbers that add up: of one piece, then of the whole job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.backfill.differences import Difference
from engine.domain import Symbol
from engine.ports import Rejected

NOTES_KEPT = 50
REFUSED_KEPT = 20_000  # times of a symbol in one piece: two weeks of minutes


@dataclass(slots=True)
class Findings:
    """Rejected rows by (symbol, code), with one sentence of each; duplicates; differences by (symbol, source).

    `refused`: when rejected bars opened (µs), by symbol.
    """

    rejected: dict[tuple[Symbol, str], tuple[int, str]] = field(default_factory=dict)
    duplicates: int = 0
    kept: int = 0  # bars of another source that stayed
    differences: dict[tuple[Symbol, str], Difference] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    refused: dict[Symbol, list[int]] = field(default_factory=dict)

    def reject(self, more: Iterable[Rejected]) -> None:
        for one in more:
            count, sentence = self.rejected.get((one.symbol, one.code), (0, one.sentence))
            self.rejected[one.symbol, one.code] = (count + one.count, sentence)
            if one.opened:
                times = self.refused.setdefault(one.symbol, [])
                times.extend(one.opened[: REFUSED_KEPT - len(times)])

    def note(self, sentence: str) -> None:
        if sentence and sentence not in self.notes and len(self.notes) < NOTES_KEPT:
            self.notes.append(sentence)

    def difference(self, symbol: Symbol, source: str) -> Difference:
        return self.differences.setdefault((symbol, source), Difference())

    def add(self, more: Findings) -> None:
        """Take in what another piece showed."""
        self.reject(Rejected(symbol, code, *told) for (symbol, code), told in more.rejected.items())
        self.duplicates += more.duplicates
        self.kept += more.kept
        for (symbol, source), difference in more.differences.items():
            self.difference(symbol, source).add(difference)
        for sentence in more.notes:
            self.note(sentence)

    def as_json(self) -> dict[str, Any]:
        """What the mark of a finished piece keeps; empty for a piece without anything to tell."""
        body: dict[str, Any] = {
            "rejected": [[*place, *told] for place, told in self.rejected.items()],
            "duplicates": self.duplicates,
            "kept": self.kept,
            "differences": [[*place, one.as_json()] for place, one in self.differences.items()],
            "notes": self.notes,
            "refused": self.refused,
        }
        return {name: value for name, value in body.items() if value}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Findings:
        return cls(
            {(symbol, code): (count, sentence) for symbol, code, count, sentence in body.get("rejected", ())},
            body.get("duplicates", 0),
            body.get("kept", 0),
            {(symbol, source): Difference.from_json(one) for symbol, source, one in body.get("differences", ())},
            list(body.get("notes", ())),
            {symbol: list(times) for symbol, times in body.get("refused", {}).items()},
        )
