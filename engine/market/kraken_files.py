"""Kraken's downloadable OHLCVT history: `XBTUSD_1.csv` and its like, in a folder or in the zip as it comes."""

from __future__ import annotations

import asyncio
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from engine.clock import Clock
from engine.domain import Symbol, instant, micros
from engine.market.bar_tables import said
from engine.market.errors import BarsError, MarketError
from engine.market.file_lives import FIRST_COIN
from engine.market.row_checks import NUMBERS_MOST, micros_of_floats
from engine.market.spans import spans, written
from engine.market.symbols import Absent, find, listing
from engine.ports import BarColumns, Fetched, Listing, Piece, Rejected

SOURCE = "kraken-csv"
COLUMNS = ("time", "open", "high", "low", "close", "volume", "trades")
YEAR = timedelta(days=365)
_NAMED = re.compile(r"^([A-Za-z0-9.]+)_(\d+)\.csv$")
# What a damaged or locked archive comes to: zipfile says RuntimeError of a password and of a method it does not know.
_PACKED = (OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, KeyError)


@dataclass(frozen=True, slots=True)
class Member:
    """One CSV file: in a folder (`archive` None), or in a zip."""

    name: str
    path: Path
    archive: Path | None = None
    size: int = 0

    def read(self, most: int = -1) -> bytes:
        """Its first `most` bytes (−1: all). Raises `BarsError` when it is cut short or damaged."""
        try:
            if self.archive is None:
                with self.path.open("rb") as file:
                    return file.read(most)
            with zipfile.ZipFile(self.archive) as archive, archive.open(str(self.path)) as file:
                return file.read(most)
        except _PACKED as error:
            raise BarsError(f"{self.archive or self.path}: {self.name} cannot be unpacked: {error}") from error


class KrakenFiles:
    """Implements `History`: a piece is one symbol's year. `refused` says why a symbol is absent."""

    name = SOURCE
    at_once = 1  # a file is read whole and kept for its next piece

    def __init__(self, path: Path, clock: Clock, interval: timedelta) -> None:
        """Raises `MarketError` when there is no such folder, zip or file, or it holds nothing of this interval."""
        self.refused: dict[Symbol, str] = {}
        self._path = path.expanduser()
        self._clock = clock
        self._interval = interval
        self._members = _members(self._path, int(interval.total_seconds()) // 60)
        self._open: tuple[Symbol, BarColumns, tuple[Rejected, ...], str] | None = None

    async def prepare(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Listing]:
        """What the files hold of `symbols` (none named: everything), each from its first bar."""
        wanted = [symbol for symbol in symbols or sorted(self._members) if symbol in self._members]
        self.refused = {symbol: self._why_not(symbol) for symbol in symbols if symbol not in self._members}
        return {symbol: await asyncio.to_thread(self._listing, symbol) for symbol in wanted}

    def pieces(self, symbols: Sequence[Symbol], since: datetime, until: datetime) -> Sequence[Piece]:
        """A symbol's years one after the other. A file that has changed gives other pieces."""
        return [
            Piece(f"{SOURCE} {symbol} {_content(self._members[symbol])} {written(begin, stop)}", (symbol,), begin, stop)
            for symbol in symbols
            if symbol in self._members
            for begin, stop in spans(since, min(until, self._clock.now()), YEAR)
        ]

    async def fetch(self, piece: Piece) -> Fetched:
        (symbol,) = piece.symbols
        if symbol not in self._members:
            raise MarketError(f"{symbol} is {self._why_not(symbol)}")
        return await asyncio.to_thread(self._read, symbol, piece)

    async def close(self) -> None:
        self._open = None

    # ------------------------------------------------------------ reading

    def _listing(self, symbol: Symbol) -> Listing:
        members = self._members[symbol]
        known = replace(listing(SOURCE, symbol), source_name=" and ".join(member.name for member in members))
        firsts = [first for member in members if (first := _first(member, micros(self._clock.now())))]
        return replace(known, first=min(firsts)) if firsts else known

    def _why_not(self, symbol: Symbol) -> str:
        base = symbol.partition("/")[0]
        alike = sorted(other for other in self._members if other.partition("/")[0] == base)
        return f"not in {self._path.name}" + (f"; it has {', '.join(alike)}" if alike else "")

    def _read(self, symbol: Symbol, piece: Piece) -> Fetched:
        fresh = self._open is None or self._open[0] != symbol
        if fresh:
            self._open = None
            self._open = (symbol, *_whole(symbol, self._members[symbol], self._interval, micros(self._clock.now())))
        assert self._open is not None
        _, bars, rejected, note = self._open
        width = self._interval // timedelta(microseconds=1)
        first, last = np.searchsorted(bars.time, (micros(piece.since) + width, micros(piece.until) + width))
        cut = slice(int(first), int(last))
        names = ("time", "open", "high", "low", "close", "volume", "trades")
        mine = replace(bars, **{name: getattr(bars, name)[cut] for name in names})
        return Fetched((mine,), rejected if fresh else (), note=note if fresh else "")


def _members(path: Path, minutes: int) -> dict[Symbol, tuple[Member, ...]]:
    """Symbol → its files of this interval, an older name's first."""
    if path.is_dir():
        files = (file for file in sorted(path.rglob("*.csv")) if file.is_file())
        every = [Member(file.name, file, size=file.stat().st_size) for file in files]
    elif path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)):
        every = _packed(path)
    elif path.is_file():
        every = [Member(path.name, path, size=path.stat().st_size)]
    else:
        raise MarketError(f"there is no folder or zip {path}; Kraken's support pages offer its OHLCVT history")
    found: dict[Symbol, tuple[Member, ...]] = {}
    for member in sorted(every, key=lambda member: member.name):
        named = _NAMED.match(member.name)
        if named is None or int(named[2]) != minutes:
            continue
        symbol = find(SOURCE, named[1])
        if not isinstance(symbol, Absent):
            found[symbol] = (*found.get(symbol, ()), member)
    if not found:
        raise MarketError(f"{path} has no file like XBTUSD_{minutes}.csv (bars of {minutes} min)")
    return found


def _packed(path: Path) -> list[Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [Member(Path(i.filename).name, Path(i.filename), path, i.CRC) for i in archive.infolist()]
    except _PACKED as error:
        raise BarsError(f"{path} is no whole zip ({error}); fetch it again") from error


def _content(members: Sequence[Member]) -> str:
    return "-".join(str(member.size) for member in members)


def _first(member: Member, now: int) -> datetime | None:
    """When its first bar opened; None where the file does not say: its pieces tell what is wrong with it."""
    try:
        field = member.read(64).partition(b",")[0]
    except BarsError:
        return None
    number = np.array([float(field) if field.isdigit() else 0.0])
    if number[0] >= NUMBERS_MOST:
        return None
    opened = int(micros_of_floats(number)[0][0])
    return instant(opened) if FIRST_COIN <= opened <= now else None


def _whole(
    symbol: Symbol, members: Sequence[Member], interval: timedelta, now: int
) -> tuple[BarColumns, tuple[Rejected, ...], str]:
    """Every bar of a symbol, in order of time. Raises `BarsError` for a file that cannot be read as a whole."""
    tables, rejected, notes = [], list[Rejected](), []
    for member in members:
        table, broken, units = _table(member)
        if broken:
            rejected.append(Rejected(symbol, "MALFORMED", broken, f"{member.name}: lines that are no bars"))
        rejected += _untimely(symbol, member, table[:, 0], now)
        tables.append(table[(table[:, 0] >= FIRST_COIN) & (table[:, 0] <= now)])
        if len(units) > 1:
            notes.append(f"{member.name} mixes times in {' and '.join(units)}: each was read by its own size.")
    whole = np.concatenate(tables)
    whole = whole[np.argsort(whole[:, 0], kind="stable")]
    opened, high, low, close, volume, trades = (np.ascontiguousarray(whole[:, k]) for k in range(1, 7))
    closed = whole[:, 0].astype(np.int64) + interval // timedelta(microseconds=1)
    bars = BarColumns(symbol, interval, closed, opened, high, low, close, volume, trades=trades)
    return bars, tuple(rejected), " ".join(notes)


def _untimely(symbol: Symbol, member: Member, opened: np.ndarray, now: int) -> Iterator[Rejected]:
    """What opened at a time that no bar can have: no piece asks for it, so it is named here."""
    for wrong, code, words in (
        (opened < FIRST_COIN, "TIME_IMPOSSIBLE", "are from before there were coins"),
        (opened > now, "FUTURE", "lie in the future"),
    ):
        count = int(wrong.sum())
        if count:
            sentence = f"{member.name}: {count} bars of {symbol} {words}, such as {said(opened[wrong][-1])}"
            yield Rejected(symbol, code, count, sentence)


def _table(member: Member) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """(n, 7) float64 with the open time in µs; how many lines were none; the units that the times are in."""
    broken = 0

    def leave_out(row: object) -> str:
        nonlocal broken
        broken += 1
        return "skip"

    try:
        table = pyarrow.csv.read_csv(
            io.BytesIO(member.read()),
            pyarrow.csv.ReadOptions(column_names=list(COLUMNS)),
            pyarrow.csv.ParseOptions(invalid_row_handler=leave_out),
        )
        whole = np.column_stack([column.cast(pa.float64(), safe=False).to_numpy() for column in table.columns])
    except pa.ArrowException as error:
        why = str(error).splitlines()[0]
        raise BarsError(f"{member.name} is no OHLCVT file ({', '.join(COLUMNS)}, without a header): {why}") from error
    if not len(whole):
        raise BarsError(
            f"{member.name} is no OHLCVT file ({', '.join(COLUMNS)}, without a header): it has no such line"
        )
    known = np.abs(whole[:, 0]) < NUMBERS_MOST
    times, units = micros_of_floats(whole[known, 0])
    whole = whole[known]
    whole[:, 0] = times
    return whole, broken + int((~known).sum()), units
