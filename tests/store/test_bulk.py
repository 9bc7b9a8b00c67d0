"""History in bulk: every bar once, what differs as a revision, longer bars always what the minutes say."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.domain import instant
from engine.messages import Minute
from engine.store.bars import roll_up, write_minutes
from engine.store.bulk import write_bars
from engine.store.database import Connection, Database
from engine.store.pieces import Written, finish_piece, finished_pieces, pieces_of
from engine.store.reading import read_bars
from tests.store.coins import ARRAYS, MINUTE, MINUTE_US, NOW, SINCE, coin, roll_again, rows_of, some


def _write(database: Database, *bars, source: str = "vendor", **words) -> Written:
    with database.connect() as connection:
        return write_bars(connection, "live", source, bars, now=NOW, **words)


def _rows(database: Database) -> list[tuple[object, ...]]:
    with database.connect() as connection:
        return rows_of(connection)


def _versions(connection: Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT tableoid, ctid, xmin FROM bars ORDER BY 1, 2").fetchall()


def test_what_is_written_is_read_to_the_bit_with_what_the_source_did_not_say_left_open(database: Database) -> None:
    bars = coin(count=3000)
    assert _write(database, bars) == Written(rows=3000, new=3000)
    got = read_bars(database, "live", bars.symbol, MINUTE, SINCE, SINCE + 3000 * MINUTE, extras=True)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(got, name), getattr(bars, name))
    assert read_bars(database, "live", bars.symbol, MINUTE, SINCE, SINCE + MINUTE).vwap is None


def test_writing_the_same_again_touches_nothing(database: Database) -> None:
    bars = [coin("BTC/USD"), coin("ETH/USD", seed=2)]
    _write(database, *bars)
    with database.connect() as connection:
        before = _versions(connection), connection.execute("SELECT * FROM bar_stamps ORDER BY 1, 2, 3, 4").fetchall()
    assert _write(database, *bars) == Written(rows=1200, same=1200)
    with database.connect() as connection:
        assert _versions(connection) == before[0]
        assert connection.execute("SELECT * FROM bar_stamps ORDER BY 1, 2, 3, 4").fetchall() == before[1]


def test_what_differs_becomes_a_revision_and_only_its_longer_bars_change(database: Database) -> None:
    bars = coin()
    _write(database, bars)
    before = {row[:3]: row for row in _rows(database)}
    close = bars.close.copy()
    close[100] = bars.high[100]
    assert _write(database, replace(bars, close=close), source="other", quality="healed").revised == 1
    after = {row[:3]: row for row in _rows(database)}
    changed = {key for key in before if before[key] != after[key]}
    opened = SINCE + 100 * MINUTE
    assert sorted(key[0] for key in changed) == ["15m", "1d", "1h", "1m", "4h", "5m"]
    assert all(key[2] <= opened for key in changed)
    assert after["1m", "BTC/USD", opened][-3:] == ("healed", "other", 1)
    assert after["5m", "BTC/USD", opened][-3:] == ("healed", "1m", 1)


def test_a_mark_survives_a_source_that_says_the_same(database: Database) -> None:
    bars = coin(count=4)
    for number, mark in enumerate(("doubtful", "healed", "good")):
        _write(database, some(bars, [number]), quality=mark)
    assert _write(database, bars, source="other") == Written(rows=4, new=1, same=3)
    assert [row[-3:] for row in _rows(database) if row[0] == "1m"][:3] == [
        ("doubtful", "vendor", 0),
        ("healed", "vendor", 0),
        ("good", "vendor", 0),
    ]


def test_a_flat_minute_without_volume_is_quiet(database: Database) -> None:
    bars = coin(count=200)
    _write(database, bars)
    told = [row[-3] for row in _rows(database) if row[0] == "1m"]
    assert told == ["quiet" if volume == 0 else "good" for volume in bars.volume]
    assert "quiet" in told


def test_what_a_bar_lacks_is_added_without_changing_its_mark(database: Database) -> None:
    bars = coin(count=5)
    bare = replace(bars, vwap=None, trades=None)
    _write(database, bare, quality="doubtful")
    full = replace(bars, vwap=bars.close, trades=np.arange(5.0))
    assert _write(database, full).revised == 5
    assert _write(database, bare).same == 5  # and a source that says less takes nothing away
    rows = [row for row in _rows(database) if row[0] == "1m"]
    assert [(row[8], row[9], row[10]) for row in rows] == [
        (price, number, "doubtful") for number, price in enumerate(bars.close)
    ]


def test_another_sources_bars_may_be_kept(database: Database) -> None:
    bars = coin(count=10)
    _write(database, some(bars, slice(0, 5)), source="venue")
    other = replace(bars, volume=bars.volume + 1)
    assert _write(database, other, keep_others=True) == Written(rows=10, new=5, kept=5)
    corrected = replace(other, volume=bars.volume + 2)
    assert _write(database, corrected, keep_others=True) == Written(rows=10, revised=5, kept=5)
    assert [row[-2] for row in _rows(database) if row[0] == "1m"] == ["venue"] * 5 + ["vendor"] * 5


def test_where_there_are_minutes_a_vendors_longer_bars_stand_back(database: Database) -> None:
    bars = coin(count=10)
    five = replace(some(bars, [4, 9, 9]), interval=timedelta(minutes=5))
    five.time[2] += 5 * MINUTE_US
    assert _write(database, five).new == 3
    _write(database, bars)
    assert _write(database, five) == Written(rows=3, same=1, kept=2)
    rolled = [row for row in _rows(database) if row[0] == "5m"]
    assert [row[-2] for row in rolled] == ["1m", "1m", "vendor"]
    assert rolled[0][7] == bars.volume[:5].sum()


def test_minutes_and_longer_bars_may_come_in_one_call(database: Database) -> None:
    bars = coin(count=10)
    five = replace(some(bars, [4, 9]), interval=timedelta(minutes=5))
    assert _write(database, five, bars) == Written(rows=12, new=10, kept=2)
    assert [row[-2] for row in _rows(database) if row[0] == "5m"] == ["1m", "1m"]


def test_a_longer_bar_waits_until_it_has_closed(database: Database) -> None:
    bars = coin(count=7)
    with database.connect() as connection:
        write_bars(connection, "live", "vendor", [bars], now=SINCE + 7 * MINUTE)
        assert [row[2] for row in rows_of(connection) if row[0] == "5m"] == [SINCE]
        assert not [row for row in rows_of(connection) if row[0] not in ("1m", "5m")]


@st.composite
def _loads(draw: st.DrawFn) -> list[tuple[str, int, np.ndarray, str]]:
    """Loads of parts of a few hours: what is in them, what was revised in between, and by what mark."""
    loads = []
    for _ in range(draw(st.integers(1, 4))):
        picked = np.random.default_rng(draw(st.integers(0, 999))).random(400) < draw(st.sampled_from((0.05, 0.6, 1.0)))
        mark = draw(st.sampled_from(("good", "healed", "doubtful")))
        loads.append((draw(st.sampled_from(("A/USD", "B/USD"))), draw(st.integers(1, 3)), picked, mark))
    return loads


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_loads())
def test_longer_bars_are_those_of_the_minutes_whatever_came_and_in_whatever_order(
    database: Database, loads: list[tuple[str, int, np.ndarray, str]]
) -> None:
    with database.connect() as connection:
        connection.execute("DELETE FROM bars")
        for symbol, seed, picked, mark in loads:
            part = some(coin(symbol, 400, seed), picked)
            write_bars(connection, "live", "vendor", [part], mark, now=NOW)
        rolled = rows_of(connection)
        roll_again(connection)
        assert rolled == rows_of(connection)


_Stored = tuple[float, str, str, int]  # volume, quality, source, revision


def _expected(known: dict[int, _Stored], offer: list[tuple[int, float]], source: str, mark: str, keep: bool) -> Written:
    """The rules in plain words, a bar at a time."""
    counts = dict.fromkeys(("new", "revised", "same", "kept"), 0)
    for place, volume in offer:
        old = known.get(place)
        if old is None:
            known[place] = (volume, mark, source, 0)
            counts["new"] += 1
        elif old[0] == volume:
            counts["same"] += 1
        elif keep and old[2] != source:
            counts["kept"] += 1
        else:
            known[place] = (volume, mark, source, old[3] + 1)
            counts["revised"] += 1
    return Written(rows=len(offer), **counts)


_OFFER = st.tuples(
    st.dictionaries(st.integers(0, 40), st.sampled_from((1.0, 2.0)), min_size=1, max_size=25),
    st.sampled_from(("vendor", "venue")),
    st.sampled_from(("good", "healed", "doubtful")),
    st.booleans(),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_OFFER, min_size=1, max_size=6))
def test_any_run_of_loads_leaves_what_the_rules_say(
    database: Database, offers: list[tuple[dict[int, float], str, str, bool]]
) -> None:
    bars, known = coin(count=41), dict[int, _Stored]()
    with database.connect() as connection:
        connection.execute("DELETE FROM bars")
        for volumes, source, mark, keep in offers:
            offer = sorted(volumes.items())
            part = some(bars, [place for place, _ in offer])
            part = replace(part, volume=np.array([volume for _, volume in offer]), vwap=None, trades=None)
            got = write_bars(connection, "live", source, [part], mark, keep_others=keep, now=NOW)
            assert got == _expected(known, offer, source, mark, keep)
        minutes = [row for row in rows_of(connection) if row[0] == "1m"]
        assert {int((row[2] - SINCE) / MINUTE): (row[7], *row[-3:]) for row in minutes} == known


def _minute(bars, place: int) -> Minute:
    columns = ([getattr(bars, name)[place]] for name in ("open", "high", "low", "close", "volume"))
    return Minute(instant(bars.time[place]), (bars.symbol,), *map(tuple, columns), ("good",), ())


def test_the_desk_and_a_backfill_on_the_same_day_lose_nothing_of_each_other(database: Database) -> None:
    """One writes every other minute as they are recorded, the other the rest at once, and again, at the same time."""
    bars = coin(count=720)
    rest = some(bars, slice(1, None, 2))
    problems: list[psycopg.Error] = []

    def live() -> None:
        try:
            with database.connect() as connection:
                for start in range(0, 720, 20):
                    with connection.transaction():
                        minutes = [_minute(bars, place) for place in range(start, start + 20, 2)]
                        write_minutes(connection, "live", minutes, set())
                        roll_up(connection, "live", ["BTC/USD"], minutes[0].at - MINUTE, minutes[-1].at + MINUTE)
        except psycopg.Error as error:
            problems.append(error)

    thread = threading.Thread(target=live)
    thread.start()
    for size in (100, 200, 360):
        with database.connect() as connection:
            write_bars(connection, "live", "vendor", [some(rest, slice(0, size))], now=SINCE + 720 * MINUTE)
    thread.join()
    assert not problems
    with database.connect() as connection:
        found = rows_of(connection)
        assert len([row for row in found if row[0] == "1m"]) == 720
        connection.execute("DELETE FROM bars WHERE interval <> '1m'")
        roll_up(connection, "live", ["BTC/USD"], SINCE, SINCE + 720 * MINUTE)
        assert found == rows_of(connection)


def test_two_at_once_on_new_months_do_not_lock_each_other_out(database: Database) -> None:
    """Both make the partitions of months that nobody had, for coins that they share, in opposite order."""
    since = datetime(2017, 3, 30, tzinfo=UTC)
    symbols = [f"C{number}/USD" for number in range(6)]
    bars = [coin(symbol, 4000, seed, since) for seed, symbol in enumerate(symbols)]
    problems: list[psycopg.Error] = []

    def load(parts) -> None:
        try:
            for part in (parts[:3], parts[3:]):
                _write(database, *part)
        except psycopg.Error as error:
            problems.append(error)

    threads = [threading.Thread(target=load, args=(parts,)) for parts in (bars, bars[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert len([row for row in _rows(database) if row[0] == "1m"]) == 6 * 4000


def test_a_writer_that_hangs_does_not_keep_the_desk_waiting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.bulk._IDLE_MOST", "300ms")
    bars = coin(count=20)
    hung = database.connect()
    write_bars(hung, "live", "vendor", [bars], now=NOW)  # and then nothing more is heard of it
    with database.connect() as connection:
        write_minutes(connection, "live", [_minute(bars, 3)], set())
    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
        hung.execute("SELECT 1")
    hung.close()
    assert len([row for row in _rows(database) if row[0] == "1m"]) == 1


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [("close", np.nan, "have numbers as prices"), ("time", 7, "on the grid"), ("trades", 1.5, "whole trades")],
)
def test_bars_that_cannot_be_are_refused_with_the_first_of_them(
    database: Database, name: str, value: float, sentence: str
) -> None:
    bars = coin(count=9)
    column = getattr(bars, name).copy()
    column[4] += value
    with pytest.raises(ValueError, match=sentence) as caught:
        _write(database, replace(bars, **{name: column}))
    assert "the BTC/USD bar that closes at 2025-01-31 22:05:00" in str(caught.value)
    assert _rows(database) == []


def test_the_same_coin_twice_in_one_call_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match=r"BTC/USD \(1m\) come twice"):
        _write(database, coin(), coin())


def test_a_piece_is_marked_with_its_rows_or_not_at_all(database: Database) -> None:
    bars = coin(count=50)
    with database.connect() as connection:
        written = write_bars(connection, "live", "vendor", [bars], now=NOW)
        finish_piece(connection, "job", "BTC 2025-01", "live", "vendor", written, {"late": 3})
        connection.rollback()  # as a kill would
    with database.connect() as connection:
        assert finished_pieces(connection, "job") == set()
        assert rows_of(connection) == []
        for key in ("BTC 2025-01", "BTC 2025-01", "BTC 2025-02"):
            written = write_bars(connection, "live", "vendor", [bars], now=NOW)
            finish_piece(connection, "job", key, "live", "vendor", written, {"late": 3})
    with database.connect() as connection:
        assert finished_pieces(connection, "job") == {"BTC 2025-01", "BTC 2025-02"}
        assert finished_pieces(connection, "another") == set()
        first = next(piece for piece in pieces_of(connection, "job") if piece.key == "BTC 2025-01")
        assert first.written == Written(rows=50, same=50)
        assert first.problems == {"late": 3}
