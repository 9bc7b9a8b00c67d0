"""The columns of a bar file under the desk's names, whatever the file calls them and in whatever unit its times are."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.market.bar_tables import is_text, read_table
from engine.market.errors import BarsError
from engine.market.names import QUOTES, split_joined
from engine.market.row_checks import NUMBERS_MOST, as_micros, micros_of_floats

PRICES = ("open", "high", "low", "close", "volume")
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "symbol": ("symbol", "ticker", "pair", "market"),
    "time": ("time", "timestamp", "open_time", "opentime", "window_start", "unix", "datetime", "date"),
    **{name: (name,) for name in PRICES[:4]},
    "volume": ("volume", "vol"),
    "vwap": ("vwap", "vw"),
    "trades": ("trades", "transactions", "trade_count", "number_of_trades", "count"),
}
_REQUIRED = ("time", *PRICES)
_PLAIN = ("time", *PRICES)
_HEADERLESS: Mapping[int, tuple[str, ...]] = {
    6: _PLAIN,
    7: (*_PLAIN, "trades"),  # Kraken's OHLCVT
    12: (*_PLAIN, "close_time", "quote_volume", "trades", "taker_base", "taker_quote", "ignored"),  # Binance's klines
}
NO_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class FileColumns:
    """A file's rows in its own order. `code` indexes `names`, the symbols as the file writes them; `time` is int64 µs
    of the open (`NO_TIME` where there is none); prices and volume are float64, NaN where a value is no number.

    `notes` are sentences about the file as a whole, `broken` counts rows that were no rows at all.
    """

    names: tuple[str, ...]
    code: np.ndarray
    time: np.ndarray
    prices: tuple[np.ndarray, ...]
    vwap: np.ndarray | None
    trades: np.ndarray | None
    notes: tuple[str, ...]
    broken: int


def read_columns(path: Path) -> FileColumns:
    """Read a file. Raises `BarsError` with a sentence when it is no file of bars."""
    try:
        return _read(path)
    except pa.ArrowException as error:
        why = str(error).splitlines()[0]
        if "UTF8" in why:
            raise BarsError(f"{path} holds text that is not UTF-8; save it as UTF-8") from error
        raise BarsError(f"{path} holds a value that cannot be read: {why}") from error
    except UnicodeDecodeError as error:
        raise BarsError(f"{path} holds text that is not UTF-8; save it as UTF-8") from error


def _read(path: Path) -> FileColumns:
    broken: list[int] = []
    header = _header(path) if is_text(path) else ()
    found: dict[str, str] = {}

    def require(names: Sequence[str]) -> None:
        found.update(_meant(path, names))

    table = read_table(path, None, require=require, names=header, on_broken=broken.append)
    if not table.num_rows:
        raise BarsError(f"{path} holds no rows")
    names, code = _symbols(path, table, found.get("symbol"))
    time, note = _times(path, table.column(found["time"]))
    optional = {key: _floats(table.column(found[key])) if key in found else None for key in ("vwap", "trades")}
    prices = tuple(_floats(table.column(found[key])) for key in PRICES)
    return FileColumns(names, code, time, prices, **optional, notes=(note,) if note else (), broken=len(broken))


def _header(path: Path) -> tuple[str, ...]:
    """Names for the columns of a text file that begins with numbers; empty when it names them itself."""
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            first = stream.read(4_096).decode("utf-8", "replace").partition("\n")[0]
    except (OSError, pa.ArrowException, EOFError) as error:
        raise BarsError(f"{path} cannot be unpacked: {str(error).splitlines()[0]}") from error
    fields = [field.strip() for field in first.split(",")]
    if not _is_number(fields[0]):
        return ()
    names = _HEADERLESS.get(len(fields))
    if names is None:
        known = " or ".join(str(count) for count in _HEADERLESS)
        raise BarsError(f"{path} has no header and {len(fields)} columns; without a header {known} can be read")
    return names


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _meant(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Our name → the file's name of a column."""
    lower = {name.strip().lower(): name for name in names}
    found = {ours: lower[alias] for ours, aliases in _ALIASES.items() for alias in reversed(aliases) if alias in lower}
    missing = [name for name in _REQUIRED if name not in found]
    if missing:
        raise BarsError(f"{path} has no column {', '.join(missing)}; it has {', '.join(names)}")
    counts = Counter(name.strip().lower() for name in names)
    twice = sorted({name for name in found.values() if counts[name.strip().lower()] > 1})
    if twice:
        raise BarsError(f"{path} has the column {', '.join(twice)} more than once; leave one of each")
    return found


def _symbols(path: Path, table: pa.Table, column: str | None) -> tuple[tuple[str, ...], np.ndarray]:
    if column is None:
        return (named_by(path),), np.zeros(table.num_rows, np.int32)
    values = table.column(column)
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        values = values.cast(pa.string())
    encoded = pc.dictionary_encode(values.fill_null("")).combine_chunks()
    encoded = encoded if isinstance(encoded, pa.DictionaryArray) else encoded.chunk(0)
    return tuple(encoded.dictionary.to_pylist()), encoded.indices.to_numpy(zero_copy_only=False)


def named_by(path: Path) -> str:
    """The pair that a file's name tells: `ADAUSDT-1m-2024-05.csv`, `Binance_BTCUSDT_1h.csv`, `BTC_USDT-5m.parquet`."""
    parts = path.name.partition(".")[0].replace("_", "-").split("-")
    joined = [f"{base}/{quote}" for base, quote in itertools.pairwise(parts) if base and quote.upper() in QUOTES]
    words = [part for part in parts if "/" in split_joined(part)]
    if not (words or joined):
        raise BarsError(f"{path} has no column symbol, and its name tells no pair (ADAUSDT-1m.csv would)")
    return words[0] if words else joined[0]


def _times(path: Path, column: pa.ChunkedArray) -> tuple[np.ndarray, str]:
    """Microseconds UTC, and a sentence when the file mixes units."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column, kind = _from_text(path, column)
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            raise BarsError(f"{path}: its times have no time zone; write UTC, like 2025-05-04T00:00:00Z")
        stamps = column.cast(pa.timestamp("us", tz="UTC"), safe=False).cast(pa.int64())
        return stamps.fill_null(NO_TIME).to_numpy(), ""
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise BarsError(f"{path}: its times are {kind}; they must be UTC times or numbers since 1970")
    if pa.types.is_floating(kind):
        numbers = column.cast(pa.float64(), safe=False).to_numpy()
        known = np.abs(numbers) < NUMBERS_MOST
        times, units = micros_of_floats(numbers[known])
    else:
        known = column.is_valid().to_numpy()
        times, units = as_micros(column.drop_null().cast(pa.int64()).to_numpy())
    result = np.full(known.size, NO_TIME)
    result[known] = times
    if len(units) < 2:
        return result, ""
    return result, f"{path.name} mixes times in {' and '.join(units)}: each was read by its own size"


def _from_text(path: Path, column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.DataType]:
    for kind in (pa.int64(), pa.timestamp("us", tz="UTC")):
        try:
            return column.cast(kind), kind
        except pa.ArrowException as error:
            last = error
    raise BarsError(f"{path}: its times are text that is no UTC time: {str(last).splitlines()[0]}") from last


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    """float64; NaN for what is no number."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array([float(text) if text and _is_number(text) else np.nan for text in column.to_pylist()])
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
