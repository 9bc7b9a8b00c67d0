"""What a data folder was born as, and where its ledger ends, read without starting anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine import checkpoint
from engine.domain import Symbol
from engine.messages import Born, FeedChanged, Minute, ModelPressed, ModelTrained
from engine.outcomes import ModelChanged, PositionClosed, PositionOpened
from engine.records import Record
from engine.store.folder import BACKFILL_LOCK
from engine.store.ledger import count_rows, newest_records, read_records

FILE = "ledger.sqlite"
CHECKPOINT = "checkpoint"
_TAIL_ROWS = 500
_CHANGING = (ModelTrained.__name__, ModelPressed.__name__)  # what can make another version the champion


def birth(data: Path) -> Born | None:
    """The ledger's first message; None when there is none yet."""
    if not (data / FILE).exists():
        return None
    first = next(read_records(data / FILE), None)
    return first.message if first and isinstance(first.message, Born) else None


def keeps_live_history(data: Path) -> bool:
    """Whether a backfill worked on the folder: what is stored there is of the live market."""
    return (data / BACKFILL_LOCK).exists()


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


def last_feed(data: Path) -> str:
    """The feed that was last up in `data`; "" where none ever was. Raises `LedgerError`."""
    if not (data / FILE).exists():
        return ""
    changes = (record.message for record in newest_records(data / FILE, FeedChanged.__name__))
    return next((one.feed for one in changes if isinstance(one, FeedChanged) and one.up and not one.symbols), "")


def champion_of(data: Path, model: str) -> str:
    """The version of `model` that the desk in `data` forecasts with; "" for none. Raises `LedgerError`."""
    if not (data / FILE).exists():
        return ""
    latest = [next(_changes(data / FILE, kind, model), None) for kind in _CHANGING]
    return max((one for one in latest if one is not None), default=(0, ""))[1]


def _changes(path: Path, kind: str, model: str) -> Iterator[tuple[int, str]]:
    """Row and champion of every change of `model` that a message of `kind` brought, the newest first."""
    for record in newest_records(path, kind):
        changes = [one for one in record.outcomes if isinstance(one, ModelChanged) and one.model == model]
        if changes:
            yield record.seq, changes[-1].champion


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
