"""Ticks as they come, in a file that only grows: framed blocks with a checksum, so that a torn end shows and is cut.

A journal lives for an hour at most; then it becomes a compressed segment (`tick_segments`). A frame is its kind, its
payload's length and CRC32, and the payload: `NAME` brings exchange and symbol of the rows that follow (JSON), `TICK`
brings rows (`ROW`). Rows name their symbol by its place among the file's names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import NamedTuple
from zlib import crc32

import numpy as np

from engine.domain import Symbol

ROW = np.dtype(
    [
        ("time", "<i8"),  # the venue's, µs since the epoch
        ("received", "<i8"),  # the desk's
        ("name", "<u2"),
        ("price", "<f8"),
        ("volume", "<f8"),
        ("bid", "<f8"),  # NaN where no quote was known
        ("ask", "<f8"),
        ("trade_id", "<i8"),  # -1 where the venue gave none
    ]
)
SUFFIX = ".open"
NO_ID = -1
_HEAD = Struct("<4sII")
_NAMES, _TICKS = b"NAME", b"TICK"

Name = tuple[str, Symbol]  # exchange, symbol


class Tick(NamedTuple):
    """One raw trade, with the best bid and ask that were known then (NaN: none). Times in µs since the epoch."""

    time: int
    received: int
    exchange: str
    symbol: Symbol
    price: float
    volume: float
    bid: float
    ask: float
    trade_id: int = NO_ID


@dataclass(frozen=True, slots=True)
class Journalled:
    """What a journal holds: names, rows (`ROW`), and how many bytes at its end are torn or damaged."""

    names: tuple[Name, ...]
    rows: np.ndarray
    torn: int


class Journal:
    """One file that is written now. `append` leaves it whole or as it was."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self._names: dict[Name, int] = {}
        self._size = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)

    def append(self, ticks: Sequence[Tick]) -> None:
        """Write and make durable. Raises `OSError`; then nothing of `ticks` is in the file."""
        fresh = [
            name for name in dict.fromkeys((tick.exchange, tick.symbol) for tick in ticks) if name not in self._names
        ]
        names = self._names | {name: len(self._names) + number for number, name in enumerate(fresh)}
        rows = [
            (t.time, t.received, names[t.exchange, t.symbol], t.price, t.volume, t.bid, t.ask, t.trade_id)
            for t in ticks
        ]
        text = _framed(_NAMES, json.dumps(fresh).encode()) if fresh else b""
        self._write(text + _framed(_TICKS, np.array(rows, ROW).tobytes()))
        self._names = names
        self.rows += len(rows)

    def close(self) -> None:
        os.close(self._file)

    def _write(self, content: bytes) -> None:
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            _make_durable(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(content)


def read_journal(path: Path) -> Journalled:
    """Every whole row of a journal, also of one that is being written."""
    content = path.read_bytes()
    names: list[Name] = []
    parts: list[memoryview] = []
    good = 0
    for kind, payload, end in _frames(content):
        if kind == _NAMES:
            names += [(exchange, symbol) for exchange, symbol in json.loads(bytes(payload))]
        else:
            parts.append(payload)
        good = end
    return Journalled(tuple(names), np.frombuffer(b"".join(parts), ROW), len(content) - good)


def _framed(kind: bytes, payload: bytes) -> bytes:
    return _HEAD.pack(kind, len(payload), crc32(payload)) + payload


def _frames(content: bytes) -> Iterator[tuple[bytes, memoryview, int]]:
    """(kind, payload, end) of the whole frames from the start; ends before the first that is not whole."""
    view, at = memoryview(content), 0
    while at + _HEAD.size <= len(view):
        kind, length, check = _HEAD.unpack_from(view, at)
        end = at + _HEAD.size + length
        payload = view[at + _HEAD.size : end]
        if kind not in (_NAMES, _TICKS) or end > len(view) or crc32(payload) != check:
            return
        yield kind, payload, end
        at = end


def _make_durable(file: int) -> None:
    """The rows and the length, not the time of the last change."""
    getattr(os, "fdatasync", os.fsync)(file)


def journals(folder: Path) -> Iterable[Path]:
    """The journals of one day, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))
