"""Files of bars as a source of history: every file on its own, so that a broken one costs nothing but itself."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from engine.clock import Clock
from engine.domain import Symbol, instant
from engine.market.bar_columns import FileColumns, read_columns
from engine.market.errors import BarsError, MarketError
from engine.market.file_lives import (
    Life,
    columns_of_life,
    common_step,
    lives_of,
    minutes,
    of_interval,
    rejections,
    spelled,
)
from engine.market.spans import spans, written
from engine.ports import Fetched, Listing, Piece

KINDS = ("*.parquet", "*.csv", "*.csv.gz", "*.csv.zst")
ROWS_IN_PIECE = 2_000_000
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class FileFound:
    """What a look into one file showed; `fault` says why nothing can be taken from it."""

    path: Path
    mark: str  # of its content, or of its path when nothing can be taken from it
    lives: tuple[Life, ...] = ()
    notes: tuple[str, ...] = ()
    fault: str = ""
    width: timedelta = DAY  # of a piece

    @property
    def symbols(self) -> frozenset[Symbol]:
        return frozenset(life.symbol for life in self.lives)


class BarFiles:
    """Implements `History` over a file, a folder of files at any depth, or several joined by commas.

    A piece is a stretch of one file with all of its symbols, for holes that they share to be seen. A file that cannot
    be read is a piece without symbols, whose fetch says why. `refused` says why a symbol is absent.
    """

    name = "files"
    at_once = 1  # reading is bound by the processor, and a file's rows are kept for its next piece

    def __init__(self, path: str | Path, clock: Clock, interval: timedelta) -> None:
        """Raises `MarketError` when there is no such file or folder, or none of bars in it."""
        self.refused: dict[Symbol, str] = {}
        self.alike: list[Symbol] = []  # what the files have of refused coins, in other money
        self._clock = clock
        self._interval = interval
        self._paths = list(dict.fromkeys(file for part in str(path).split(",") for file in _files(Path(part))))
        self._found: dict[str, FileFound] = {}
        self._open: tuple[Path, FileColumns] | None = None
        self._told: set[str] = set()  # what is wrong with a file as a whole is said once

    async def prepare(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Listing]:
        """What the files hold of `symbols` (none named: everything), from its first bar to its last."""
        looked = [await asyncio.to_thread(self._look, path) for path in self._paths]
        self._found = {file.mark: file for file in looked}
        good = [file for file in looked if not file.fault]
        if not good:
            raise MarketError("; ".join(file.fault for file in looked[:3]))
        lives = [life for file in good for life in file.lives]
        every = {life.symbol for life in lives if life.rows.size}
        left_out = {life.symbol: life.fault for life in lives if not life.rows.size}
        self.refused = {
            symbol: left_out.get(symbol) or self._why_not(symbol, every) for symbol in symbols if symbol not in every
        }
        self.alike = sorted(other for symbol in self.refused for other in every if _base(other) == _base(symbol))
        wanted = [symbol for symbol in symbols if symbol in every] or ([] if symbols else sorted(every))
        return {symbol: self._listing(symbol, good) for symbol in wanted}

    def pieces(self, symbols: Sequence[Symbol], since: datetime, until: datetime) -> Sequence[Piece]:
        """File by file. What `prepare` has not seen cannot be cut."""
        return [piece for file in self._found.values() for piece in self._cut(file, symbols, since, until)]

    async def fetch(self, piece: Piece) -> Fetched:
        if not self._found:
            await self.prepare(())
        file = self._found.get(piece.key.split()[2])
        if file is None:
            raise MarketError(f"the file of {piece.key} is not there any more, or it has changed since")
        if file.fault:
            raise BarsError(file.fault)
        return await asyncio.to_thread(self._read, file, piece)

    async def close(self) -> None:
        self._open = None

    # ------------------------------------------------------------ looking

    def _look(self, path: Path) -> FileFound:
        mark = _mark(str(path).encode(errors="surrogateescape"))  # what cannot be read is told of for each file
        try:
            content = _content(path)
            columns = self._columns(path)
            lives = tuple(lives_of(path, columns, self._clock.now()))
            return FileFound(
                path, content, self._fitting(path, lives), _notes(path, columns, lives), width=_width(columns)
            )
        except BarsError as error:
            return FileFound(path, mark, fault=str(error))

    def _fitting(self, path: Path, lives: Sequence[Life]) -> tuple[Life, ...]:
        """The lives, those left out whose bars are of another length. Raises `BarsError` when none is as asked for."""
        if not any(life.rows.size for life in lives):
            raise BarsError(next((life.fault for life in lives if life.fault), f"{path} holds no usable bar"))
        step = common_step(lives) or self._interval
        if step != self._interval:
            raise BarsError(
                f"{path} holds bars of {minutes(step)}, not of {minutes(self._interval)}; "
                f"name their length: --interval {spelled(step)}"
            )
        return tuple(of_interval(path.name, life, self._interval) for life in lives)

    def _columns(self, path: Path) -> FileColumns:
        if self._open is None or self._open[0] != path:
            self._open = None  # before the next one is read: two may be too many for the memory
            self._open = (path, read_columns(path))
        return self._open[1]

    def _listing(self, symbol: Symbol, files: Sequence[FileFound]) -> Listing:
        lives = [life for file in files for life in file.lives if life.symbol == symbol and life.rows.size]
        names = " and ".join(dict.fromkeys(life.name for life in lives))
        last = instant(max(life.last for life in lives)) + self._interval
        return Listing(symbol, names, instant(min(life.first for life in lives)), last)

    def _why_not(self, symbol: Symbol, every: set[Symbol]) -> str:
        alike = sorted(other for other in every if _base(other) == _base(symbol))
        return "not in the files" + (f"; they have {', '.join(alike)}" if alike else "")

    # ------------------------------------------------------------ cutting and reading

    def _cut(self, file: FileFound, symbols: Sequence[Symbol], since: datetime, until: datetime) -> Iterator[Piece]:
        if file.fault:
            yield Piece(f"files {_word(file.path)} {file.mark}", (), since, until)
            return
        lives = [life for life in file.lives if life.symbol in symbols]
        rows = [life for life in lives if life.rows.size]
        if not rows:
            return
        begin = max(since, instant(min(life.first for life in rows)))
        end = min(until, instant(max(life.last for life in rows)) + self._interval)
        held = tuple(dict.fromkeys(life.symbol for life in rows))
        for first, last in spans(begin, end, file.width):
            yield Piece(f"files {_word(file.path)} {file.mark} {written(first, last)}", held, first, last)

    def _read(self, file: FileFound, piece: Piece) -> Fetched:
        columns = self._columns(file.path)
        mine = [life for life in file.lives if life.symbol in piece.symbols]
        bars = [columns_of_life(columns, life, self._interval, piece) for life in mine if life.rows.size]
        if file.mark in self._told:
            return Fetched(tuple(bars))
        self._told.add(file.mark)
        return Fetched(tuple(bars), tuple(rejections(file.lives)), note=" ".join(file.notes))


def _files(path: Path) -> list[Path]:
    path = path.expanduser()
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise MarketError(f"there is no file or folder {path}")
    found = sorted({file for kind in KINDS for file in path.rglob(kind) if file.is_file()})
    if not found:
        raise MarketError(f"{path} holds no file of bars; they end in {', '.join(kind[1:] for kind in KINDS)}")
    return found


def _content(path: Path) -> str:
    if not str(path).isprintable():
        raise BarsError(f"the file {str(path)!r} has a name that cannot be written down; rename it")
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
    except OSError as error:
        raise BarsError(f"{path} cannot be read: {error.strerror or error}") from error


def _mark(name: bytes) -> str:
    return hashlib.blake2b(name, digest_size=8).hexdigest()


def _base(symbol: Symbol) -> str:
    return symbol.partition("/")[0]


def _word(path: Path) -> str:
    return "_".join(path.name.encode(errors="replace").decode().split())


def _width(columns: FileColumns) -> timedelta:
    """Whole days, so that a piece has at most about `ROWS_IN_PIECE` rows."""
    known = columns.time[columns.time > 0]
    days = max(1.0, float(known.max() - known.min()) / 86_400e6) if known.size else 1.0
    return DAY * max(1, int(days * min(1.0, ROWS_IN_PIECE / columns.time.size)) + 1)


def _notes(path: Path, columns: FileColumns, lives: Sequence[Life]) -> tuple[str, ...]:
    renamed = sorted({f"{life.name} is kept as {life.symbol}" for life in lives if life.renamed})
    broken = [f"{path.name} has {columns.broken} lines with too many or too few fields"] if columns.broken else []
    return tuple(
        f"{text}." for text in (*columns.notes, *broken, *([f"{path.name}: {', '.join(renamed)}"] if renamed else []))
    )
