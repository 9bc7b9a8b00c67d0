"""Bars from files are the database's, whoever changed those and whatever happened to these."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.ports import BarColumns
from engine.store.bulk import write_bars
from engine.store.cache import read_cached
from engine.store.database import Connection, Database
from engine.store.errors import DatabaseDown
from engine.store.migrating import migrate
from engine.store.reading import read_bars
from tests.store.coins import ARRAYS, MINUTE, NOW, coin

_SINCE, _UNTIL = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 3, 10, tzinfo=UTC)
_MONTH = "bars_2025_02"


def _fill(database: Database, seed: int = 1) -> None:
    with database.connect() as connection:
        write_bars(connection, "live", "vendor", [coin(count=600, seed=seed), coin("ETH/USD", 600, 2)], now=NOW)


def _cached(database: Database, folder: Path, extras: bool = True, interval: timedelta = MINUTE) -> BarColumns:
    return read_cached(database, folder, "live", "BTC/USD", interval, _SINCE, _UNTIL, extras=extras)


def _assert_right(database: Database, folder: Path) -> None:
    got, want = _cached(database, folder), read_bars(database, "live", "BTC/USD", MINUTE, _SINCE, _UNTIL, extras=True)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(got, name), getattr(want, name))
        assert getattr(got, name).dtype == getattr(want, name).dtype


def _files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_the_second_reading_is_from_the_files_and_the_same(database: Database, tmp_path: Path) -> None:
    _fill(database)
    _assert_right(database, tmp_path)
    files = _files(tmp_path)
    assert sorted(name[:7] for name in files) == ["2025-01", "2025-02"]
    _assert_right(database, tmp_path)
    assert _files(tmp_path) == files


def test_a_file_is_read_without_asking_the_database_for_bars(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(database)
    want = _cached(database, tmp_path)
    monkeypatch.delattr("engine.store.cache.read_columns")
    np.testing.assert_array_equal(_cached(database, tmp_path).close, want.close)


def test_a_stretch_within_the_months_is_cut_by_open_times(database: Database, tmp_path: Path) -> None:
    _fill(database)
    since, until = datetime(2025, 1, 31, 23, 50, tzinfo=UTC), datetime(2025, 2, 1, 0, 10, tzinfo=UTC)
    for _ in range(2):
        got = read_cached(database, tmp_path, "live", "BTC/USD", MINUTE, since, until)
        assert len(got.time) == 20
        assert got.vwap is None


def test_what_is_not_there_is_empty_and_what_is_not_kept_is_refused(database: Database, tmp_path: Path) -> None:
    assert len(_cached(database, tmp_path).time) == 0
    with pytest.raises(ValueError, match="bars of 0:03:00 are not kept"):
        _cached(database, tmp_path, interval=3 * MINUTE)


_WRITERS: dict[str, Callable[[Connection], object]] = {
    "a statement by hand": lambda c: c.execute("UPDATE bars SET close = close + 1 WHERE interval = '1m'"),
    "a statement on the month": lambda c: c.execute(f"UPDATE {_MONTH} SET close = close + 1".encode()),
    "a removal": lambda c: c.execute("DELETE FROM bars WHERE time > '2025-02-01 05:00+00'"),
    "an emptied month": lambda c: c.execute(f"TRUNCATE {_MONTH}".encode()),
    "everything emptied": lambda c: c.execute("TRUNCATE bars"),
    "another name": lambda c: c.execute("UPDATE bars SET symbol = 'XBT/USD' WHERE symbol = 'BTC/USD'"),
    "the desk's own way": lambda c: write_bars(c, "live", "vendor", [coin(count=600, seed=9)], now=NOW),
    "an addition": lambda c: write_bars(c, "live", "vendor", [coin(count=900)], now=NOW),
}


@pytest.mark.parametrize("who", _WRITERS)
def test_whoever_changes_bars_the_next_reading_has_it(database: Database, tmp_path: Path, who: str) -> None:
    _fill(database)
    before = _cached(database, tmp_path)
    with database.connect() as connection:
        _WRITERS[who](connection)
    _assert_right(database, tmp_path)
    after = _cached(database, tmp_path)
    assert len(before.time) != len(after.time) or (before.close != after.close).any()
    assert len([name for name in _files(tmp_path) if name.startswith("2025-02")]) == 1


@pytest.mark.parametrize("how", [f"DROP TABLE {_MONTH}", f"ALTER TABLE bars DETACH PARTITION {_MONTH}"])
def test_a_month_that_was_taken_away_is_away(empty: Database, tmp_path: Path, how: str) -> None:
    migrate(empty)
    _fill(empty)
    _assert_right(empty, tmp_path)
    with empty.connect() as connection:
        connection.execute(how.encode())
    _assert_right(empty, tmp_path)
    assert len(_cached(empty, tmp_path).time) == 120


def test_a_change_of_one_coin_leaves_the_others_files_alone(database: Database, tmp_path: Path) -> None:
    _fill(database)
    _cached(database, tmp_path)
    files = _files(tmp_path)
    with database.connect() as connection:
        connection.execute("UPDATE bars SET close = close + 1 WHERE symbol = 'ETH/USD'")
    _cached(database, tmp_path)
    assert _files(tmp_path) == files


def test_an_uncommitted_change_is_not_read_and_a_committed_one_is(database: Database, tmp_path: Path) -> None:
    _fill(database)
    before = _cached(database, tmp_path)
    with database.connect() as connection:
        connection.execute("UPDATE bars SET close = close + 1")
        np.testing.assert_array_equal(_cached(database, tmp_path).close, before.close)
    _assert_right(database, tmp_path)
    assert (_cached(database, tmp_path).close != before.close).all()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7), st.sampled_from(("flip", "cut", "nothing left")))
def test_a_damaged_file_is_made_again_wherever_the_damage_is(
    database: Database, tmp_path: Path, place: float, bit: int, how: str
) -> None:
    if not _files(tmp_path):
        _fill(database)
    _cached(database, tmp_path)
    path = max(tmp_path.rglob("*.parquet"))
    raw = bytearray(path.read_bytes())
    where = int(place * len(raw))
    raw[where] ^= 1 << bit
    path.write_bytes({"flip": raw, "cut": raw[:where], "nothing left": b""}[how])
    _assert_right(database, tmp_path)
    _assert_right(database, tmp_path)


def test_a_file_of_another_database_is_not_taken_for_this_ones(
    database: Database, empty: Database, tmp_path: Path
) -> None:
    migrate(empty)
    _fill(database)
    _fill(empty, seed=5)
    for one in (database, empty, database):
        _assert_right(one, tmp_path)


def test_a_folder_that_cannot_be_written_costs_no_bars(database: Database, tmp_path: Path) -> None:
    _fill(database)
    (tmp_path / "cache").write_text("a file where the folder should be")
    got = _cached(database, tmp_path / "cache")
    assert len(got.time) == 600


def test_files_are_read_by_anything_that_reads_parquet(database: Database, tmp_path: Path) -> None:
    import pandas as pd

    _fill(database)
    want = _cached(database, tmp_path)
    frames = [pd.read_parquet(path) for path in sorted(tmp_path.rglob("*.parquet"))]
    frame = pd.concat(frames)
    assert str(frame["time"].dtype) == "datetime64[us, UTC]"
    np.testing.assert_array_equal(frame["close"], want.close)


def test_many_readers_while_bars_change_never_see_halves(database: Database, tmp_path: Path) -> None:
    """Each load puts one number into every close: a reading with two numbers in it would be of two moments."""
    bars = coin(count=600)
    same = {name: np.full(600, 1.0) for name in ("open", "high", "low", "close", "volume")}
    problems: list[str] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            closes = set(_cached(database, tmp_path, extras=False).close.tolist())
            if len(closes) > 1:
                problems.append(f"two moments in one reading: {closes}")

    def write(number: float) -> None:
        columns = {name: values * number for name, values in same.items()}
        with database.connect() as connection:
            write_bars(connection, "live", "vendor", [BarColumns("BTC/USD", MINUTE, bars.time, **columns)], now=NOW)

    write(1.0)
    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(2, 8):
        write(float(number))
    ended.set()
    for reader in readers:
        reader.join()
    assert not problems
    assert set(_cached(database, tmp_path).close.tolist()) == {7.0}


def test_without_a_database_nothing_is_taken_for_right(database: Database, tmp_path: Path) -> None:
    from engine.store.database import addressed

    _fill(database)
    _cached(database, tmp_path)
    with pytest.raises(DatabaseDown):
        _cached(addressed("postgresql://me@127.0.0.1:9/desk"), tmp_path)
