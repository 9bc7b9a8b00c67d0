"""Maintenance beside a running desk, and a desk that starts from the copy it made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bot.__main__ import main
from engine.clock import ScaledClock, SystemClock
from engine.domain import MarketKind
from engine.market.simulated import SimulatedFeed
from engine.replaying import verify
from tests.e2e.house import NOWHERE, HouseThread


def simulated() -> SimulatedFeed:
    return SimulatedFeed(ScaledClock(SystemClock().now(), 120.0))


def test_a_back_up_beside_the_running_desk_is_enough_to_start_again_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", NOWHERE)
    monkeypatch.setattr("engine.maintenance.backups.ROOM", 0)
    with HouseThread(tmp_path / "desk", simulated(), MarketKind.SIMULATED) as first:
        first.wait(lambda: len(first.rows()) > 20, 60, "20 rows")
        assert "There was none yet" in first.run("/health")
        assert first.house._schedule is not None
        jobs = {part.name for part in first.house._schedule.parts()}
        assert jobs == {"job health", "job tidy", "job slots", "job retrain", "job maintain"}
        urgent = {part.name for part in first.house.desk.parts() if part.urgent}
        assert urgent >= {"gateway", "lease", "database"}, "what a stop order and the database wait for"
        assert not [part.name for part in first.house.desk.parts() if part.trouble()], "a desk that works is not stuck"
        assert main(["maintain", "--data-dir", str(first.data)]) == 1
        said = capsys.readouterr().out
        assert "ledger rows proven" in said
        assert "PROBLEM   Database: " in said, "this desk has none that answers, and everything else was done"
        first.wait(lambda: "Not all was done on" in first.run("/health"), 30, "news in /health")
        desk_id, rows = first.house.desk.terms.desk_id, first.rows()
    (copy,) = (tmp_path / "desk" / "backups").iterdir()
    kept = verify(copy / "ledger.sqlite").rows
    assert 20 < kept <= len(rows)
    shutil.copytree(copy, tmp_path / "again")
    with HouseThread(tmp_path / "again", simulated(), MarketKind.SIMULATED) as again:
        assert again.house.desk.terms.desk_id == desk_id
        assert again.rows()[:kept] == rows[:kept]
        again.wait(lambda: len(again.rows()) > kept + 2, 60, "new rows behind the copy's last")
    assert verify(tmp_path / "again" / "ledger.sqlite").bad_seq is None
