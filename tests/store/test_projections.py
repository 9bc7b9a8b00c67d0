"""The ledger in the database: everything, in order, once, whatever happens on the way."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from engine.clock import monotonic
from engine.domain import MarketKind, Print
from engine.messages import JobEnded, JobStarted
from engine.outcomes import Filled, JobClosed, JobOpened
from engine.records import Record
from engine.store import projections as module
from engine.store.bars import INTERVALS, floor
from engine.store.database import Database, embedded
from engine.store.embedded import EmbeddedPostgres
from engine.store.migrating import migrate
from engine.store.notes import Notes
from engine.store.projections import Projections
from tests.store.worlds import MINUTE, START, MemoryLedger, born, minute, small_day

_LEDGER_TABLES = (
    *("bars", "paper_trades", "daily_performance", "proposals", "signals", "orders", "fills", "holds", "outbox"),
    *("audit", "alarms", "health_metrics", "desks"),
)


def _until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    end = monotonic() + seconds
    while not true():
        assert monotonic() < end, "it did not happen in time"
        threading.Event().wait(0.01)


def _follow(database: Database, ledger: MemoryLedger) -> Projections:
    """Run a worker until it has written the whole ledger."""
    worker = Projections(database, ledger)
    worker.start()
    _until(lambda: worker.status().seq == ledger.head()[0] and not worker.notes.waiting())
    worker.stop()
    return worker


def _contents(database: Database) -> dict[str, list[Any]]:
    with database.connect() as connection:
        return {
            table: sorted(connection.execute(f"SELECT t::text FROM {table} t".encode()).fetchall())
            for table in _LEDGER_TABLES
        }


def _one(database: Database, query: str) -> tuple[Any, ...]:
    with database.connect() as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outages of a test are short; so is the patience between attempts."""
    monkeypatch.setattr(module, "_BACK_OFF", (0.05, 0.1))


def test_every_row_of_a_day_is_there(database: Database) -> None:
    ledger = small_day("desk-a")
    worker = _follow(database, ledger)
    count = {table: len(rows) for table, rows in _contents(database).items()}
    assert count["paper_trades"] == count["orders"] == count["fills"] == count["proposals"] == count["outbox"] == 2
    assert (count["signals"], count["holds"], count["alarms"], count["audit"]) == (3, 1, 1, 2)
    assert _one(database, "SELECT status, decided_by FROM proposals WHERE proposal_id = 'P1'") == (
        "approved",
        "U_ADMIN",
    )
    assert _one(database, "SELECT status, kind FROM orders LIMIT 1") == ("filled", "market")
    assert _one(database, "SELECT lifted_by, note FROM holds") == ("U_ADMIN", "a \ufffd in a note")
    assert _one(database, "SELECT cleared_at IS NOT NULL FROM alarms") == (True,)
    assert worker.status().lag_rows == 0
    assert worker.status().last_error is None


def test_a_day_counts_the_trades_recorded_before_its_end(database: Database) -> None:
    _follow(database, small_day("desk-a"))
    day = _one(database, "SELECT date, trades_count, wins, losses, net_pnl, fees, equity FROM daily_performance")
    assert day == (date(2026, 1, 31), 1, 1, 0, 3.0, 0.5, 1003.0)
    assert _one(database, "SELECT count(*) FROM paper_trades WHERE day IS NULL") == (1,)


def test_longer_bars_are_what_their_minutes_say(database: Database) -> None:
    ledger = small_day("desk-a")
    _follow(database, ledger)
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT interval, symbol, time, open, high, low, close, volume, quality FROM bars"
        ).fetchall()
    minutes = {(row[1], row[2]): row for row in rows if row[0] == "1m"}
    end = START + 90 * MINUTE
    expected = 0
    for name, span in list(INTERVALS.items())[1:]:
        longer = {(row[1], row[2]): row for row in rows if row[0] == name}
        buckets = {(symbol, floor(at, span)) for symbol, at in minutes}
        closed = {key for key in buckets if key[1] + span <= end}
        assert set(longer) == closed
        expected += len(closed)
        for symbol, start in closed:
            parts = [minutes[key] for key in sorted(minutes) if key[0] == symbol and start <= key[1] < start + span]
            got = longer[symbol, start]
            assert got[3:7] == (parts[0][3], max(p[4] for p in parts), min(p[5] for p in parts), parts[-1][6])
            assert got[7] == pytest.approx(sum(p[7] for p in parts), rel=1e-12)
            assert (got[8] == "good") == (len(parts) == span // MINUTE)
    assert expected > 50


def test_bars_cross_the_end_of_a_month_into_their_own_partition(database: Database) -> None:
    _follow(database, small_day("desk-a"))
    january, february = (_one(database, f"SELECT count(*) FROM bars_2026_0{number}")[0] for number in (1, 2))
    assert january > 0
    assert february > 0


def test_written_twice_is_written_once(database: Database) -> None:
    ledger = small_day("desk-a")
    worker = _follow(database, ledger)
    before = _contents(database)
    with database.connect() as connection:
        connection.execute("UPDATE projection_cursor SET seq = 0, minute = NULL")
    _follow(database, ledger)
    assert _contents(database) == before
    assert worker.status().rows_written > 0


def test_a_rebuild_gives_the_same_and_removes_what_the_ledger_does_not_say(database: Database) -> None:
    ledger = small_day("desk-a")
    _follow(database, ledger)
    before = _contents(database)
    with database.connect() as connection:
        connection.execute("UPDATE paper_trades SET pnl = 1000000")
        connection.execute("INSERT INTO fills (desk_id, seq, item) VALUES ('desk-a', 99999, 0)")
        connection.execute("DELETE FROM bars WHERE interval = '5m'")
    worker = Projections(database, ledger)
    worker.rebuild()
    worker.start()
    _until(lambda: worker.status().rows_written > 0 and worker.status().lag_rows == 0)
    worker.stop()
    assert _contents(database) == before


def test_two_worlds_in_one_database_do_not_meet(database: Database) -> None:
    _follow(database, small_day("desk-a"))
    first = _contents(database)
    live = MemoryLedger()
    live.add(born("desk-b", MarketKind.LIVE))
    live.add(minute(START + MINUTE, ["BTC/USD"], seed=9))
    _follow(database, live)
    assert _one(database, "SELECT count(*) FROM bars WHERE market = 'live'") == (1,)
    assert set(first["bars"]) < set(_contents(database)["bars"])


@pytest.mark.parametrize("seed", range(3))
def test_a_crash_at_any_point_loses_and_doubles_nothing(database: Database, seed: int, waits: None) -> None:
    ledger, chance = small_day(f"desk-{seed}"), random.Random(seed)
    _follow(database, ledger)
    whole = _contents(database)
    with database.connect() as connection:
        for table in (*_LEDGER_TABLES, "projection_cursor"):
            connection.execute(f"DELETE FROM {table}".encode())
    worker = Projections(database, ledger)
    worker.start()
    while worker.status().seq < ledger.head()[0]:  # its connection dies again and again, wherever it is
        with database.connect(autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        threading.Event().wait(chance.uniform(0.0, 0.15))
    worker.stop()
    assert _contents(database) == whole


def test_an_outage_is_lag_and_then_everything_is_there_once(server: EmbeddedPostgres, waits: None) -> None:
    database = embedded(server)
    ledger, story = MemoryLedger(), small_day("desk-a").rows
    ledger.rows += story[:30]
    worker = Projections(database, ledger)
    worker.start()
    _until(lambda: worker.status().seq == 30)
    server.stop()
    for record in story[30:]:
        ledger.rows.append(record)
        worker.wake(record.seq)
    worker.notes.put_metric(START, "bars", 1.0)
    _until(lambda: "does not answer" in (worker.status().last_error or ""))
    down = worker.status()
    assert (down.connected, down.stuck, down.lag_rows) == (False, False, len(story) - 30)
    server.start()
    _until(lambda: worker.status().lag_rows == 0 and not worker.notes.waiting())
    assert worker.status().connected
    worker.stop()
    again = _contents(database)
    with database.connect() as connection:
        connection.execute("DELETE FROM projection_cursor")
    _follow(database, ledger)
    assert _contents(database) == again
    assert len(again["paper_trades"]) == 2


def test_a_killed_server_is_started_again_by_the_worker(server: EmbeddedPostgres, waits: None) -> None:
    ledger, story = MemoryLedger(), small_day("desk-a").rows
    ledger.rows += story[:50]
    worker = Projections(embedded(server), ledger)
    worker.start()
    _until(lambda: worker.status().seq == 50)
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    ledger.rows += story[50:]
    worker.wake(len(story))
    _until(lambda: worker.status().lag_rows == 0)
    worker.stop()
    assert server.pid() not in (None, pid)


def test_a_row_that_cannot_be_written_is_named_and_stops_there(database: Database, waits: None) -> None:
    ledger = small_day("desk-a")
    migrate(database)
    with database.connect() as connection:  # something in the database refuses the second trade
        connection.execute("ALTER TABLE fills ADD CONSTRAINT odd CHECK (trade_id <> 'T2')")
    fills = {item.fill.trade_id: row.seq for row in ledger.rows for item in row.outcomes if isinstance(item, Filled)}
    bad = fills["T2"]
    worker = Projections(database, ledger)
    worker.start()
    _until(lambda: worker.status().stuck)
    status = worker.status()
    assert status.seq == bad - 1
    assert f"ledger row {bad} (Press)" in (status.last_error or "")
    with database.connect() as connection:
        connection.execute("ALTER TABLE fills DROP CONSTRAINT odd")
    _until(lambda: worker.status().lag_rows == 0)
    assert not worker.status().stuck
    worker.stop()


def test_measurements_outside_the_ledger_arrive(database: Database) -> None:
    ledger = MemoryLedger()
    ledger.add(born("desk-a"))
    worker = Projections(database, ledger)
    worker.notes.put_metric(START, "disk_free", 5e9, "ok")
    worker.notes.put_metric(START, "memory", 3e8, "warning", alert_sent=True)
    worker.notes.put_late_print(Print("BTC/USD", START, 100.0, 0.5, START + MINUTE))
    worker.start()
    _until(lambda: not worker.notes.waiting() and worker.status().connected)
    worker.stop()
    assert _one(database, "SELECT count(*) FROM health_metrics") == (2,)
    assert _one(database, "SELECT price, volume FROM late_prints") == (100.0, 0.5)


def test_measurements_that_find_no_room_are_counted_and_never_stop_the_ledger(database: Database) -> None:
    ledger = small_day("desk-a")
    worker = Projections(database, ledger)
    worker.notes = Notes(room=3)
    for number in range(5):
        worker.notes.put_metric(START, f"m{number}", 1.0)
    worker.start()
    _until(lambda: worker.status().lag_rows == 0 and not worker.notes.waiting())
    assert worker.status().notes_dropped == 2
    worker.notes.put_metric(START, "odd", 1.0, status=None)  # type: ignore[arg-type]
    worker.notes.put_late_print(Print(None, START, 100.0, 0.5, START))  # type: ignore[arg-type]
    _until(lambda: not worker.notes.waiting())
    worker.stop()
    assert worker.status().lag_rows == 0
    assert worker.status().notes_dropped == 4


def test_live_bars_are_in_the_database_within_a_second(database: Database) -> None:
    ledger, symbols = MemoryLedger(), [f"C{number}/USD" for number in range(100)]
    ledger.add(born("desk-a"))
    worker = Projections(database, ledger)
    worker.start()
    _until(lambda: worker.status().connected)
    for step in range(1, 31):
        worker.wake(ledger.add(minute(START + step * MINUTE, symbols)).seq)
        _until(lambda: worker.status().lag_rows == 0)
    worker.stop()
    p99 = worker.status().p99_ms
    assert p99 is not None
    assert p99 < 1000


def test_a_ledger_that_cannot_be_read_is_reported_not_skipped(database: Database, waits: None) -> None:
    class Torn(MemoryLedger):
        def read(self, after: int = 0) -> Iterator[Record]:
            yield from self.rows[after : after + 1]
            raise OSError("the disk gave up")

    ledger = Torn()
    ledger.rows = small_day("desk-a").rows
    worker = Projections(database, ledger)
    worker.start()
    _until(lambda: "the disk gave up" in (worker.status().last_error or ""))
    assert worker.status().seq == 0
    worker.stop()


def test_long_work_is_in_the_audit_table(database: Database) -> None:
    ledger = MemoryLedger()
    ledger.add(born("d1"))
    opened = JobOpened("j1", "backfill", "kraken BTC/USD", "U_ADMIN", START)
    ledger.add(JobStarted(START, "U_ADMIN", "j1", "backfill", "kraken BTC/USD"), [opened])
    over = JobClosed(opened, START, "U_RISK", "cancelled", "", {"rows": 5})
    ledger.add(JobEnded(START, "U_RISK", "j1", "cancelled", "", {"rows": 5}), [over])
    _follow(database, ledger)

    with database.connect() as connection:
        rows = connection.execute("SELECT actor, what, detail FROM audit ORDER BY seq").fetchall()
    told = "kraken BTC/USD"
    assert rows == [("U_ADMIN", "started backfill", told), ("U_RISK", "backfill cancelled", told)]
