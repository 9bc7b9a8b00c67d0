"""The experiment ledger: a row before every fit, so that the number of trials is the true one. Rows stay for good."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS experiments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    model TEXT NOT NULL,
    kind TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    status TEXT NOT NULL,
    dataset TEXT NOT NULL,
    code TEXT NOT NULL,
    parameters TEXT NOT NULL,
    figures TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE TRIGGER IF NOT EXISTS experiments_refuse_delete BEFORE DELETE ON experiments
    BEGIN SELECT RAISE(ABORT, 'an experiment that was made stays counted'); END;
CREATE TRIGGER IF NOT EXISTS experiments_refuse_update BEFORE UPDATE ON experiments
    WHEN OLD.ended_at IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'an experiment that has ended is never changed'); END;
"""
TRIAL, CANARY, FOLD = "trial", "canary", "fold"
TRIALS = (TRIAL,)
STARTED, DONE, FAILED = "started", "done", "failed"


@dataclass(frozen=True, slots=True)
class Experiment:
    """One fit. `kind`: a *trial* is one that a result was chosen from; canaries and folds are its controls."""

    id: int
    model: str
    kind: str
    started_at: datetime
    ended_at: datetime | None
    status: str
    dataset: str
    code: str
    parameters: Mapping[str, Any]
    figures: Mapping[str, Any]


class Experiments:
    """One SQLite file, written by whoever trains; two processes may. Call from any thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.executescript(_SCHEMA)
        self._lock = threading.Lock()

    def begin(self, model: str, kind: str, at: datetime, dataset: str, code: str, parameters: Mapping[str, Any]) -> int:
        """A row before the fit; returns its number. A process that dies leaves it *started*, and counted."""
        values = (model, kind, _said(at), STARTED, dataset, code, json.dumps(dict(parameters), sort_keys=True))
        names = "model, kind, started_at, status, dataset, code, parameters"
        with self._lock:
            done = self._connection.execute(f"INSERT INTO experiments ({names}) VALUES (?,?,?,?,?,?,?)", values)
        return int(done.lastrowid or 0)

    def end(self, number: int, status: str, at: datetime, figures: Mapping[str, Any]) -> None:
        """Write what came of it, once."""
        text = json.dumps(dict(figures), sort_keys=True)
        with self._lock:
            self._connection.execute(
                "UPDATE experiments SET status = ?, ended_at = ?, figures = ? WHERE id = ?",
                (status, _said(at), text, number),
            )

    def read(self, model: str | None = None, after: int = 0) -> list[Experiment]:
        """Rows in their order, those of one model or of all."""
        query = "SELECT * FROM experiments WHERE id > ? AND (? IS NULL OR model = ?) ORDER BY id"
        with self._lock:
            rows = self._connection.execute(query, (after, model, model)).fetchall()
        return [_row(row) for row in rows]

    def close(self) -> None:
        self._connection.close()


def code_hash() -> str:
    """16 hex digits of all sources of the engine: what a result was made with."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def opened(path: Path) -> Iterator[Experiments]:
    """The experiment ledger in the file `path`, made when absent."""
    experiments = Experiments(path)
    try:
        yield experiments
    finally:
        experiments.close()


def _said(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _row(row: tuple[Any, ...]) -> Experiment:
    number, model, kind, started, ended, status, dataset, code, parameters, figures = row
    end = datetime.fromisoformat(ended) if ended else None
    told = (json.loads(parameters), json.loads(figures))
    return Experiment(number, model, kind, datetime.fromisoformat(started), end, status, dataset, code, *told)
