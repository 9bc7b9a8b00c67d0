"""Bars in Parquet files beside the database, a file a month: the same bars as there, many times sooner.

A file is named after the stamp that its month had in the database and after its own bytes. So it is used only while the
database has not changed (whoever changed it), and never when one bit of it has. The folder may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
import psycopg

from engine.domain import Symbol, micros, require_utc
from engine.ports import BarColumns
from engine.store.arrays import Stretch, read_columns
from engine.store.bar_rows import PRICES
from engine.store.database import Connection, Database
from engine.store.partitions import Month, following, months_between
from engine.store.reading import EXTRAS, bar_columns, interval_name, reading

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

_NAMES = ("time", *PRICES, *EXTRAS)
# A partition that was detached or dropped took its bars along, and no trigger saw it.
_STAMPS = """
SELECT month, stamp FROM bar_stamps WHERE market = %s AND symbol = %s AND interval = %s AND month = ANY(%s)
    AND ((SELECT relkind <> 'p' FROM pg_class WHERE oid = 'bars'::regclass) OR EXISTS (
        SELECT FROM pg_inherits WHERE inhparent = 'bars'::regclass
        AND inhrelid = to_regclass('bars_' || to_char(month, 'YYYY_MM'))))
"""


def read_cached(
    database: Database,
    folder: Path,
    market: str,
    symbol: Symbol,
    interval: timedelta,
    since: datetime,
    until: datetime,
    *,
    extras: bool = False,
) -> BarColumns:
    """What `read_bars` gives, from the files under `folder` where they are still right, and else from the database.

    Months that had to be read there become files. A folder that cannot be written costs time only. Raises
    `DatabaseDown`, or `ValueError` for an interval that is not kept.
    """
    stretch = Stretch(market, interval_name(interval), require_utc(since), require_utc(until))
    home = folder / quote(market, safe="") / quote(symbol, safe="") / stretch.interval
    names = ("time", *PRICES, *(EXTRAS if extras else ()))
    with reading(database) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ  # a stamp and its bars are of one moment
        stamps = _stamps(connection, stretch, symbol)
        kept = _kept(home) if stamps else {}
        months = [
            _from_file(home, month, stamp, kept, names)
            or _from_database(connection, stretch, symbol, home, month, stamp)
            for month, stamp in sorted(stamps.items())
        ]
    return bar_columns(symbol, interval, _joined(months, stretch, names), extras)


def _stamps(connection: Connection, stretch: Stretch, symbol: Symbol) -> dict[Month, str]:
    """The months of the stretch that have bars (or had), each with its stamp."""
    months = [date(*month, 1) for month in months_between(stretch.since, stretch.until)]
    rows = connection.execute(_STAMPS, (stretch.market, symbol, stretch.interval, months)).fetchall()
    return {(month.year, month.month): stamp.hex for month, stamp in rows}


def _kept(home: Path) -> Mapping[str, str]:
    """The files that are there: month and stamp → name."""
    try:
        names = [path.name for path in home.iterdir()]
    except OSError:  # none yet, or not ours to read
        return {}
    return {name.rsplit(".", 2)[0]: name for name in names if name.endswith(".parquet")}


def _from_file(
    home: Path, month: Month, stamp: str, kept: Mapping[str, str], names: Sequence[str]
) -> dict[str, np.ndarray] | None:
    """The month's columns, or None when there is no file of this stamp that is whole."""
    import pyarrow as pa
    from pyarrow import parquet

    name = kept.get(_stem(month, stamp))
    if name is None:
        return None
    try:
        raw = (home / name).read_bytes()
    except OSError as error:  # another process replaced it a moment ago, or it cannot be read
        log.info("a cached month is read from the database: %s", error)
        return None
    if name.split(".")[2] != _digest(raw):
        log.warning("%s is damaged; it is made again from the database", home / name)
        return None
    table = parquet.read_table(pa.BufferReader(raw), columns=list(names), use_threads=False)
    return {name: _column(table, name) for name in names}


def _from_database(
    connection: Connection, stretch: Stretch, symbol: Symbol, home: Path, month: Month, stamp: str
) -> dict[str, np.ndarray]:
    whole = stretch._replace(since=datetime(*month, 1, tzinfo=UTC), until=datetime(*following(month), 1, tzinfo=UTC))
    columns = read_columns(connection, whole, [symbol], _NAMES).get(symbol)
    columns = columns or {name: np.empty(0, "i8" if name == "time" else "f8") for name in _NAMES}
    try:
        _store(home, month, stamp, columns)
    except OSError as error:
        log.warning("bars are not cached in %s: %s", home, error)
    return columns


def _store(home: Path, month: Month, stamp: str, columns: Mapping[str, np.ndarray]) -> None:
    """Put the month's file in the place of those that it had before. A crash leaves the old ones, or both."""
    import pyarrow as pa
    from pyarrow import parquet

    arrays = {name: pa.array(values) for name, values in columns.items()}
    arrays["time"] = arrays["time"].cast(pa.timestamp("us", tz="UTC"))
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(arrays), sink, compression="lz4", use_dictionary=False, write_statistics=False)
    raw = sink.getvalue().to_pybytes()
    home.mkdir(parents=True, exist_ok=True)
    fresh = home / f".{_stem(month, stamp)}.new"
    fresh.write_bytes(raw)
    name = f"{_stem(month, stamp)}.{_digest(raw)}.parquet"
    with suppress(FileNotFoundError):  # another process had the same to say, and was faster
        fresh.replace(home / name)
    for old in home.glob(f"{_stem(month, '')}*.parquet"):
        if old.name != name:
            old.unlink(missing_ok=True)


def _joined(
    months: Sequence[Mapping[str, np.ndarray]], stretch: Stretch, names: Sequence[str]
) -> Mapping[str, np.ndarray]:
    """The months' columns in one piece, within the stretch; nothing when there is no bar."""
    if not months:
        return {}
    time = np.concatenate([month["time"] for month in months])
    first, last = np.searchsorted(time, [micros(stretch.since), micros(stretch.until)])
    return {name: np.concatenate([month[name] for month in months])[first:last] for name in names}


def _column(table: pa.Table, name: str) -> np.ndarray:
    column = table.column(name).combine_chunks()
    values: np.ndarray = (column.cast("int64") if name == "time" else column).to_numpy(zero_copy_only=False)
    return values


def _stem(month: Month, stamp: str) -> str:
    return f"{month[0]:04d}-{month[1]:02d}.{stamp}"


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:32]
