"""What a data folder was born as, and where its ledger ends, read without starting anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine import checkpoint
from engine.domain import MarketKind, Symbol
from engine.messages import Born, Minute, ModelPressed, ModelTrained
from engine.outcomes import ModelChanged, PositionClosed, PositionOpened
from engine.records import Record
from engine.store.ledger import count_rows, read_records, read_rows, record_of

FILE = "ledger.sqlite"
CHECKPOINT = "checkpoint"
_TAIL_ROWS = 500
_CHANGING = (ModelTrained.__name__, ModelPressed.__name__)  # what can make another version the champion


def born_as(data: Path) -> tuple[MarketKind, str] | None:
    """Kind of market and playbook of the ledger in `data`; None when it has none yet. Raises `LedgerError`."""
    born = birth(data)
    return (born.kind, born.playbook) if born else None


def birth(data: Path) -> Born | None:
    """The ledger's first message; None when there is none yet."""
    if not (data / FILE).exists():
        return None
    first = next(read_records(data / FILE), None)
    return first.message if first and isinstance(first.message, Born) else None


def last_state(data: Path) -> tuple[datetime | None, Mapping[Symbol, float]]:
    """The ledger's last instant and the last closes in it: where a simulated or replayed market goes on."""
    if not (data / FILE).exists():
        return None, {}
    last: datetime | None = None
    closes: dict[Symbol, float] = {}
    for record in read_records(data / FILE, after=max(0, count_rows(data / FILE) - _TAIL_ROWS)):
        last = record.at if last is None else max(last, record.at)
        if isinstance(record.message, Minute):
            closes |= dict(zip(record.message.symbols, record.message.close, strict=True))
    return last, closes


def champion_of(data: Path, model: str) -> str:
    """The version of `model` that the desk in `data` forecasts with; "" for none. Raises `LedgerError`."""
    if not (data / FILE).exists():
        return ""
    champion = ""
    for row in read_rows(data / FILE):
        if row.kind in _CHANGING:
            changes = [one for one in record_of(row).outcomes if isinstance(one, ModelChanged) and one.model == model]
            champion = changes[-1].champion if changes else champion
    return champion


def held_symbols(data: Path) -> tuple[Symbol, ...]:
    """Symbols of the positions that the ledger in `data` left open. Reads from the checkpoint on, judging nothing."""
    if not (data / FILE).exists():
        return ()
    ledger = _Rows(data / FILE)
    known = checkpoint.read(data / CHECKPOINT, ledger)
    held = known.held() if known else {}
    for record in ledger.read(after=known.row[0] if known else 0):
        for outcome in record.outcomes:
            if isinstance(outcome, PositionOpened):
                held[outcome.position.trade_id] = outcome.position.symbol
            elif isinstance(outcome, PositionClosed):
                held.pop(outcome.trade.trade_id, None)
    return tuple(dict.fromkeys(held.values()))


@dataclass(frozen=True, slots=True)
class _Rows:
    path: Path

    def read(self, after: int = 0) -> Iterator[Record]:
        return read_records(self.path, after)
