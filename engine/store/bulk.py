"""History into the database, much at once: what is stored already stays as it is, what differs is a new revision.

What is stored is read first and compared here, so that equal bars cost a reading and no write; new bars go in by COPY,
straight into their month's partition. Longer bars are made again from the minutes for exactly what changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from engine.clock import SystemClock
from engine.domain import instant, micros
from engine.ports import BarColumns
from engine.store.arrays import Stretch, read_rows
from engine.store.bar_rows import GOOD, OURS, PRICES, QUALITIES, QUIET, ROW, BarRows
from engine.store.bars import INTERVALS, floor
from engine.store.comparing import Changes, compare, compare_rolled, merged
from engine.store.database import Connection
from engine.store.partitions import ensure_months, months_between
from engine.store.pieces import Written
from engine.store.putting import put
from engine.store.rolling import MINUTE_US, roll
from engine.store.stamps import lock_months

_DAY = timedelta(days=1)
_US = timedelta(microseconds=1)
# A writer that hangs with its transaction open (a stopped process, a lost path) must not keep the desk waiting.
_IDLE_MOST = "5min"


@dataclass(frozen=True, slots=True)
class _Task:
    market: str
    source: str
    keep_others: bool
    closed_by: int  # µs: longer bars that end later have not closed


@dataclass(slots=True)
class _Outcome:
    new: list[BarRows] = field(default_factory=list)
    revised: list[BarRows] = field(default_factory=list)
    written: Written = field(default_factory=Written)

    def take(self, symbol: str, interval: str, changes: Changes) -> None:
        for rows, into in ((changes.new, self.new), (changes.revised, self.revised)):
            if len(rows):
                into.append(BarRows(symbol, interval, rows))


def write_bars(
    connection: Connection,
    market: str,
    source: str,
    columns: Sequence[BarColumns],
    quality: str = "good",
    *,
    keep_others: bool = False,
    now: datetime | None = None,
) -> Written:
    """Write bars of the past in the running transaction (an autocommitting connection gets one for it).

    Each symbol and interval comes once. Idempotent: a stored bar with the same prices and volume keeps its quality; one
    that differs becomes a new revision with this `source` and `quality` ("good" is "quiet" where nothing was traded),
    unless `keep_others` and another source gave it. Longer bars that had closed by `now` (default: the wall clock)
    follow the minutes; one that is offered where minutes made one stands back. Call it once in a transaction: writers
    wait for each other by month.

    Raises `ValueError` for bars that are out of order, off their interval's grid or no numbers.
    """
    closed_by = micros(SystemClock().now() if now is None else now)
    task = _Task(market, source, keep_others, closed_by)
    offered = _offered(columns, QUALITIES.index(quality))
    if not offered:
        return Written()
    with connection.transaction() if connection.autocommit else nullcontext():
        bounds = [_bounds(part.rows) for part in offered]
        months = {month for since, until in bounds for month in months_between(since, until)}
        connection.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, true)", (_IDLE_MOST,))
        ensure_months(connection, months)
        lock_months(connection, market, {part.symbol for part in offered}, months)
        written = Written()
        for interval in INTERVALS:  # minutes first: they decide what a longer bar is
            if parts := [part for part in offered if part.interval == interval]:
                outcome = _compared(connection, task, interval, parts)
                put(connection, market, source, outcome.new, outcome.revised)
                written = written.plus(outcome.written)
    return written


def _compared(connection: Connection, task: _Task, interval: str, offered: Sequence[BarRows]) -> _Outcome:
    """What is to be written of bars of one interval, and of the longer bars when they are minutes."""
    outcome = _Outcome()
    rolled: dict[str, list[BarRows]] = defaultdict(list)
    stored = _stored(connection, task, interval, offered)
    for part in offered:
        known = stored[part.symbol]
        changes, written = compare(part.rows, known, task.keep_others)
        outcome.written = outcome.written.plus(written)
        outcome.take(part.symbol, interval, changes)
        if interval == "1m" and len(changes.all):
            for longer in _longer(task, part.symbol, merged(known, changes), changes.all["time"]):
                rolled[longer.interval].append(longer)
    for name, parts in rolled.items():
        stored = _stored(connection, task, name, parts)
        for part in parts:
            outcome.take(part.symbol, name, compare_rolled(part.rows, stored[part.symbol]))
    return outcome


def _stored(connection: Connection, task: _Task, interval: str, parts: Sequence[BarRows]) -> Mapping[str, np.ndarray]:
    """What is stored of these symbols in the days that the parts touch."""
    bounds = [_bounds(part.rows) for part in parts]
    since, until = min(since for since, _ in bounds), max(until for _, until in bounds)
    stretch = Stretch(task.market, interval, since, until)
    return read_rows(connection, stretch, sorted({part.symbol for part in parts}), task.source)


def _longer(task: _Task, symbol: str, minutes: np.ndarray, changed: np.ndarray) -> list[BarRows]:
    """The longer bars, closed by now, of the minutes that changed; `minutes` are all of their days."""
    found = []
    for interval, span in list(INTERVALS.items())[1:]:
        width = span // _US
        rows = roll(minutes, width // MINUTE_US)
        touched = np.isin(rows["time"], changed // width * width) & (rows["time"] + width <= task.closed_by)
        if touched.any():
            found.append(BarRows(symbol, interval, rows[touched]))
    return found


def _bounds(rows: np.ndarray) -> tuple[datetime, datetime]:
    """The days that rows touch, as [since, until)."""
    first, last = instant(int(rows["time"][0])), instant(int(rows["time"][-1]))
    return floor(first, _DAY), floor(last, _DAY) + _DAY


def _offered(columns: Sequence[BarColumns], quality: int) -> list[BarRows]:
    parts = [_rows_of(one, quality) for one in columns if len(one.time)]
    names = [(part.symbol, part.interval) for part in parts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"bars of {twice[0]} ({twice[1]}) come twice in one call; put them together first")
    return parts


def _rows_of(columns: BarColumns, quality: int) -> BarRows:
    interval = next((name for name, span in INTERVALS.items() if span == columns.interval), None)
    if interval is None:
        raise ValueError(f"bars of {columns.interval} are not kept; there are {', '.join(INTERVALS)}")
    rows = np.zeros(len(columns.time), ROW)
    rows["time"] = columns.time - columns.interval // _US
    for name in PRICES:
        rows[name] = getattr(columns, name)
    rows["volume"] += 0.0  # no negative zero
    for name in ("vwap", "trades"):
        values = getattr(columns, name)
        rows[name] = np.nan if values is None else values
    flat = (rows["volume"] == 0) & (rows["high"] == rows["low"])
    rows["quality"] = np.where(flat & (quality == GOOD), QUIET, quality)
    rows["source"] = OURS
    _check(columns, rows)
    return BarRows(columns.symbol, interval, rows)


def _check(columns: BarColumns, rows: np.ndarray) -> None:
    wrong = np.zeros(len(rows), bool)
    for name in PRICES:
        wrong |= ~np.isfinite(rows[name])
    wrong |= rows["time"] % (columns.interval // _US) != 0
    wrong[1:] |= np.diff(rows["time"]) <= 0
    wrong |= (rows["trades"] % 1 != 0) & ~np.isnan(rows["trades"])
    if wrong.any():
        at = instant(int(columns.time[int(wrong.argmax())]))
        raise ValueError(
            f"the {columns.symbol} bar that closes at {at:%Y-%m-%d %H:%M:%S.%f} cannot be stored: bars are in order, on"
            f" the grid of their interval ({columns.interval}), and have numbers as prices and whole trades"
        )
