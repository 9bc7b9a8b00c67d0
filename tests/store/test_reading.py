"""What was written comes back as columns, to the bit."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from engine.domain import instant, micros
from engine.messages import Minute
from engine.store.bars import roll_up, write_minutes
from engine.store.database import Database
from engine.store.partitions import Month
from engine.store.reading import merge, read_bars, read_history
from tests.store.worlds import MINUTE, START, minute


def _write(database: Database, count: int = 300) -> list[Minute]:
    minutes = [minute(START + step * MINUTE, ["BTC/USD", "ETH/USD"]) for step in range(1, count + 1)]
    known: set[Month] = set()
    with database.connect() as connection:
        write_minutes(connection, "live", minutes, known)
        roll_up(connection, "live", ["BTC/USD", "ETH/USD"], START, START + count * MINUTE)
    return minutes


def test_columns_are_the_minutes_to_the_bit(database: Database) -> None:
    minutes = _write(database)
    got = read_bars(database, "live", "ETH/USD", MINUTE, START, START + timedelta(days=1))
    assert got.time.dtype == np.int64
    assert [instant(at) for at in got.time] == [item.at for item in minutes]
    for name in ("open", "high", "low", "close", "volume"):
        assert getattr(got, name).dtype == np.float64
        assert getattr(got, name).tolist() == [getattr(item, name)[1] for item in minutes]


def test_a_stretch_is_bounded_by_open_times(database: Database) -> None:
    _write(database)
    got = read_bars(database, "live", "BTC/USD", MINUTE, START + 10 * MINUTE, START + 20 * MINUTE)
    assert got.time[0] == micros(START + 11 * MINUTE)
    assert len(got.time) == 10


def test_longer_bars_carry_their_close_time(database: Database) -> None:
    _write(database)
    got = read_bars(database, "live", "BTC/USD", timedelta(hours=1), START, START + timedelta(days=1))
    assert [instant(at) for at in got.time] == [START + timedelta(hours=n) for n in range(1, 6)]
    assert got.interval == timedelta(hours=1)


def test_what_is_not_there_is_empty_and_what_is_not_kept_is_refused(database: Database) -> None:
    assert len(read_bars(database, "live", "X/USD", MINUTE, START, START + MINUTE).time) == 0
    with pytest.raises(ValueError, match="bars of 0:03:00 are not kept; there are 1m, 5m"):
        read_bars(database, "live", "X/USD", 3 * MINUTE, START, START + MINUTE)


def test_history_for_warming_has_the_last_minutes_of_each_known_symbol(database: Database) -> None:
    _write(database)
    got = read_history(database, "live", ["BTC/USD", "NEW/USD"], START + 300 * MINUTE, 51)
    assert list(got) == ["BTC/USD"]
    assert len(got["BTC/USD"].time) == 51
    assert got["BTC/USD"].time[-1] == micros(START + 300 * MINUTE)


def test_merged_stretches_have_each_bar_once_and_the_newer_wins(database: Database) -> None:
    _write(database)
    older = read_bars(database, "live", "BTC/USD", MINUTE, START, START + 20 * MINUTE)
    newer = read_bars(database, "live", "ETH/USD", MINUTE, START + 10 * MINUTE, START + 30 * MINUTE)
    both = merge(older, newer)
    assert both.time.tolist() == [micros(START + step * MINUTE) for step in range(1, 31)]
    assert both.close.tolist() == [*older.close[:10].tolist(), *newer.close.tolist()]
