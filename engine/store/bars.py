"""Bars into the database: minutes as they are recorded, longer bars from them when they have closed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from engine.messages import Minute
from engine.store.database import Connection
from engine.store.partitions import Month, ensure_months, month_of
from engine.store.stamps import lock_months

MINUTE = timedelta(minutes=1)
INTERVALS = {
    "1m": MINUTE,
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

BarRow: TypeAlias = tuple[str, datetime, float, float, float, float, float, int | None, str, str]

# A row that says the same is left alone: no new version of it, no new stamp of its month.
_KEEP_NEWER = """
ON CONFLICT (market, symbol, interval, time) DO UPDATE SET open = excluded.open, high = excluded.high,
    low = excluded.low, close = excluded.close, volume = excluded.volume, quality = excluded.quality,
    source = excluded.source, revision = excluded.revision,
    vwap = CASE WHEN (bars.open, bars.high, bars.low, bars.close, bars.volume)
        = (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume) THEN bars.vwap END,
    trades = coalesce(excluded.trades, CASE WHEN (bars.open, bars.high, bars.low, bars.close, bars.volume)
        = (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume) THEN bars.trades END)
WHERE bars.revision <= excluded.revision AND
    (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.trades, bars.quality, bars.source, bars.revision)
    IS DISTINCT FROM (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume,
    coalesce(excluded.trades, bars.trades), excluded.quality, excluded.source, excluded.revision)
"""
# What the minutes say now is what a longer bar is, whatever was there.
_REPLACE = """
ON CONFLICT (market, symbol, interval, time) DO UPDATE SET open = excluded.open, high = excluded.high,
    low = excluded.low, close = excluded.close, volume = excluded.volume, vwap = excluded.vwap,
    trades = excluded.trades, quality = excluded.quality, source = excluded.source, revision = excluded.revision
WHERE (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.vwap, bars.trades, bars.quality, bars.source,
    bars.revision) IS DISTINCT FROM (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume,
    excluded.vwap, excluded.trades, excluded.quality, excluded.source, excluded.revision)
"""
# Arrays in one statement: as fast as COPY for this, and it needs no temporary table (poolers have none).
_INSERT = f"""
INSERT INTO bars (market, symbol, interval, time, open, high, low, close, volume, trades, quality, source, revision)
SELECT %s, b.symbol, '1m', b.time, b.open, b.high, b.low, b.close, b.volume, b.trades, b.quality, b.source, 0
FROM unnest(%s::text[], %s::timestamptz[], %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::float8[],
    %s::integer[], %s::text[], %s::text[]) AS b(symbol, time, open, high, low, close, volume, trades, quality, source)
ORDER BY b.symbol, b.time
{_KEEP_NEWER}
"""
# Sums and picks are ordered by time, so that the same minutes always give the same bits.
_ROLL_UP = f"""
INSERT INTO bars
    (market, symbol, interval, time, open, high, low, close, volume, vwap, trades, quality, source, revision)
SELECT market, symbol, %(interval)s, date_bin(%(span)s, time, %(origin)s) AS bucket,
    (array_agg(open ORDER BY time))[1], max(high), min(low), (array_agg(close ORDER BY time DESC))[1],
    sum(volume ORDER BY time),
    CASE WHEN count(vwap) = count(*) AND sum(volume) > 0
         THEN sum(vwap * volume ORDER BY time) / sum(volume ORDER BY time) END,
    sum(trades)::integer,
    CASE WHEN bool_or(quality = 'doubtful') THEN 'doubtful' WHEN count(*) < %(minutes)s THEN 'missing'
         WHEN bool_and(quality = 'quiet') THEN 'quiet' WHEN bool_or(quality = 'healed') THEN 'healed' ELSE 'good' END,
    '1m', max(revision)
FROM bars
WHERE market = %(market)s AND symbol = ANY(%(symbols)s) AND interval = '1m' AND time >= %(since)s AND time < %(until)s
GROUP BY market, symbol, bucket
ORDER BY symbol, bucket
{_REPLACE}
"""


def source_of(exchange: str, *, live: bool) -> str:
    """A bar's `source` when a desk's own feed gave it: as it came, or later from that feed's history."""
    return f"{exchange} {'feed' if live else 'history'}".strip()


def write_minutes(
    connection: Connection, market: str, minutes: Sequence[Minute], known: set[Month], exchange: str = ""
) -> int:
    """Write the minutes' bars, heard of `exchange`; `known` remembers the partitions that exist. Returns how many."""
    rows = {(row[0], row[1]): row for minute in minutes for row in _rows(minute, exchange)}
    if not rows:
        return 0
    months = {month_of(at) for _, at in rows} - known
    if months:
        ensure_months(connection, months)
    lock_months(connection, market, {symbol for symbol, _ in rows}, {month_of(at) for _, at in rows})
    connection.execute(_INSERT, (market, *map(list, zip(*rows.values(), strict=True))))
    return len(rows)


def roll_up(connection: Connection, market: str, symbols: Iterable[str], since: datetime, until: datetime) -> int:
    """Build every longer bar that closed in (`since`, `until`] from the minutes there are. Returns how many."""
    names = sorted(set(symbols))
    written = 0
    for interval, span in list(INTERVALS.items())[1:]:
        first, last = floor(since, span), floor(until, span)
        if names and first < last:
            place = {"market": market, "symbols": names, "since": first, "until": last, "origin": _EPOCH}
            words = {"interval": interval, "span": span, "minutes": span // MINUTE}
            written += connection.execute(_ROLL_UP, place | words).rowcount
    return written


def floor(at: datetime, span: timedelta) -> datetime:
    """The last multiple of `span` since the epoch at or before `at`."""
    return at - (at - _EPOCH) % span


def _rows(minute: Minute, exchange: str) -> Iterable[BarRow]:
    opened, source = minute.at - MINUTE, source_of(exchange, live=not minute.caught_up)
    prices = (minute.open, minute.high, minute.low, minute.close, minute.volume)
    columns = (minute.symbols, *prices, minute.trade_counts(), minute.quality)
    for symbol, first, high, low, close, volume, trades, quality in zip(*columns, strict=True):
        yield symbol, opened, first, high, low, close, volume, trades, quality, source
