"""One desk per database and per data folder: the second one is told who the first is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.clock import monotonic
from engine.store.database import Database
from engine.store.errors import FolderInUse, LeaseHeld, LeaseLost, StoreError
from engine.store.folder import FileLock, lock_folder, lock_token
from engine.store.lease import Lease
from engine.store.projections import Projections
from tests.store.worlds import small_day

_HOLD_LEASE = """
import sys, threading
from pathlib import Path
from engine.store.database import Database
from engine.store.lease import Lease
lease = Lease(Database(sys.argv[1], "the database"), Path(sys.argv[2]), print, ttl=5.0)
lease.acquire()
print("held", flush=True)
threading.Event().wait(60)
"""
_HOLD_FOLDER = """
import sys, threading
from pathlib import Path
from engine.store.folder import lock_folder
lock_folder(Path(sys.argv[1])).acquire()
print("held", flush=True)
threading.Event().wait(60)
"""


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def _holding(processes: list[subprocess.Popen[str]], script: str, *words: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", script, *words], stdout=subprocess.PIPE, text=True)
    processes.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def _lease(database: Database, tmp_path: Path, ttl: float = 5.0) -> tuple[Lease, list[str]]:
    lost: list[str] = []
    return Lease(database, tmp_path, lost.append, ttl), lost


def test_a_second_desk_is_refused_and_told_who_the_first_is(
    database: Database, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    first = _holding(processes, _HOLD_LEASE, database._conninfo, str(tmp_path / "first"))
    second, _ = _lease(database, tmp_path)
    with pytest.raises(LeaseHeld, match=rf"another desk: process {first.pid} on .*/first\) since 20.*; stop that one"):
        second.acquire()


def test_a_desk_killed_on_this_machine_is_replaced_at_once(
    database: Database, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    first = _holding(processes, _HOLD_LEASE, database._conninfo, str(tmp_path))
    first.send_signal(signal.SIGKILL)
    first.wait()
    second, lost = _lease(database, tmp_path)
    begun = monotonic()
    second.acquire()
    assert monotonic() - begun < 1.0
    assert second.epoch == 2
    assert lost == []
    second.release()


def test_a_desk_gone_with_its_machine_is_replaced_when_its_lease_expires(database: Database, tmp_path: Path) -> None:
    first, _ = _lease(database, tmp_path, ttl=1.0)
    first.acquire()
    first._stop.set()  # its machine is gone: no renewal, no release
    _elsewhere(database)
    second, _ = _lease(database, tmp_path, ttl=1.0)
    begun = monotonic()
    second.acquire()
    assert monotonic() - begun < 3.0
    second.release()


def test_a_desk_elsewhere_that_renews_is_alive(database: Database, tmp_path: Path) -> None:
    first, lost = _lease(database, tmp_path, ttl=1.0)
    first.acquire()
    _elsewhere(database)
    second, _ = _lease(database, tmp_path, ttl=1.0)
    with pytest.raises(LeaseHeld):
        second.acquire()
    first.release()
    assert lost == []


def test_a_released_lease_is_free_at_once(database: Database, tmp_path: Path) -> None:
    first, _ = _lease(database, tmp_path)
    first.acquire()
    first.release()
    second, _ = _lease(database, tmp_path)
    second.acquire()
    assert second.epoch == first.epoch + 1
    second.release()


def test_a_desk_that_lost_its_lease_writes_nothing_and_says_so_once(database: Database, tmp_path: Path) -> None:
    lease, lost = _lease(database, tmp_path)
    lease.acquire()
    _taken_by_another(database)
    worker = Projections(database, small_day("desk-a"), lease)
    worker.start()
    worker._thread.join(10.0)
    assert worker.status().stuck
    assert len(lost) == 1
    assert "process 4242 on other-host" in lost[0]
    with database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM bars").fetchone() == (0,)
        with pytest.raises(LeaseLost):
            lease.check(connection)
    assert len(lost) == 1
    lease.release()


def test_a_renewal_finds_out_that_the_lease_is_lost(database: Database, tmp_path: Path) -> None:
    lease, lost = _lease(database, tmp_path, ttl=0.5)
    lease.acquire()
    _taken_by_another(database)
    until = monotonic() + 5.0
    while not lost and monotonic() < until:
        threading.Event().wait(0.02)
    assert len(lost) == 1
    lease.release()
    with database.connect() as connection:  # the other's row is left alone
        assert connection.execute("SELECT holder FROM lease").fetchone() == ("someone",)


def test_a_lease_whose_row_is_gone_is_taken_again(database: Database, tmp_path: Path) -> None:
    lease, lost = _lease(database, tmp_path, ttl=0.5)
    lease.acquire()
    with database.connect() as connection:
        connection.execute("DELETE FROM lease")
    until = monotonic() + 5.0
    found = None
    while found is None and monotonic() < until:
        with database.connect() as connection:
            found = connection.execute("SELECT pid FROM lease").fetchone()
    assert found == (os.getpid(),)
    assert lost == []
    lease.release()


def test_every_write_carries_the_epoch(database: Database, tmp_path: Path) -> None:
    lease, _ = _lease(database, tmp_path)
    ledger = small_day("desk-a")
    worker = Projections(database, ledger, lease)
    worker.start()
    until = monotonic() + 10.0
    while worker.status().seq < ledger.head()[0] and monotonic() < until:
        threading.Event().wait(0.02)
    worker.stop()
    with database.connect() as connection:
        assert connection.execute("SELECT epoch FROM projection_cursor").fetchone() == (lease.epoch,)
    lease.release()


def test_a_second_process_on_a_data_folder_is_refused_and_told_who_is_there(
    tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    first = _holding(processes, _HOLD_FOLDER, str(tmp_path))
    with pytest.raises(FolderInUse, match=f"data folder {tmp_path} is in use by process {first.pid} on .* since 20"):
        lock_folder(tmp_path).acquire()
    first.kill()
    first.wait()
    with lock_folder(tmp_path):
        assert (tmp_path / "lock").stat().st_mode & 0o077 == 0


def test_a_patient_lock_waits_for_its_turn(tmp_path: Path) -> None:
    first = FileLock(tmp_path / "lock", "it").acquire()
    threading.Timer(0.2, first.release).start()
    second = FileLock(tmp_path / "lock", "it").acquire(patience=5.0)
    second.release()


def test_a_data_folder_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"data folder .*/file cannot be used: .* \(.*/file/lock\)"):
        lock_folder(tmp_path / "file").acquire()


def test_one_slack_token_serves_one_desk_on_this_machine() -> None:
    token = f"xapp-test-{os.getpid()}"
    with lock_token(token) as held:
        assert token not in str(held.path)
        with pytest.raises(FolderInUse, match="this Slack app token is in use by process") as refused:
            lock_token(token).acquire()
        assert token not in str(refused.value)
    held.path.unlink()


def _elsewhere(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE lease SET machine = 'another machine'")


def _taken_by_another(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(
            "UPDATE lease SET epoch = epoch + 1, holder = 'someone', host = 'other-host', machine = 'other', pid = 4242"
        )
