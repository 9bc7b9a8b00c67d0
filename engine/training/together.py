"""All experiments of one user: the rows of every data folder in one file beside them, which stay when a folder goes.

A folder's own file is where a training writes and what its desk shows. Here the rows are kept once more, so that a copy
of a playbook under another name, in a folder of its own, does not begin to count anew.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.training.rows import Experiment, said

_SCHEMA = """
CREATE TABLE IF NOT EXISTS experiments (
    uid TEXT PRIMARY KEY,
    folder TEXT NOT NULL,
    playbook TEXT NOT NULL,
    id INTEGER NOT NULL,
    model TEXT NOT NULL,
    kind TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    status TEXT NOT NULL,
    dataset TEXT NOT NULL,
    code TEXT NOT NULL,
    parameters TEXT NOT NULL,
    figures TEXT NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS experiments_refuse_delete BEFORE DELETE ON experiments
    BEGIN SELECT RAISE(ABORT, 'an experiment that was made stays counted'); END;
"""
_NAMES = "uid, folder, playbook, id, model, kind, started_at, ended_at, status, dataset, code, parameters, figures"
_TAKE = f"""
INSERT INTO experiments ({_NAMES}) VALUES ({", ".join("?" * 13)}) ON CONFLICT (uid) DO UPDATE
SET ended_at = excluded.ended_at, status = excluded.status, figures = excluded.figures WHERE ended_at IS NULL
"""


class Together:
    """One SQLite file, written by every training of this user. Call from any thread."""

    def __init__(self, path: Path) -> None:
        """Raises `OSError` or `sqlite3.Error` where the file cannot be made or opened."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.executescript(_SCHEMA)
        self._lock = threading.Lock()

    def take(self, folder: Path, rows: Iterable[Experiment]) -> None:
        """Keep these rows of the data folder, all or none; one that has ended here stays as it is.

        Raises `sqlite3.Error`.
        """
        values = [_values(folder, one) for one in rows]
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(_TAKE, values)
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def read(self) -> list[Experiment]:
        """All rows of all folders, in the order of their beginning. Raises `sqlite3.Error`."""
        query = f"SELECT {_NAMES} FROM experiments ORDER BY started_at, id"
        with self._lock:
            rows = self._connection.execute(query).fetchall()
        return [_row(row) for row in rows]

    def close(self) -> None:
        self._connection.close()


def _values(folder: Path, one: Experiment) -> tuple[Any, ...]:
    ended = said(one.ended_at) if one.ended_at else None
    when = (one.id, one.model, one.kind, said(one.started_at), ended, one.status, one.dataset, one.code)
    playbook = one.parameters.get("playbook", "")
    return (one.uid, str(folder), playbook, *when, json.dumps(dict(one.parameters)), json.dumps(dict(one.figures)))


def _row(row: tuple[Any, ...]) -> Experiment:
    uid, _, _, number, model, kind, started, ended, status, dataset, code, parameters, figures = row
    times = (datetime.fromisoformat(started), datetime.fromisoformat(ended) if ended else None)
    return Experiment(
        number, model, kind, *times, status, dataset, code, json.loads(parameters), json.loads(figures), uid
    )
