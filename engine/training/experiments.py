"""The experiment ledger: a row before every fit, so that the number of trials is the true one. Rows stay for good."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from engine.training.rows import BACKTEST, CANARY, DONE, FAILED, FOLD, STARTED, TRIAL, Experiment, said
from engine.training.together import Together

_log = logging.getLogger(__name__)

__all__ = [
    "BACKTEST",
    "CANARY",
    "DONE",
    "FAILED",
    "FOLD",
    "STARTED",
    "TRIAL",
    "Experiment",
    "Experiments",
    "code_hash",
    "opened",
]

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
    figures TEXT NOT NULL DEFAULT '{}',
    uid TEXT
) STRICT;
CREATE TRIGGER IF NOT EXISTS experiments_refuse_delete BEFORE DELETE ON experiments
    BEGIN SELECT RAISE(ABORT, 'an experiment that was made stays counted'); END;
CREATE TRIGGER IF NOT EXISTS experiments_refuse_update BEFORE UPDATE ON experiments
    WHEN OLD.ended_at IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'an experiment that has ended is never changed'); END;
"""
_NAMES = "id, model, kind, started_at, ended_at, status, dataset, code, parameters, figures, uid"


class Experiments:
    """One SQLite file of a data folder, written by whoever trains; two processes may. Call from any thread."""

    def __init__(self, path: Path, together: Path | None = None) -> None:
        """`together`: the file in which the experiments of all folders are kept once more (None: this folder alone).

        A fault of that file ends no training: it is said once, the file is let be, and the next opening makes it good.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.executescript(_SCHEMA)
        if "uid" not in [column[1] for column in self._connection.execute("PRAGMA table_info(experiments)")]:
            self._connection.execute("ALTER TABLE experiments ADD COLUMN uid TEXT")
        self._lock = threading.Lock()
        self._folder, self._alone = path.parent.resolve(), False
        self._together = self._opened(together) if together else None
        self._share(0)

    def begin(self, model: str, kind: str, at: datetime, dataset: str, code: str, parameters: Mapping[str, Any]) -> int:
        """A row before the fit; returns its number. A process that dies leaves it *started*, and counted."""
        values = (model, kind, said(at), STARTED, dataset, code, json.dumps(dict(parameters), sort_keys=True))
        names = "model, kind, started_at, status, dataset, code, parameters, uid"
        with self._lock:
            done = self._connection.execute(
                f"INSERT INTO experiments ({names}) VALUES (?,?,?,?,?,?,?,?)", (*values, uuid4().hex)
            )
        number = int(done.lastrowid or 0)
        self._share(number - 1)
        return number

    def end(self, number: int, status: str, at: datetime, figures: Mapping[str, Any]) -> None:
        """Write what came of it, once."""
        text = json.dumps(dict(figures), sort_keys=True)
        with self._lock:
            self._connection.execute(
                "UPDATE experiments SET status = ?, ended_at = ?, figures = ? WHERE id = ?",
                (status, said(at), text, number),
            )
        self._share(number - 1)

    def read(self, model: str | None = None, after: int = 0) -> list[Experiment]:
        """Rows in their order, those of one model or of all."""
        query = f"SELECT {_NAMES} FROM experiments WHERE id > ? AND (? IS NULL OR model = ?) ORDER BY id"
        with self._lock:
            rows = self._connection.execute(query, (after, model, model)).fetchall()
        return [self._row(row) for row in rows]

    def known(self) -> list[Experiment]:
        """The rows of this folder, and those of all others that say which bars they are of."""
        mine = self.read()
        seen = {one.uid for one in mine}
        others = self._others()
        return [one for one in others if one.uid not in seen and "label" in one.parameters] + mine

    def close(self) -> None:
        self._connection.close()
        if self._together:
            self._together.close()

    def _share(self, after: int) -> None:
        if self._together and not self._alone:
            try:
                self._together.take(self._folder, self.read(after=after))
            except sqlite3.Error as error:
                self._let_be(error)

    def _others(self) -> list[Experiment]:
        """What other folders have; also of a file that can be read and not written."""
        try:
            return self._together.read() if self._together else []
        except sqlite3.Error as error:
            self._let_be(error)
            return []

    def _opened(self, path: Path) -> Together | None:
        try:
            return Together(path)
        except (OSError, sqlite3.Error) as error:
            self._let_be(error)
            return None

    def _let_be(self, error: OSError | sqlite3.Error) -> None:
        """Write no more into the shared file: one that is locked would cost its wait at every fit."""
        if not self._alone:
            _log.warning(
                "the experiments of all folders cannot be kept together (%s): this training goes on with its own "
                "folder's, and the next one writes what is missing there",
                error,
            )
        self._alone = True

    def _row(self, row: tuple[Any, ...]) -> Experiment:
        number, model, kind, started, ended, status, dataset, code, parameters, figures, uid = row
        times = (datetime.fromisoformat(started), datetime.fromisoformat(ended) if ended else None)
        told = (json.loads(parameters), json.loads(figures))
        return Experiment(number, model, kind, *times, status, dataset, code, *told, uid or f"{self._folder} {number}")


def code_hash() -> str:
    """16 hex digits of all sources of the engine: what a result was made with."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def opened(path: Path, together: Path | None = None) -> Iterator[Experiments]:
    """The experiment ledger in the file `path`, made when absent; `together` as in `Experiments`."""
    experiments = Experiments(path, together)
    try:
        yield experiments
    finally:
        experiments.close()
