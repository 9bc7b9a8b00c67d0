"""Which coin each row of a bar file belongs to: tickers that changed hands, times that cannot be, series that break."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from engine.domain import Symbol, instant, micros
from engine.market.bar_columns import NO_TIME, FileColumns
from engine.market.bar_tables import said
from engine.market.names import split_joined
from engine.market.symbols import Absent, lives
from engine.ports import BarColumns, Piece, Rejected

FIRST_COIN = 1_230_940_800_000_000  # 2009-01-03: nothing traded before
BREAK = timedelta(days=1)  # a hole at least so long,
LEAP = 5.0  # over which the price changed so many times, is where another coin or another unit took the ticker


@dataclass(frozen=True, slots=True, eq=False)
class Life:
    """Rows of one coin in one file, by number and in order of time; or (no rows) what was not taken, and why.

    `first`, `last` are the opens of its bars in µs, `step` the most common distance between them (None: one bar).
    """

    name: str
    symbol: Symbol
    rows: np.ndarray
    first: int = 0
    last: int = 0
    step: timedelta | None = None
    code: str = ""
    count: int = 0
    fault: str = ""

    @property
    def renamed(self) -> bool:
        return bool(self.rows.size) and split_joined(self.name) != self.symbol


def lives_of(path: Path, columns: FileColumns, now: datetime) -> Iterator[Life]:
    """Every coin of a file, and what is left out of it."""
    order = _order(columns)
    ends = np.searchsorted(columns.code[order], np.arange(len(columns.names) + 1))
    for code, name in enumerate(columns.names):
        rows = order[ends[code] : ends[code + 1]]
        yield from _of_name(path.name, name, rows, columns, micros(now))


def _order(columns: FileColumns) -> np.ndarray:
    """The rows by symbol and time. Most files keep that order already, and sorting millions of rows takes seconds."""
    turns = np.diff(columns.code)
    if not (turns < 0).any() and not ((np.diff(columns.time) < 0) & (turns == 0)).any():
        return np.arange(columns.code.size)
    return np.lexsort((columns.time, columns.code))


def _of_name(file: str, name: str, rows: np.ndarray, columns: FileColumns, now: int) -> Iterator[Life]:
    pair, time = split_joined(name), columns.time[rows]
    if "/" not in pair or not pair.isprintable():
        yield _left_out(name, pair, "NOT_A_PAIR", len(rows), f"{file}: {name!r} is no pair of coins")
        return
    untimed, early, late = time == NO_TIME, (time < FIRST_COIN) & (time != NO_TIME), time > now
    for wrong, code, words in (
        (untimed, "NO_TIME", "have no time"),
        (early, "TIME_IMPOSSIBLE", "are from before there were coins"),
        (late, "FUTURE", "lie in the future"),
    ):
        if wrong.any():
            when = "" if code == "NO_TIME" else f", such as {said(time[wrong][-1])}"
            yield _left_out(
                name, pair, code, int(wrong.sum()), f"{file}: {int(wrong.sum())} bars of {name} {words}{when}"
            )
    rows = rows[~(untimed | early | late)]
    if rows.size:
        yield from _of_ticker(file, name, rows, columns)


def _of_ticker(file: str, name: str, rows: np.ndarray, columns: FileColumns) -> Iterator[Life]:
    """The coins that had one ticker, one after the other."""
    time = columns.time[rows]
    turns = lives("files", name, instant(int(time[0])), instant(int(time[-1])))
    starts = [int(np.searchsorted(time, micros(at))) for at, _ in turns] + [len(rows)]
    starts[0] = 0
    for (_, meant), begin, end in zip(turns, starts, starts[1:], strict=False):
        part = rows[begin:end]
        if not part.size:
            continue
        if isinstance(meant, Absent):
            yield _left_out(name, split_joined(name), meant.code, part.size, f"{file}: {meant.sentence}")
        else:
            yield from _unbroken(file, name, meant, part, columns)


def _unbroken(file: str, name: str, symbol: Symbol, rows: np.ndarray, columns: FileColumns) -> Iterator[Life]:
    """The series after its last break; what is before may be another coin's and is left out."""
    time, (opened, _, _, close, _) = columns.time[rows], columns.prices
    with np.errstate(all="ignore"):
        leap = np.abs(np.log(opened[rows[1:]] / close[rows[:-1]])) >= np.log(LEAP)
    hole = np.diff(time) >= BREAK // timedelta(microseconds=1)
    broken = np.flatnonzero(leap & hole & np.isfinite(leap))
    if broken.size:
        k = int(broken[-1])
        before, after = close[rows[k]], opened[rows[k + 1]]
        words = f"{before:g} at {said(time[k])} and {after:g} at {said(time[k + 1])}, with nothing between"
        sentence = (
            f"{file}: {name} is another coin or unit after a break ({words}); the {k + 1} bars before were left out"
        )
        yield _left_out(name, symbol, "REUSED_TICKER", k + 1, sentence)
        rows, time = rows[k + 1 :], time[k + 1 :]
    steps = np.diff(time)
    sizes, counts = np.unique(steps[steps > 0], return_counts=True)
    step = timedelta(microseconds=int(sizes[np.argmax(counts)])) if sizes.size else None
    yield Life(name, symbol, rows, int(time[0]), int(time[-1]), step)


def _left_out(name: str, symbol: Symbol, code: str, count: int, sentence: str) -> Life:
    return Life(name, symbol, np.empty(0, np.int64), code=code, count=count, fault=sentence)


def common_step(found: Sequence[Life]) -> timedelta | None:
    """How long most of a file's bars are."""
    steps = [life.step for life in found if life.step]
    return max(set(steps), key=steps.count) if steps else None


def minutes(span: timedelta) -> str:
    """How long bars are, in words."""
    return f"{span.total_seconds() / 60:g} min"


def spelled(span: timedelta) -> str:
    """How long bars are, as an option of the command line has it: `5m`, `1h`, `1d`."""
    whole = round(span.total_seconds() / 60)
    return f"{whole // 1440}d" if whole % 1440 == 0 else f"{whole // 60}h" if whole % 60 == 0 else f"{whole}m"


def of_interval(file: str, life: Life, interval: timedelta) -> Life:
    """The life itself, or what is left out when its bars cannot be of `interval`; a thin coin may skip some."""
    if life.step is None or not life.step % interval:
        return life
    sentence = f"{file}: bars of {life.name} are {minutes(life.step)} long, not {minutes(interval)}"
    return _left_out(life.name, life.symbol, "OTHER_INTERVAL", life.rows.size, sentence)


def rejections(found: Sequence[Life]) -> Iterator[Rejected]:
    """What of a file was not taken."""
    yield from (Rejected(life.symbol, life.code, life.count, life.fault) for life in found if life.code)


def columns_of_life(columns: FileColumns, life: Life, interval: timedelta, piece: Piece) -> BarColumns:
    """The bars of one coin that opened within a piece."""
    time = columns.time[life.rows]
    cut = slice(int(np.searchsorted(time, micros(piece.since))), int(np.searchsorted(time, micros(piece.until))))
    rows = life.rows[cut]
    extra = (None if column is None else column[rows] for column in (columns.vwap, columns.trades))
    width = interval // timedelta(microseconds=1)
    return BarColumns(life.symbol, interval, time[cut] + width, *(price[rows] for price in columns.prices), *extra)
