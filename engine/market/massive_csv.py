"""One day of Massive's minute bars from its flat file: all pairs in one compressed CSV."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from engine.domain import Symbol, micros
from engine.market.errors import MarketError
from engine.market.row_checks import Rows, as_micros, checked, noted
from engine.market.symbols import Absent, find, name_for
from engine.ports import Fetched, Piece

SOURCE = "massive-files"
PRICES = ("open", "high", "low", "close")
NEEDED = ("ticker", *PRICES, "volume", "window_start")
OPTIONAL = ("vwap", "transactions")
DAY_US = 86_400_000_000
GZIP = b"\x1f\x8b"


class FileBroken(MarketError):
    """A file cannot be read as what it should be; the message names it."""


def tickers_of(name: str, content: bytes) -> tuple[str, ...]:
    """The tickers in a file, sorted."""
    return tuple(sorted(set(_encoded(name, _table(name, content))[1])))


def bars_of(name: str, content: bytes, piece: Piece, now_us: int) -> Fetched:
    """The bars of `piece`'s symbols in the file `name`, checked row by row.

    Raises `FileBroken` for a truncated file, one that is no gzip or CSV, or one whose columns are not a minute file's.
    """
    table = _table(name, content)
    tickers, names = _encoded(name, table)
    wanted = _wanted(names, piece)
    place = np.array([wanted.get(ticker, (-1, 0))[0] for ticker in names], np.int64)
    rank = np.array([wanted.get(ticker, (-1, 0))[1] for ticker in names], np.int64)
    mine = place[tickers] >= 0 if names else np.zeros(0, bool)
    opened, units = as_micros(_integers(name, table, "window_start")[mine])
    prices = np.column_stack([_floats(table, column)[mine] for column in PRICES])
    rest = (_floats(table, column)[mine] for column in ("volume", *OPTIONAL))
    first = np.argsort(rank[tickers[mine]], kind="stable")  # of two names of one coin, that day's comes first
    rows = Rows(place[tickers[mine]], opened, prices, *rest).at(first)
    rows = rows.at(~_of_another_part(rows.opened, piece))
    fetched = checked(piece.symbols, rows, micros(piece.since), micros(piece.until), now_us)
    absent = [symbol for k, symbol in enumerate(piece.symbols) if k not in set(place.tolist())]
    return noted(fetched, _said_of_units(name, units), _said_of_absent(name, absent))


def _of_another_part(opened: np.ndarray, piece: Piece) -> np.ndarray:
    """Rows of the file's own day that this piece does not ask for."""
    day = micros(piece.since) // DAY_US * DAY_US
    asked = (opened >= micros(piece.since)) & (opened < micros(piece.until))
    return np.asarray((opened >= day) & (opened < day + DAY_US) & ~asked)


def _wanted(tickers: Sequence[str], piece: Piece) -> Mapping[str, tuple[int, int]]:
    """Ticker → (which of the piece's symbols it was on that day, 0 for the name of that day and 1 for another)."""
    place = {symbol: number for number, symbol in enumerate(piece.symbols)}
    found = {}
    for ticker in tickers:
        symbol = find(SOURCE, ticker, piece.since)
        if not isinstance(symbol, Absent) and symbol in place:
            found[ticker] = (place[symbol], int(ticker != name_for(SOURCE, symbol, piece.since)))
    return found


def _said_of_units(name: str, units: Sequence[str]) -> str:
    if units in ((), ("nanoseconds",)):
        return ""
    mixed = " and ".join(units)
    return f"{name}: its times are in {mixed}, not in nanoseconds; each was read by its size."


def _said_of_absent(name: str, absent: Sequence[Symbol]) -> str:
    more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
    return f"{name} has no {', '.join(absent[:5])}{more}." if absent else ""


# ------------------------------------------------------------ reading


def _table(name: str, content: bytes) -> Any:
    import pyarrow
    from pyarrow import csv

    text = _text(name, content)
    header = text[: text.find(b"\n")].decode(errors="replace").strip() if b"\n" in text else text[:200].decode("latin1")
    missing = [column for column in NEEDED if column not in header.split(",")]
    if missing:
        raise FileBroken(f"{name} lacks {', '.join(missing)}; its columns are {header[:160]!r}")
    twice = [column for column in (*NEEDED, *OPTIONAL) if header.split(",").count(column) > 1]
    if twice:
        raise FileBroken(f"{name} has the column {', '.join(twice)} more than once; get it again")
    kinds = {column: pyarrow.float64() for column in (*PRICES, "volume", *OPTIONAL)}
    kinds |= {"window_start": pyarrow.int64(), "ticker": pyarrow.dictionary(pyarrow.int32(), pyarrow.string())}
    options = csv.ConvertOptions(column_types=kinds, null_values=["", "null", "NULL", "nan", "NaN"])
    try:
        return csv.read_csv(pyarrow.BufferReader(text), convert_options=options)
    except pyarrow.ArrowException as error:
        raise FileBroken(f"{name} is no readable CSV: {str(error).splitlines()[0][:160]}") from error


def _text(name: str, content: bytes) -> bytes:
    if not content.startswith(GZIP):
        return content
    try:
        return gzip.decompress(content)
    except EOFError as error:
        raise FileBroken(f"{name} is cut short after {len(content):,} bytes; get it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FileBroken(f"{name} is damaged and cannot be unpacked ({error}); get it again") from error


def _encoded(name: str, table: Any) -> tuple[np.ndarray, list[str]]:
    """For each row the number of its ticker, and the tickers."""
    column = table.column("ticker").combine_chunks()
    column = column if hasattr(column, "indices") else column.chunk(0) if column.num_chunks else None
    if column is None:
        return np.zeros(0, np.int64), []
    if column.null_count:
        raise FileBroken(f"{name} has {column.null_count:,} rows without a ticker")
    return np.asarray(column.indices, np.int64), [str(value) for value in column.dictionary.to_pylist()]


def _integers(name: str, table: Any, column: str) -> np.ndarray:
    values = table.column(column)
    if values.null_count:
        raise FileBroken(f"{name} has {values.null_count:,} rows without a time")
    return np.asarray(values, np.int64)


def _floats(table: Any, column: str) -> np.ndarray:
    """A column as float64; NaN where it is empty or absent."""
    if column not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return np.asarray(table.column(column).to_numpy(), np.float64)


def day_of(piece: Piece) -> date:
    """The day of a piece of one day."""
    return piece.since.date()
