"""Finished pieces of a backfill: marked in the transaction that writes their rows, so a kill leaves none half-done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from engine.store.database import Connection


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the bars that were offered. `rows` is the sum of the rest."""

    rows: int = 0
    new: int = 0
    revised: int = 0  # differed from what was stored, and are a new revision now
    same: int = 0  # were stored already
    kept: int = 0  # stood back: another source's bar was to stay, or minutes say what the longer bar is

    def plus(self, other: Written) -> Written:
        """Both together."""
        names = ("rows", "new", "revised", "same", "kept")
        return Written(*(getattr(self, name) + getattr(other, name) for name in names))


@dataclass(frozen=True, slots=True)
class FinishedPiece:
    """A piece of a job as it was marked."""

    key: str
    market: str
    source: str
    written: Written
    problems: Mapping[str, Any]
    finished_at: datetime


_FINISH = """
INSERT INTO backfill_pieces (job, key, market, source, rows, new, revised, same, kept, problems, finished_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp())
ON CONFLICT (job, key) DO UPDATE SET market = excluded.market, source = excluded.source, rows = excluded.rows,
    new = excluded.new, revised = excluded.revised, same = excluded.same, kept = excluded.kept,
    problems = excluded.problems, finished_at = excluded.finished_at
"""


def finish_piece(
    connection: Connection,
    job: str,
    key: str,
    market: str,
    source: str,
    written: Written,
    problems: Mapping[str, Any] | None = None,
) -> None:
    """Mark a piece of `job` as done, in the running transaction; `problems` is anything that JSON can hold."""
    counts = (written.rows, written.new, written.revised, written.same, written.kept)
    connection.execute(_FINISH, (job, key, market, source, *counts, Jsonb(dict(problems or {}))))


def finished_pieces(connection: Connection, job: str) -> set[str]:
    """The keys of the pieces of `job` that are done."""
    rows = connection.execute("SELECT key FROM backfill_pieces WHERE job = %s", (job,)).fetchall()
    return {key for (key,) in rows}


def is_finished(connection: Connection, job: str, key: str) -> bool:
    """Whether one piece of `job` is done."""
    sql = "SELECT EXISTS (SELECT 1 FROM backfill_pieces WHERE job = %s AND key = %s)"
    return connection.execute(sql, (job, key)).fetchone() == (True,)


def pieces_of(connection: Connection, job: str) -> list[FinishedPiece]:
    """All finished pieces of `job` with what became of them, in the order in which they were done."""
    sql = """
    SELECT key, market, source, problems, finished_at, rows, new, revised, same, kept FROM backfill_pieces
    WHERE job = %s ORDER BY finished_at, key
    """
    rows = connection.execute(sql, (job,)).fetchall()
    return [
        FinishedPiece(key, market, source, Written(*counts), problems, at)
        for key, market, source, problems, at, *counts in rows
    ]
