"""Raw trades in the database: each batch once, each numbered trade once, whole days gone when they are old."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from engine.domain import micros
from engine.store.database import Database
from engine.store.tick_journal import NO_ID, ROW
from engine.store.tick_rows import drop_old_ticks, write_ticks

_NAMES = [("kraken", "BTC/USD"), ("kraken", "ETH/USD")]
_NIGHT = datetime(2025, 5, 31, 23, 59, tzinfo=UTC)  # the trades go over a day's end


def _trades(count: int = 200, first_id: int = 1) -> np.ndarray:
    chance = np.random.default_rng(1)
    rows = np.zeros(count, ROW)
    rows["time"] = micros(_NIGHT) + np.sort(chance.integers(0, 120_000_000, count))
    rows["received"] = rows["time"] + 20_000
    rows["name"] = chance.integers(0, 2, count)
    for name in ("price", "volume", "bid", "ask"):
        rows[name] = chance.random(count)
    rows["bid"][::7] = np.nan
    rows["trade_id"] = np.arange(first_id, first_id + count)
    return rows


def _write(database: Database, rows: np.ndarray, batch: str) -> int:
    with database.connect() as connection:
        return write_ticks(connection, "live", _NAMES, rows, batch)


def _stored(database: Database) -> list[tuple[object, ...]]:
    sql = """
    SELECT (extract(epoch FROM time) * 1000000)::bigint, (extract(epoch FROM received) * 1000000)::bigint, exchange,
        symbol, price, volume, bid, ask, trade_id FROM ticks ORDER BY trade_id, time
    """
    with database.connect() as connection:
        return connection.execute(sql).fetchall()


def _told(rows: np.ndarray) -> list[tuple[object, ...]]:
    return [
        (time, received, *_NAMES[name], price, volume, None if bid != bid else bid, None if ask != ask else ask, number)
        for time, received, name, price, volume, bid, ask, number in rows.tolist()
    ]


def test_trades_come_back_to_the_bit(database: Database) -> None:
    rows = _trades()
    assert _write(database, rows, "one") == 200
    assert _stored(database) == _told(rows)


def test_a_batch_is_written_once_also_where_trades_have_no_number(database: Database) -> None:
    rows = _trades(50)
    rows["trade_id"] = NO_ID
    assert [_write(database, rows, "one") for _ in range(3)] == [50, 0, 0]
    assert len(_stored(database)) == 50
    assert {row[-1] for row in _stored(database)} == {None}


def test_a_batch_that_was_not_committed_was_not_written(database: Database) -> None:
    rows = _trades(50)
    with database.connect() as connection:
        write_ticks(connection, "live", _NAMES, rows, "one")
        connection.rollback()
    assert _write(database, rows, "one") == 50


def test_a_trade_that_a_venue_sends_again_is_there_once(database: Database) -> None:
    rows = _trades(100)
    assert _write(database, rows[:60], "one") == 60
    assert _write(database, rows[40:], "two") == 40
    assert _stored(database) == _told(rows)


def test_two_batches_in_one_transaction_do_not_mix(database: Database) -> None:
    rows = _trades(100)
    with database.connect() as connection:
        assert write_ticks(connection, "live", _NAMES, rows[:50], "one") == 50
        assert write_ticks(connection, "replay:x", _NAMES, rows[50:], "two") == 50
        found = connection.execute("SELECT market, count(*) FROM ticks GROUP BY 1 ORDER BY 1").fetchall()
    assert found == [("live", 50), ("replay:x", 50)]


@pytest.mark.parametrize(("keep", "left"), [(7, 2), (1, 2), (0, 1), (-1, 0)])
def test_old_days_go_as_a_whole_and_no_other(database: Database, keep: int, left: int) -> None:
    _write(database, _trades(), "one")
    with database.connect() as connection:
        drop_old_ticks(connection, date(2025, 6, 1), keep)
        days = {time.date() for (time,) in connection.execute("SELECT time AT TIME ZONE 'UTC' FROM ticks").fetchall()}
        assert days == {date(2025, 6, 1) - timedelta(days=number) for number in range(left)}
        assert drop_old_ticks(connection, date(2025, 6, 1), keep) == []
