"""Where the pieces go: the database, one transaction for a piece with its mark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import psycopg

from engine.backfill.checking import COLUMNS, checked
from engine.backfill.findings import Findings
from engine.backfill.gaps import Gap
from engine.backfill.report import Report
from engine.backfill.wanted import Wanted
from engine.domain import Symbol
from engine.ports import BarColumns, Fetched, Piece
from engine.store.bulk import write_bars
from engine.store.database import Connection, Database
from engine.store.errors import DatabaseDown, StoreError
from engine.store.history_gaps import COMPLETE, PastGap, complete_name, feed_name, replace_gaps
from engine.store.pieces import finish_piece, finished_pieces, pieces_of
from engine.store.reading import read_bars

_US = timedelta(microseconds=1)
_OTHERS = """
SELECT symbol, source, (extract(epoch FROM time) * 1000000)::bigint, close, volume FROM bars
WHERE market = %s AND symbol = ANY(%s) AND interval = %s AND time >= %s AND time < %s AND source <> %s
"""


class StoreKeeper:
    """A `Keeper` over PostgreSQL; every call is a connection of its own, so threads do not meet."""

    def __init__(self, database: Database, wanted: Wanted, source: str, now: Callable[[], datetime]) -> None:
        """`source`: the name that the bars carry in the store; `now`: no bar that closes later is kept."""
        self._database = database
        self._wanted = wanted
        self._source = source
        self._now = now
        self._job = " ".join([wanted.source, wanted.market])

    def finished(self) -> set[str]:
        with self._transaction() as connection:
            return finished_pieces(connection, self._job)

    def keep(self, piece: Piece, fetched: Fetched) -> Mapping[Symbol, int]:
        """Check and write one piece; what was wrong with it stands in its mark."""
        wanted, findings = self._wanted, Findings(duplicates=fetched.duplicates)
        findings.reject(fetched.rejected)
        findings.note(fetched.note)
        bars = [self._checked(part, piece, findings) for part in _joined(fetched.bars)]
        bars = [part for part in bars if len(part.time)]
        with self._transaction() as connection:
            self._compare(connection, piece, bars, findings)
            written = write_bars(
                connection, wanted.market, self._source, bars, keep_others=not wanted.replace, now=self._now()
            )
            mark, problems = wanted.mark(piece), findings.as_json()
            finish_piece(connection, self._job, mark, wanted.market, self._source, written, problems)
        return {part.symbol: len(part.time) for part in bars}

    def stored(self, symbol: Symbol) -> BarColumns:
        wanted = self._wanted
        return read_bars(self._database, wanted.market, symbol, wanted.interval, wanted.since, wanted.until)

    def note_gaps(self, symbols: Sequence[Symbol], gaps: Iterable[Gap]) -> None:
        wanted = self._wanted
        feed = feed_name(self._source, wanted.interval_name)
        told = [PastGap(gap.symbol, gap.start, gap.end, gap.cause) for gap in gaps]
        whole = [one for one in told if one.cause == COMPLETE]
        told = [one for one in told if one.cause != COMPLETE]
        with self._transaction() as connection:
            for name, stretches in ((feed, told), (complete_name(feed), whole)):
                replace_gaps(connection, wanted.market, name, symbols, wanted.since, wanted.until, stretches)

    def refused(self, marks: set[str]) -> Mapping[Symbol, Sequence[int]]:
        with self._transaction() as connection:
            done = [piece for piece in pieces_of(connection, self._job) if piece.key in marks]
        times: dict[Symbol, list[int]] = {}
        for piece in done:
            for symbol, opened in Findings.from_json(piece.problems).refused.items():
                times.setdefault(symbol, []).extend(opened)
        return times

    def add_up(self, report: Report, marks: set[str], before: set[str]) -> None:
        """Findings of the finished pieces among `marks`, whichever run finished them; rows of earlier runs apart."""
        with self._transaction() as connection:
            done = [piece for piece in pieces_of(connection, self._job) if piece.key in marks]
        report.findings = Findings()
        report.earlier = sum(piece.written.rows for piece in done if piece.key in before)
        for name in ("rows", "new", "revised", "same"):
            setattr(report, name, sum(getattr(piece.written, name) for piece in done if piece.key not in before))
        for piece in done:
            more = Findings.from_json(piece.problems)
            report.findings.add(replace(more, kept=piece.written.kept))

    def _checked(self, part: BarColumns, piece: Piece, findings: Findings) -> BarColumns:
        seen = checked(part, piece.since, piece.until, self._now())
        findings.reject(seen.rejected)
        findings.duplicates += seen.duplicates
        return seen.bars

    def _compare(self, connection: Connection, piece: Piece, bars: Sequence[BarColumns], findings: Findings) -> None:
        """Measure the bars against those that other sources gave, before anything of them changes."""
        names, wanted = [part.symbol for part in bars], self._wanted
        place = (wanted.market, names, wanted.interval_name, piece.since, piece.until, self._source)
        rows = connection.execute(_OTHERS, place).fetchall() if names else []
        for symbol, source in sorted({(row[0], row[1]) for row in rows}):
            part = next(one for one in bars if one.symbol == symbol)
            other = np.array([row[2:] for row in rows if row[:2] == (symbol, source)], float)
            _measure(findings, part, source, other)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """A connection whose loss is a `DatabaseDown`, like never having had it."""
        with self._database.connect() as connection:
            try:
                with connection.transaction():
                    yield connection
            except (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout) as error:
                raise DatabaseDown(f"{self._database.name} went away: {self._database.clean(error)}") from None
            except psycopg.Error as error:
                raise StoreError(f"{self._database.name} refused a write: {self._database.clean(error)}") from error


def _measure(findings: Findings, part: BarColumns, source: str, other: np.ndarray) -> None:
    opened = part.time - part.interval // _US
    _, ours, theirs = np.intersect1d(opened, other[:, 0].astype(np.int64), return_indices=True)
    if len(ours):
        volumes = float(part.volume[ours].sum()), float(other[theirs, 2].sum())
        difference = findings.difference(part.symbol, source)
        difference.see(opened[ours], part.close[ours], other[theirs, 1], *volumes)


def _joined(bars: Sequence[BarColumns]) -> list[BarColumns]:
    """Each symbol once: a source may give one in several parts."""
    parts: dict[Symbol, list[BarColumns]] = {}
    for one in bars:
        parts.setdefault(one.symbol, []).append(one)
    return [found[0] if len(found) == 1 else _together(found) for found in parts.values()]


def _together(parts: Sequence[BarColumns]) -> BarColumns:
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        found = [getattr(part, name) for part in parts]
        columns[name] = None if any(column is None for column in found) else np.concatenate(found)
    return BarColumns(symbol=parts[0].symbol, interval=parts[0].interval, **columns)
