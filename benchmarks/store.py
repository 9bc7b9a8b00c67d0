"""How fast history goes into the embedded PostgreSQL and comes out again, beside executemany and pandas.read_sql.

`python benchmarks/store.py` loads 20 coins × 6 months of one-minute bars in pieces of a coin's month, each in a
transaction with its mark, two writers at a time, as `nightdesk backfill` does; `--full` loads 99 coins. Roll-ups to a
day are part of the load. The server is the product's own, with its own settings, in a temporary folder.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from report import Board

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from engine.domain import instant, micros  # noqa: E402
from engine.ports import BarColumns  # noqa: E402
from engine.store.bulk import write_bars  # noqa: E402
from engine.store.cache import read_cached  # noqa: E402
from engine.store.database import Database, embedded  # noqa: E402
from engine.store.embedded import EmbeddedPostgres  # noqa: E402
from engine.store.migrating import migrate  # noqa: E402
from engine.store.pieces import Written, finish_piece  # noqa: E402
from engine.store.reading import read_bars  # noqa: E402

MINUTE = timedelta(minutes=1)
MONTHS = [datetime(2025, number, 1, tzinfo=UTC) for number in range(1, 8)]
SINCE, UNTIL = MONTHS[0], MONTHS[-1]
WRITERS = 2
NAMES = ("open", "high", "low", "close", "volume", "vwap", "trades")


def market_of(coins: int, seed: int = 1) -> Iterator[tuple[str, list[BarColumns]]]:
    """Coins with six months of minutes each, by month; as coins differ, so do their prices."""
    count = (UNTIL - SINCE) // MINUTE
    chance = np.random.default_rng(seed)
    closes = micros(SINCE) + (np.arange(count, dtype=np.int64) + 1) * 60_000_000
    cuts = np.searchsorted(closes - 60_000_000, [micros(month) for month in MONTHS[1:-1]])
    path = np.exp(np.cumsum(chance.normal(0, 1e-3, count)))
    volume, trades = chance.exponential(5.0, count), chance.poisson(9, count).astype(float)
    for number in range(coins):
        close = path * (1 + number)
        opened = np.r_[close[:1], close[:-1]]
        high, low = np.maximum(opened, close) * 1.0002, np.minimum(opened, close) * 0.9998
        columns = (closes, opened, high, low, close, volume, (high + low) / 2, trades)
        parts = zip(*(np.split(column, cuts) for column in columns), strict=True)
        yield f"C{number:02d}/USD", [BarColumns(f"C{number:02d}/USD", MINUTE, *part) for part in parts]


def load(database: Database, coins: int) -> Written:
    """Every piece in its own transaction, `WRITERS` at a time."""
    pieces = (part for _, parts in market_of(coins) for part in parts)

    def write(part: BarColumns) -> Written:
        with database.connect() as connection:
            written = write_bars(connection, "live", "vendor", [part])
            key = f"{part.symbol} {instant(int(part.time[0])):%Y-%m}"
            finish_piece(connection, "benchmark", key, "live", "vendor", written)
        return written

    total = Written()
    with ThreadPoolExecutor(WRITERS) as pool:
        for number, written in enumerate(pool.map(write, pieces), start=1):
            total = total.plus(written)
            if number % 60 == 0:
                print(f"{number} pieces, {total.rows:,} bars", file=sys.stderr, flush=True)
    return total


def load_by_day(database: Database, coins: int) -> float:
    """Rows a second when a piece is a day of every coin, as vendors' daily files are."""
    since, days, rows = datetime(2024, 6, 1, tzinfo=UTC), 5, 1440
    bars = [(symbol, parts[0]) for symbol, parts in market_of(coins)]
    began = time.perf_counter()
    for day in range(days):
        part = slice(day * rows, (day + 1) * rows)
        times = micros(since) + (np.arange(rows, dtype=np.int64) + 1 + day * rows) * 60_000_000
        columns = [
            BarColumns(symbol, MINUTE, times, *(getattr(one, name)[part] for name in NAMES)) for symbol, one in bars
        ]
        with database.connect() as connection:
            write_bars(connection, "live", "vendor", columns)
    return days * rows * coins / (time.perf_counter() - began)


def executemany(database: Database) -> float:
    """One-minute bars a second of the plain way in: a coin's month, its longer bars ready-made, an upsert a row.

    The same columns, key and partition, without comparison, revisions and stamps.
    """
    with database.connect() as connection, connection.cursor() as cursor:
        rows = cursor.execute("SELECT * FROM bars_2025_01 WHERE symbol = 'C00/USD' ORDER BY time").fetchall()
        cursor.execute("CREATE TABLE plain_bars (LIKE bars INCLUDING ALL) PARTITION BY RANGE (time)")
        cursor.execute(
            "CREATE TABLE plain_month PARTITION OF plain_bars FOR VALUES FROM ('2025-01-01+00') TO ('2025-02-01+00')"
        )
        connection.commit()
        began = time.perf_counter()
        cursor.executemany(
            f"INSERT INTO plain_bars VALUES ({', '.join(['%s'] * 14)}) ON CONFLICT (market, symbol, interval, time)"
            " DO UPDATE SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,"
            " volume = excluded.volume, vwap = excluded.vwap, trades = excluded.trades".encode(),
            rows,
        )
        connection.commit()
        took = time.perf_counter() - began
        cursor.execute("DROP TABLE plain_bars")
    return sum(row[2] == "1m" for row in rows) / took


def read_sql(database: Database) -> None:
    import pandas as pd
    from sqlalchemy import create_engine, text

    engine = create_engine("postgresql+psycopg://", creator=database.connect)
    query = text(
        "SELECT time, open, high, low, close, volume FROM bars WHERE market = 'live' AND symbol = 'C00/USD'"
        " AND interval = '1m' AND time >= :since AND time < :until ORDER BY time"
    )
    with engine.connect() as connection:
        frame = pd.read_sql(query, connection, params={"since": SINCE, "until": UNTIL})
    assert len(frame) == (UNTIL - SINCE) // MINUTE
    engine.dispose()


def seconds(work: Callable[[], object], times: int = 7) -> tuple[float, float]:
    """The median and the slowest of several runs, after one that is not counted."""
    work()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken), max(taken)


def measure(board: Board, database: Database, folder: Path, coins: int) -> None:
    began = time.perf_counter()
    total = load(database, coins)
    took = time.perf_counter() - began
    peer = executemany(database)
    what = f"{coins} coins × 6 months × 1 m ({total.rows / 1e6:.1f} M bars, and 0.29 as many longer ones) loaded"
    board.add(what, took, "s")
    board.add("load, one-minute bars", total.rows / took, "rows/s", peer=peer, ratio=total.rows / took / peer)
    board.add("load of daily files (a day of every coin in a piece)", load_by_day(database, coins), "rows/s", peer=peer)
    began = time.perf_counter()
    again = load(database, min(coins, 10))
    assert again.same == again.rows
    rate = again.rows / (time.perf_counter() - began)
    board.add("load of what is there already", rate, "rows/s", peer=peer, ratio=rate / peer)

    def from_database(extras: bool = False) -> BarColumns:
        return read_bars(database, "live", "C00/USD", MINUTE, SINCE, UNTIL, extras=extras)

    def from_cache(extras: bool = False) -> BarColumns:
        return read_cached(database, folder / "cache", "live", "C00/USD", MINUTE, SINCE, UNTIL, extras=extras)

    peer, _ = seconds(lambda: read_sql(database), times=3)
    for name, work in (("database", from_database), ("cache, its check included", from_cache)):
        for extras in (False, True):
            middle, slowest = seconds(lambda work=work, extras=extras: work(extras))
            said = f"one coin × 6 months into numpy from the {name}{', with vwap and trades' if extras else ''}"
            board.add(f"{said} (slowest {slowest:.3f})", middle, "s", peer=peer, ratio=peer / middle)
    stored, cached = from_database(), from_cache()
    assert all((getattr(stored, name) == getattr(cached, name)).all() for name in ("time", *NAMES[:5]))
    with database.connect() as connection:
        size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    board.add("the database on disk", size[0] / 2**30 if size else None, "GiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="99 coins (26 million bars), as the issue has it")
    parser.add_argument("--coins", type=int, default=20, help="how many coins (default 20)")
    words = parser.parse_args()
    coins = 99 if words.full else words.coins
    folder = Path(tempfile.mkdtemp(prefix="nightdesk-store-"))
    board = Board()
    server = EmbeddedPostgres(folder)
    try:
        server.start()
        database = embedded(server)
        migrate(database)
        measure(board, database, folder, coins)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    board.publish("store", f"embedded PostgreSQL with the product's settings, {coins} coins, {WRITERS} writers")


if __name__ == "__main__":
    main()
