"""History into the store: what is missing is added, what differs becomes a new revision, longer bars follow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

import numpy as np

from engine.domain import Symbol, instant, micros
from engine.ports import BarColumns
from engine.store.bars import MINUTE, roll_up, source_of
from engine.store.database import Connection
from engine.store.gaps import mark_healed
from engine.store.lease import Lease
from engine.store.partitions import ensure_months, month_of
from engine.store.stamps import lock_months

Row: TypeAlias = tuple[Symbol, datetime, float, float, float, float, float, str, int]

_MINUTE_US = MINUTE // timedelta(microseconds=1)
# Bars of another source than the desk's own feed and its history stay: two venues' bars are not the same bars.
# A volume is a sum of floats, whose last bits depend on the order of the trades.
_RECONCILE = """
INSERT INTO bars AS b (market, symbol, interval, time, open, high, low, close, volume, quality, source, revision)
SELECT %(market)s, h.symbol, '1m', h.time, h.open, h.high, h.low, h.close, h.volume, h.quality, %(history)s, h.revision
FROM unnest(%(symbols)s::text[], %(times)s::timestamptz[], %(opens)s::float8[], %(highs)s::float8[], %(lows)s::float8[],
    %(closes)s::float8[], %(volumes)s::float8[], %(qualities)s::text[], %(revisions)s::integer[])
    AS h(symbol, time, open, high, low, close, volume, quality, revision)
ORDER BY h.symbol, h.time
ON CONFLICT (market, symbol, interval, time) DO UPDATE SET open = excluded.open, high = excluded.high,
    low = excluded.low, close = excluded.close, volume = excluded.volume, vwap = NULL, trades = NULL,
    quality = 'healed', source = %(history)s, revision = b.revision + 1
WHERE b.source IN (%(feed)s, %(history)s) AND (
    (b.open, b.high, b.low, b.close) IS DISTINCT FROM (excluded.open, excluded.high, excluded.low, excluded.close)
    OR abs(b.volume - excluded.volume) > 1e-6 * greatest(b.volume, excluded.volume))
RETURNING symbol, time, revision
"""


class Healed(NamedTuple):
    """What history changed: bars added where none were, bars that differed, gaps that are filled now."""

    added: int = 0
    revised: int = 0
    gaps: int = 0

    def plus(self, other: Healed) -> Healed:
        return Healed(self.added + other.added, self.revised + other.revised, self.gaps + other.gaps)


class Span(NamedTuple):
    """History of one symbol, and the stretch that it is an account of.

    `told`: until when the source has said all that was traded, also where its last bar is older; None: not known.
    """

    bars: BarColumns
    since: datetime
    until: datetime
    told: datetime | None = None


def write_history(
    connection: Connection,
    desk: tuple[str, str],
    spans: Sequence[Span],
    live_since: datetime,
    lease: Lease | None,
    exchange: str = "",
) -> Healed:
    """Bring the one-minute bars of `spans` into the store in one transaction; `desk` is (desk_id, market).

    What opened before `live_since` is history as such; what opened later stands for what the desk should have heard.
    Nothing else writes meanwhile: the lease's row is held. `exchange` is the desk's feed: only its bars are revised.
    """
    rows = [row for span in spans for row in _rows(span, live_since)]
    with connection.transaction():
        if lease is not None:
            connection.execute("SELECT 1 FROM lease FOR UPDATE")
            lease.check(connection)
        months = {month_of(row[1]) for row in rows}
        ensure_months(connection, months)
        lock_months(connection, desk[1], {span.bars.symbol for span in spans}, months)
        changed = _reconcile(connection, desk[1], rows, exchange)
        _roll_up(connection, desk, changed)
        gaps = sum(mark_healed(connection, *desk, span.bars.symbol, span.since, span.until) for span in spans)
    added = sum(revision <= 1 and is_new for _, _, revision, is_new in changed)
    return Healed(added, len(changed) - added, gaps)


def filled(bars: BarColumns, since: datetime, until: datetime, told: datetime | None = None) -> BarColumns:
    """`bars` within [`since`, `until`), with a flat bar of volume 0 for each minute in which the source saw no trade.

    Minutes before its first bar, and after its last and after `told`, stay away: of those the source says nothing.
    """
    first, last = (int(at.timestamp() * 1_000_000) for at in (since, until))
    if not bars.time.size:
        return bars
    end = bars.time[-1] if told is None else max(bars.time[-1], micros(told) // _MINUTE_US * _MINUTE_US)
    time = np.arange(bars.time[0], end + 1, _MINUTE_US)
    place = np.searchsorted(bars.time, time, side="right") - 1
    real = bars.time[place] == time
    close = bars.close[place]
    parts = {name: np.where(real, getattr(bars, name)[place], close) for name in ("open", "high", "low")}
    volume = np.where(real, bars.volume[place], 0.0)
    kept = (time > first) & (time <= last)
    columns = {name: part[kept] for name, part in (parts | {"close": close, "volume": volume}).items()}
    return BarColumns(bars.symbol, bars.interval, time[kept], **columns)


def _rows(span: Span, live_since: datetime) -> list[Row]:
    bars = filled(*span)
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    rows: list[Row] = []
    for close_us, o, h, low, c, v in zip(bars.time.tolist(), *(column.tolist() for column in columns), strict=True):
        opened = instant(close_us - _MINUTE_US)
        grade, revision = ("healed", 1) if opened >= live_since else ("good" if v else "quiet", 0)
        rows.append((bars.symbol, opened, o, h, low, c, v, grade, revision))
    return rows


def _reconcile(
    connection: Connection, market: str, rows: Sequence[Row], exchange: str
) -> list[tuple[Symbol, datetime, int, bool]]:
    """What changed: (symbol, time, revision, whether there was no bar before)."""
    if not rows:
        return []
    names = ("symbols", "times", "opens", "highs", "lows", "closes", "volumes", "qualities", "revisions")
    words = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    known = _known(connection, market, rows)
    own = {"feed": source_of(exchange, live=True), "history": source_of(exchange, live=False)}
    found = connection.execute(_RECONCILE, {"market": market, **own, **words}).fetchall()
    return [(symbol, time, revision, (symbol, time) not in known) for symbol, time, revision in found]


def _known(connection: Connection, market: str, rows: Sequence[Row]) -> set[tuple[Symbol, datetime]]:
    sql = """
    SELECT symbol, time FROM bars WHERE market = %s AND interval = '1m' AND symbol = ANY(%s)
        AND time >= %s AND time <= %s
    """
    names, times = sorted({row[0] for row in rows}), [row[1] for row in rows]
    return set(connection.execute(sql, (market, names, min(times), max(times))).fetchall())


def _roll_up(
    connection: Connection, desk: tuple[str, str], changed: Sequence[tuple[Symbol, datetime, int, bool]]
) -> None:
    """Longer bars over what changed, as far as the ledger's minutes are written; later ones are rolled up with them."""
    if not changed:
        return
    row = connection.execute("SELECT minute FROM projection_cursor WHERE desk_id = %s", (desk[0],)).fetchone()
    until = max([time + MINUTE for _, time, _, _ in changed] if row is None or row[0] is None else [row[0]])
    since = min(time for _, time, _, _ in changed)
    roll_up(connection, desk[1], {symbol for symbol, _, _, _ in changed}, since, until)
