"""Raw trades of a day, read back: from compressed segments, and from the journal that is being written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path

import numpy as np

from engine.domain import Symbol
from engine.store.tick_journal import NO_ID, Journalled, journals, read_journal
from engine.store.tick_segments import SEALED

FOLDER = "ticks"  # inside the data folder
_NUMBERS = ("time", "received", "price", "volume", "bid", "ask", "trade_id")


@dataclass(frozen=True, slots=True)
class TickColumns:
    """Trades of one symbol as columns of one length, by time, then by trade id.

    `time` (the venue's) and `received` (the desk's) are int64 µs since the epoch, UTC; `trade_id` is int64, -1 where
    the venue gave none; the rest is float64. `bid` and `ask` are what was known at receipt, NaN where nothing was.
    """

    symbol: Symbol
    exchange: np.ndarray  # str
    time: np.ndarray
    received: np.ndarray
    price: np.ndarray
    volume: np.ndarray
    bid: np.ndarray
    ask: np.ndarray
    trade_id: np.ndarray


def read_ticks(data: Path, day: date, symbol: Symbol) -> TickColumns:
    """The trades of `symbol` that the desk in `data` stored with a venue's time on `day` (UTC); empty when none.

    A trade that a venue numbered and sent twice (before and after a restart) is there once.
    """
    parts = list(_parts(data / FOLDER / day.isoformat(), symbol))
    columns = {
        field.name: np.concatenate([part[field.name] for part in parts]) if parts else np.empty(0, _kind(field.name))
        for field in fields(TickColumns)
        if field.name != "symbol"
    }
    order = np.lexsort((columns["received"], columns["trade_id"], columns["time"]))
    columns = {name: values[order] for name, values in columns.items()}
    kept = _once(columns["exchange"], columns["trade_id"])
    return TickColumns(symbol, **{name: values[kept] for name, values in columns.items()})


def _kind(name: str) -> str:
    return "U1" if name == "exchange" else "int64" if name in ("time", "received", "trade_id") else "float64"


def _once(exchange: np.ndarray, trade_id: np.ndarray) -> np.ndarray:
    """Indices without the repetitions of a numbered trade."""
    numbered = np.flatnonzero(trade_id != NO_ID)
    keys = np.rec.fromarrays([exchange[numbered], trade_id[numbered]])
    first = numbered[np.unique(keys, return_index=True)[1]] if numbered.size else numbered
    return np.sort(np.r_[np.flatnonzero(trade_id == NO_ID), first]).astype(np.int64)


def _parts(folder: Path, symbol: Symbol) -> Iterator[dict[str, np.ndarray]]:
    """Journals first: one that is sealed meanwhile is found again among the segments, which are read after it."""
    seen: set[str] = set()
    for path in journals(folder) if folder.is_dir() else ():
        try:
            held = read_journal(path)
        except FileNotFoundError:  # sealed since it was listed
            continue
        seen.add(path.stem)
        yield _of_journal(held, symbol)
    for path in sorted(folder.glob(f"*{SEALED}")):
        if path.stem not in seen:
            yield _of_segment(path, symbol)


def _of_journal(held: Journalled, symbol: Symbol) -> dict[str, np.ndarray]:
    places = [place for place, (_, name) in enumerate(held.names) if name == symbol]
    rows = held.rows[np.isin(held.rows["name"], places)]
    exchanges = np.array([exchange for exchange, _ in held.names] or [""])
    return {name: np.ascontiguousarray(rows[name]) for name in _NUMBERS} | {"exchange": exchanges[rows["name"]]}


def _of_segment(path: Path, symbol: Symbol) -> dict[str, np.ndarray]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=[*_NUMBERS, "exchange"], filters=[("symbol", "=", symbol)])
    columns = {name: table.column(name).to_numpy() for name in ("price", "volume", "bid", "ask")}
    columns |= {name: table.column(name).cast(pa.int64()).to_numpy() for name in ("time", "received")}
    columns["trade_id"] = table.column("trade_id").fill_null(NO_ID).to_numpy()
    columns["exchange"] = np.array(table.column("exchange").to_pylist(), dtype=np.str_)
    return columns
