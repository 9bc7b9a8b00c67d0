"""Bar files to columns: Parquet or CSV, checked hard, every problem said with its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.market.bar_tables import pick, read_table, rows_by_symbol, said
from engine.market.errors import BarsError

COLUMNS = ("symbol", "time", "open", "high", "low", "close", "volume")
TRADES = "trades"
_PRICES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class FileBars:
    """One symbol of one file: `time` is int64 microseconds UTC of the open; the rest float64, all of one length."""

    name: str  # as the file writes it
    path: Path
    time: NDArray[np.int64]
    prices: tuple[NDArray[np.float64], ...]  # open, high, low, close, volume
    trades: NDArray[np.float64] | None = None  # how many; NaN where the file does not say


def read_names(path: Path) -> list[str]:
    """The symbols of a file, in alphabetical order."""
    table = _table(path, ["symbol"])
    return sorted(str(name) for name in pc.unique(table.column("symbol")).to_pylist())


def read_bars(path: Path, names: Sequence[str]) -> list[FileBars]:
    """The bars of `names` from one file. Raises `BarsError`."""
    table = _table(path, list(COLUMNS), (TRADES,))
    if table.column("symbol").null_count:
        raise BarsError(f"{path}: {table.column('symbol').null_count} rows have no symbol")
    rows = rows_by_symbol(table.column("symbol"))
    return [_of_symbol(path, name, pick(table, rows[name])) for name in names]


def _table(path: Path, wanted: list[str], optional: Sequence[str] = ()) -> pa.Table:
    table = read_table(path, wanted, require=lambda found: _require(path, found), optional=optional)
    symbols = table.column("symbol")
    if not (pa.types.is_string(symbols.type) or pa.types.is_large_string(symbols.type)):
        table = table.set_column(table.column_names.index("symbol"), "symbol", symbols.cast(pa.string()))
    return table


def _require(path: Path, found: Sequence[str]) -> None:
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        raise BarsError(
            f"{path}: the column{'s' if len(missing) > 1 else ''} {', '.join(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} missing; found {', '.join(found)}"
        )


def _of_symbol(path: Path, name: str, rows: pa.Table) -> FileBars:
    where = f"{path}: {name}"
    time = _times(where, rows.column("time"))
    prices = tuple(_numbers(where, field, rows.column(field)) for field in _PRICES)
    _check_order(where, time)
    _check_prices(where, time, prices)
    trades = _numbers(where, TRADES, rows.column(TRADES)) if TRADES in rows.column_names else None
    return FileBars(name, path, time, prices, trades)


def _times(where: str, column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Microseconds UTC. A time without a zone is refused: nobody can know which hour it means."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        try:
            column = column.cast(pa.timestamp("us", tz="UTC"))
        except pa.ArrowException as error:
            raise BarsError(
                f"{where}: the column time holds text that is no UTC time: {str(error).splitlines()[0]}"
            ) from error
        kind = column.type
    if not pa.types.is_timestamp(kind):
        raise BarsError(
            f"{where}: the column time is {kind}; it must be a timestamp with a time zone (UTC) of the bar's open"
        )
    if kind.tz is None:
        raise BarsError(f"{where}: the column time has no time zone; write UTC, like 2025-05-04T00:00:00Z")
    if column.null_count:
        raise BarsError(f"{where}: {column.null_count} rows have no time")
    times: NDArray[np.int64] = column.cast(pa.timestamp("us", tz="UTC"), safe=False).cast(pa.int64()).to_numpy()
    return times


def _numbers(where: str, field: str, column: pa.ChunkedArray) -> NDArray[np.float64]:
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        raise BarsError(f"{where}: the column {field} is {kind}; it must hold numbers")
    values: NDArray[np.float64] = np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    return values


def _check_order(where: str, time: NDArray[np.int64]) -> None:
    steps = np.diff(time)
    if (steps == 0).any():
        row = int(np.argmax(steps == 0)) + 1
        raise BarsError(f"{where}: two bars have the time {said(time[row])}; remove the duplicate ({_n(steps == 0)})")
    if (steps < 0).any():
        row = int(np.argmax(steps < 0)) + 1
        raise BarsError(f"{where}: bar {row + 1} at {said(time[row])} is earlier than the one before; sort by time")


def _check_prices(where: str, time: NDArray[np.int64], prices: tuple[NDArray[np.float64], ...]) -> None:
    open_, high, low, close, volume = prices
    for bad, what in (
        (~np.isfinite(np.vstack(prices)).all(axis=0), "a value is missing or not finite"),
        (np.minimum(np.minimum(open_, low), np.minimum(high, close)) <= 0, "a price is 0 or below"),
        (volume < 0, "the volume is negative"),
        (high < low, "the high is below the low"),
        ((open_ > high) | (open_ < low) | (close > high) | (close < low), "open or close lies outside low to high"),
    ):
        if bad.any():
            row = int(np.argmax(bad))
            values = ", ".join(f"{name} {column[row]:g}" for name, column in zip(_PRICES, prices, strict=True))
            raise BarsError(f"{where}: bar {row + 1} at {said(time[row])}: {what} ({values}; {_n(bad)})")


def _n(bad: Any) -> str:
    count = int(bad.sum())
    return f"{count} such row{'s' if count > 1 else ''}"


__all__ = ["BarsError", "FileBars", "read_bars", "read_names", "said"]
