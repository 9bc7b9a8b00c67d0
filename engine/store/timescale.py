"""TimescaleDB where there is one: hypertables for bars and ticks, and continuous aggregates behind the longer views.

Native partitions are the default, and nothing else here depends on which it is. The step is taken by the migration of
an empty database that has the extension: rows that are there already stay where they are. The Apache edition has
hypertables only; continuous aggregates and their policies belong to the Timescale License. What the extension refuses
is rolled back to native partitions, with the reason in the log. Source: TimescaleDB's documentation, 2.18 on.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import psycopg

from engine.store.bars import INTERVALS
from engine.store.database import Connection
from engine.store.partitions import is_native

log = logging.getLogger(__name__)

_OLDEST = (2, 18)  # hypertables fire statement triggers with transition tables, which the stamps need
_TABLES = {"bars": "1 month", "ticks": "1 day"}
_WIDTHS = {"5m": "5 minutes", "15m": "15 minutes", "1h": "1 hour", "4h": "4 hours", "1d": "1 day"}
# The columns and rules of `bars.roll_up`; a sum may differ from it in the last bits, for its order is the server's.
_AGGREGATE = """
CREATE MATERIALIZED VIEW ohlcv_{interval} WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT market, symbol, time_bucket(INTERVAL '{width}', time) AS time, first(open, time) AS open, max(high) AS high,
    min(low) AS low, last(close, time) AS close, sum(volume) AS volume,
    CASE WHEN count(vwap) = count(*) AND sum(volume) > 0 THEN sum(vwap * volume) / sum(volume) END AS vwap,
    sum(trades)::integer AS trades,
    CASE WHEN bool_or(quality = 'doubtful') THEN 'doubtful' WHEN count(*) < {minutes} THEN 'missing'
         WHEN bool_and(quality = 'quiet') THEN 'quiet' WHEN bool_or(quality = 'healed') THEN 'healed' ELSE 'good'
    END AS quality
FROM bars WHERE interval = '1m' GROUP BY market, symbol, time_bucket(INTERVAL '{width}', time) WITH NO DATA
"""
# From the beginning: a backfill of years ago is to be seen too. Only what changed is computed again.
_POLICY = """
SELECT add_continuous_aggregate_policy('ohlcv_{interval}', start_offset => NULL,
    end_offset => INTERVAL '{width}', schedule_interval => INTERVAL '{width}', if_not_exists => true)
"""


_VIEWS = {  # as the first migration has them
    "price_data": "SELECT market, symbol, interval, time, open, high, low, close, volume, vwap, trades, quality, source"
    " FROM bars",
    **{
        f"ohlcv_{interval}": "SELECT market, symbol, time, open, high, low, close, volume, vwap, trades, quality"
        f" FROM bars WHERE interval = '{interval}'"
        for interval in INTERVALS
    },
}


@dataclass(frozen=True, slots=True)
class Extension:
    """What a server says of TimescaleDB. `installed` is "" when it could be had and is not in this database."""

    available: str
    installed: str = ""
    licence: str = ""  # "apache" or "timescale"; "" until it is installed

    @property
    def new_enough(self) -> bool:
        parts = self.installed.split("-")[0].split(".")
        return tuple(int(part) for part in parts[:2] if part.isdigit()) >= _OLDEST

    @property
    def aggregates(self) -> bool:
        return self.licence == "timescale"


def look(connection: Connection) -> Extension | None:
    """What there is of the extension: available, then installed, then licensed; None when it is not to be had."""
    row = connection.execute(
        "SELECT a.default_version, e.extversion, current_setting('timescaledb.license', true)"
        " FROM pg_available_extensions a LEFT JOIN pg_extension e ON e.extname = a.name WHERE a.name = 'timescaledb'"
    ).fetchone()
    if row is None:
        return None
    available, installed, licence = (word or "" for word in row)
    return Extension(available, installed, licence if installed else "")


def refusal(extension: Extension | None, empty: bool) -> str:
    """Why bars and ticks stay in native partitions; "" when they may become hypertables."""
    if extension is None:
        return "TimescaleDB is not available"
    if not extension.installed:
        return "TimescaleDB is not in this database (CREATE EXTENSION timescaledb before the first migration)"
    if not extension.new_enough:
        return f"TimescaleDB {extension.installed} is too old ({'.'.join(map(str, _OLDEST))} is needed)"
    return "" if empty else "there are bars or ticks already, which stay where they are"


def adopt(connection: Connection) -> str:
    """Make hypertables of `bars` and `ticks` where that can be; a sentence that says how bars are kept now."""
    if not is_native(connection, "bars"):
        return "bars are kept in hypertables"
    extension = look(connection)
    rows = connection.execute("SELECT EXISTS (SELECT FROM bars) OR EXISTS (SELECT FROM ticks)").fetchone()
    why = refusal(extension, empty=rows == (False,))
    if extension is not None and not why:
        try:
            with connection.transaction():
                for statement in statements(extension.aggregates):
                    connection.execute(statement.encode())
            return f"bars are kept in hypertables (TimescaleDB {extension.installed}, {extension.licence} licence)"
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            why = f"TimescaleDB refused: {str(error).strip().splitlines()[0]}"
            log.warning("%s; bars are kept in native partitions", why)
    return f"bars are kept in native partitions: {why}"


def statements(aggregates: bool) -> list[str]:
    """What makes hypertables of empty native tables, and with `aggregates` the longer views continuous aggregates."""
    made = [f"DROP VIEW {', '.join(_VIEWS)}"]
    for table, chunk in _TABLES.items():
        made += [
            f"ALTER TABLE {table} RENAME TO native_{table}",
            f"CREATE TABLE {table} (LIKE native_{table} INCLUDING ALL)",
            f"DROP TABLE native_{table}",
            f"SELECT create_hypertable('{table}', by_range('time', INTERVAL '{chunk}'))",
        ]
    made.append("SELECT watch_bars('bars')")
    continuous = {f"ohlcv_{interval}": interval for interval in _WIDTHS} if aggregates else {}
    for view, body in _VIEWS.items():
        if view in continuous:
            interval = continuous[view]
            minutes = INTERVALS[interval] // INTERVALS["1m"]
            words = {"interval": interval, "width": _WIDTHS[interval], "minutes": minutes}
            made += [_AGGREGATE.format(**words), _POLICY.format(**words)]
        else:
            made.append(f"CREATE VIEW {view} AS {body}")
    return made
