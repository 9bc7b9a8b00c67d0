"""Minute bars of the past from Massive's flat files: from its S3 store, or from a folder of files got before."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

from engine.clock import Clock
from engine.domain import Symbol, micros, require_utc
from engine.market.errors import MarketError
from engine.market.massive_csv import SOURCE, bars_of, day_of, tickers_of
from engine.market.symbols import find, listing
from engine.ports import Fetched, Listing, Piece

log = logging.getLogger(__name__)

DAY = timedelta(days=1)
PREFIX = "global_crypto/minute_aggs_v1"
_NAMED_BY_DAY = re.compile(r"(\d{4}-\d\d-\d\d)\.csv(\.gz)?$")


class FileStore(Protocol):
    """Where the files of days are."""

    def read(self, day: date) -> tuple[str, bytes]:
        """Name and content of a day's file; raises `MarketError` when it cannot be had. Blocks."""
        ...

    def samples(self) -> Sequence[date]:
        """Days whose files may be looked at to see what there is; none where looking is dear. Blocks."""
        ...


class MassiveFiles:
    """Implements `History`: a piece is one day of all symbols."""

    name = "massive-files"
    at_once = 3

    def __init__(self, store: FileStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def prepare(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Listing]:
        """Everything may be in some file; a symbol that the sampled files lack is listed with a note."""
        seen = await asyncio.to_thread(self._seen)
        found = {}
        for symbol in symbols:
            known = listing(SOURCE, symbol)
            note = known.note if seen is None or symbol in seen else "neither the first nor the last file has it"
            found[symbol] = Listing(symbol, known.source_name, known.first, known.last, note)
        return found

    def pieces(self, symbols: Sequence[Symbol], since: datetime, until: datetime) -> Sequence[Piece]:
        """Days, oldest first; the first and the last may be parts of one."""
        since, until = require_utc(since), require_utc(until)
        whose = blake2b(",".join(symbols).encode(), digest_size=6).hexdigest()
        found = []
        while since < until:
            midnight = datetime(since.year, since.month, since.day, tzinfo=UTC)
            end = min(until, midnight + DAY)
            key = f"massive-files {since:%Y-%m-%dT%H:%M} {end:%Y-%m-%dT%H:%M} {whose}"
            found.append(Piece(key, tuple(symbols), since, end))
            since = end
        return found

    async def fetch(self, piece: Piece) -> Fetched:
        now_us = micros(self._clock.now())
        return await asyncio.to_thread(self._fetch, piece, now_us)

    def _fetch(self, piece: Piece, now_us: int) -> Fetched:
        name, content = self._store.read(day_of(piece))
        return bars_of(name, content, piece, now_us)

    def _seen(self) -> set[Symbol] | None:
        """What the sampled files have; None when none was looked at, or one cannot be read: its own piece says why."""
        found: set[Symbol] = set()
        for day in self._store.samples():
            try:
                tickers = tickers_of(*self._store.read(day))
            except MarketError as error:
                log.warning("%s", error)
                return None
            found |= {str(find(SOURCE, ticker, at_midnight(day))) for ticker in tickers}
        return found or None

    async def close(self) -> None:
        """Nothing stays open between pieces."""


class Folder:
    """Implements `FileStore` over files that are here, at any depth: `…/2024-05-01.csv.gz`, or unpacked."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise MarketError(f"there is no folder {path} of Massive's files")
        self._path = path
        self._files = {day: file for file in sorted(path.rglob("*.csv*"), reverse=True) if (day := _day(file))}
        if not self._files:
            raise MarketError(f"{path} has no file named by its day, such as 2024-05-01.csv.gz")

    def read(self, day: date) -> tuple[str, bytes]:
        file = self._files.get(day)
        if file is None:
            raise MarketError(f"{self._path} has no file of {day}")
        try:
            return file.name, file.read_bytes()
        except OSError as error:
            raise MarketError(f"{file} cannot be read: {error.strerror or error}") from error

    def samples(self) -> Sequence[date]:
        return tuple(dict.fromkeys((min(self._files), max(self._files))))


def key_of(day: date) -> str:
    """Where the S3 store keeps a day."""
    return f"{PREFIX}/{day:%Y}/{day:%m}/{day:%Y-%m-%d}.csv.gz"


def at_midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _day(file: Path) -> date | None:
    found = _NAMED_BY_DAY.search(file.name)
    try:
        return date.fromisoformat(found.group(1)) if found else None
    except ValueError:
        return None
