"""Compared bars into the table: new ones by COPY into their months, revised ones in place of those stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from engine.domain import instant
from engine.store.bar_rows import PRICES, QUALITIES, ROLLED, ROLLED_SOURCE, BarRows, copy_bytes
from engine.store.database import Connection
from engine.store.partitions import Month, is_native, month_name

_AT_ONCE = 5_000
_REVISE = """
UPDATE bars SET open = r.open, high = r.high, low = r.low, close = r.close, volume = r.volume,
    vwap = nullif(r.vwap, 'NaN'), trades = nullif(r.trades, 'NaN')::integer, quality = r.quality, source = r.source,
    revision = r.revision
FROM unnest(%s::timestamptz[], %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::float8[],
    %s::float8[], %s::text[], %s::text[], %s::integer[])
    AS r(time, open, high, low, close, volume, vwap, trades, quality, source, revision)
WHERE bars.market = %s AND bars.symbol = %s AND bars.interval = %s AND bars.time = r.time
    AND bars.time >= %s AND bars.time <= %s
"""


def put(connection: Connection, market: str, source: str, new: Sequence[BarRows], revised: Sequence[BarRows]) -> None:
    """Write both in the running transaction. The months' partitions are there, and the writer holds their lock."""
    native = is_native(connection, "bars")
    for month, parts in _by_month(new).items():
        table = month_name(month) if native else "bars"
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT binary)".encode()) as copy:
            for block in copy_bytes(market, source, parts):
                copy.write(block)
    for part in revised:
        for start in range(0, len(part.rows), _AT_ONCE):
            _revise(connection, market, source, part, part.rows[start : start + _AT_ONCE])


def _by_month(parts: Sequence[BarRows]) -> dict[Month, list[BarRows]]:
    months: dict[Month, list[BarRows]] = defaultdict(list)
    for part in parts:
        for month, rows in _months_of(part.rows):
            months[month].append(BarRows(part.symbol, part.interval, rows))
    return dict(sorted(months.items()))


def _months_of(rows: np.ndarray) -> Iterator[tuple[Month, np.ndarray]]:
    month = rows["time"].astype("M8[us]").astype("M8[M]").astype(np.int64)  # since January 1970
    starts = np.flatnonzero(np.diff(month, prepend=month[:1] - 1))
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        yield (1970 + int(month[start]) // 12, int(month[start]) % 12 + 1), rows[start:end]


def _revise(connection: Connection, market: str, source: str, part: BarRows, rows: np.ndarray) -> None:
    times = [instant(at) for at in rows["time"].tolist()]
    numbers = [rows[name].tolist() for name in (*PRICES, "vwap", "trades")]
    marks = [QUALITIES[code] for code in rows["quality"].tolist()]
    sources = [ROLLED_SOURCE if code == ROLLED else source for code in rows["source"].tolist()]
    place = (market, part.symbol, part.interval, min(times), max(times))
    connection.execute(_REVISE, (times, *numbers, marks, sources, rows["revision"].tolist(), *place))
