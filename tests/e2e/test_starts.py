"""Where a start begins: the folder of a fall-back, and a ledger that is too long to be read again."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from engine import runtime
from engine.clock import ScaledClock, SystemClock
from engine.domain import MarketKind
from engine.market.simulated import SimulatedFeed
from engine.store.ledger import SqliteLedger
from tests.e2e.desk import ROOT, environment
from tests.e2e.house import NOWHERE, HouseThread

CLOSED = {"KRAKEN_WS_URL": "ws://127.0.0.1:9/v2", "KRAKEN_REST_URL": "http://127.0.0.1:9/0", "DATABASE_URL": NOWHERE}


def test_a_fall_back_within_ten_seconds_names_the_folder_and_leaves_the_live_one_free(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "bot", "run", "--port", "0"]
    env = environment(tmp_path, **CLOSED)
    with subprocess.Popen(line, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as desk:
        try:
            assert desk.stdout is not None
            seen: dict[str, float] = {}
            for text in desk.stdout:
                seen[text.strip()] = time.monotonic()
                if "http://" in text:
                    break
            fell = next(text for text in seen if "falling back" in text)
            assert fell.endswith(f"falling back to the simulated market, in {tmp_path}/nightdesk/ema-simulated")
            asked = next(at for text, at in seen.items() if "asking for" in text)
            assert seen[fell] - asked < 11
            live = tmp_path / "nightdesk" / "ema-live"
            assert [(path.name, path.stat().st_size) for path in live.iterdir()] == [("lock", 0)], "nobody has it"
            desk.send_signal(signal.SIGINT)
            desk.communicate(timeout=60)
        finally:
            desk.kill()


def test_a_desk_that_was_cut_off_between_its_first_two_rows_starts_again(tmp_path: Path) -> None:
    with HouseThread(tmp_path / "first", simulated(), MarketKind.SIMULATED) as first:
        first.wait(lambda: len(first.rows()) > 1, 60, "two rows")
    born = next(iter(SqliteLedger(first.data / "ledger.sqlite").read()))
    (tmp_path / "cut").mkdir()
    with closing(SqliteLedger(tmp_path / "cut" / "ledger.sqlite")) as ledger:
        ledger.append(born.message, born.outcomes, born.posts, born.judged_until)
    with HouseThread(tmp_path / "cut", simulated(), MarketKind.SIMULATED) as again:
        again.wait(lambda: len(again.rows()) > 2, 60, "it goes on")


def test_a_clean_restart_reads_nothing_from_before_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HouseThread(tmp_path / "desk", simulated(), MarketKind.SIMULATED) as first:
        first.wait(lambda: len(first.rows()) > 20, 60, "20 rows")
    monkeypatch.setattr(runtime, "ROWS_A_MINUTE", 0)  # else a ledger as short as this one is tail throughout
    with closing(sqlite3.connect(first.data / "ledger.sqlite")) as ledger:
        last = ledger.execute("SELECT max(seq) FROM records").fetchone()[0]
        ledger.execute("DROP TRIGGER records_refuse_update")
        ledger.execute("UPDATE records SET body = x'00' WHERE seq BETWEEN 2 AND ?", (last - 1,))
        ledger.commit()
    with HouseThread(tmp_path / "desk", simulated(), MarketKind.SIMULATED) as again:
        snapshot = again.house.desk.snapshot()
        assert snapshot.seq > last
        assert snapshot.desk_id == first.house.desk.terms.desk_id


def simulated() -> SimulatedFeed:
    return SimulatedFeed(ScaledClock(SystemClock().now(), 300.0, held=True), seed=1)
