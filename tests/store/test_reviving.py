"""A thread of the store that died is noticed and begins again; nothing of what waited for it is lost."""

import threading

import pytest

from engine.storage import Storage
from engine.store.lease import Lease
from engine.store.projections import Projections
from engine.store.tick_finishing import Finishing
from engine.store.tick_segments import seal
from engine.store.ticks import read_ticks
from tests.store.test_ticks import DAY, trade, until, writer
from tests.store.worlds import START, MemoryLedger, born, minute

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


class Once:
    """Breaks in a way that nobody expected, the first time."""

    def __init__(self, then):
        self._then, self.calls = then, 0

    def __call__(self, *given, **named):
        self.calls += 1
        if self.calls == 1:
            raise KeyError("nobody expected that")
        return self._then(*given, **named)


async def test_a_projection_worker_that_died_writes_on(database, tmp_path):
    ledger = MemoryLedger()
    ledger.add(born("d1"))
    ledger.add(minute(START, ("BTC/USD",)))
    ledger.read = Once(ledger.read)
    storage = Storage(tmp_path, None, ledger, lambda sentence: None)
    storage._database = database
    storage._follow(database)
    part = next(one for one in storage.parts() if one.name == "database")
    until(lambda: part.trouble() != "")
    assert part.trouble() == "its thread ended"
    await part.again()
    until(storage.is_level)
    assert part.trouble() == ""
    storage._projections.stop()
    assert part.trouble() == "", "what was stopped is not stuck"


def test_a_lost_lease_is_not_taken_back(database, tmp_path):
    ledger = MemoryLedger()
    ledger.add(born("d1"))
    lease = Lease(database, tmp_path, lambda sentence: None)
    worker = Projections(database, ledger, lease)
    lease.lost = True
    worker._thread = threading.Thread(target=lambda: None)
    worker._thread.start()
    worker._thread.join()
    assert worker.trouble() == ""


def test_a_lease_whose_thread_died_is_renewed_on(database, tmp_path):
    lease = Lease(database, tmp_path, lambda sentence: None, ttl=0.5)
    lease._renew = Once(lease._renew)
    lease.acquire()
    until(lambda: lease.trouble() != "")
    lease.revive()
    until(lambda: lease._renew.calls > 2)
    assert lease.trouble() == ""
    lease.release()
    assert lease.trouble() == ""


def test_a_tick_writer_that_died_stores_what_waited(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.store.tick_writer.LOOK_EVERY", 0.02)
    keeping = writer(tmp_path, free=Once(lambda folder: 10**12))
    keeping.start()
    keeping.put(trade(0, trade_id=0), None)
    until(lambda: keeping.trouble() != "")
    assert keeping.trouble() == "its thread ended"
    keeping.put(trade(1, trade_id=1), None)
    keeping.revive()
    until(lambda: keeping.status().written == 2)
    assert keeping.trouble() == ""
    keeping.stop()
    assert read_ticks(tmp_path, DAY, "BTC/USD").trade_id.tolist() == [0, 1]
    assert keeping.trouble() == ""


def test_journals_that_nobody_finishes_any_more_are_finished_after_all(tmp_path):
    finish = Once(seal)
    keeping = writer(tmp_path, seal_rows=2, finishing=Finishing(finish, again_after=0.01))
    keeping.start()
    for number in range(2):
        keeping.put(trade(number, trade_id=number), None)
    until(lambda: keeping.status().written == 2)
    keeping.put(trade(2, trade_id=2), None)
    until(lambda: keeping.trouble() != "")
    assert "finishes journals" in keeping.trouble()
    keeping.revive()
    until(lambda: finish.calls == 2)
    keeping.stop()
    assert read_ticks(tmp_path, DAY, "BTC/USD").trade_id.tolist() == [0, 1, 2]
