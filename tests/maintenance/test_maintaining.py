"""One maintenance: what goes, what stays, what is said of it, and that a step that fails costs the others nothing."""

import json
import os
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from sqlite3 import connect

import pytest

from bot.__main__ import main
from engine.forecasting.registry import ModelFolder
from engine.maintenance import Terms, last_account, maintain
from engine.maintenance.running import LOCK
from engine.maintenance.versions import in_use, superseded, told_of
from engine.store.errors import FolderInUse, StoreError
from engine.store.folder import FileLock
from engine.store.ledger import SqliteLedger
from tests.desk.kit import Floor
from tests.maintenance.made import NOW, recorded, rows, versions
from tests.models.made import press, trained, with_model

PLENTY = 10**12


def terms(folder, **more):
    return Terms(folder, None, NOW, free=lambda _: PLENTY, **more)


def made(folder, **more):
    return maintain(terms(folder, **more), lambda what, share: None)


def aged(path, days):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 1000)
    os.utime(path, ((NOW - timedelta(days=days)).timestamp(),) * 2)
    return path


def test_what_a_person_could_want_stays_and_the_rest_goes(tmp_path):
    recorded(tmp_path).close()
    old_log = aged(tmp_path / "logs" / "trading_2026-10-01.log", 50)
    (tmp_path / "ticks" / "2026-11-10").mkdir(parents=True)
    aged(tmp_path / "ticks" / "2026-11-10" / "0001.parquet", 12)
    aged(tmp_path / "ticks" / "2026-11-21" / "0001.parquet", 1)
    draft, fresh = (aged(tmp_path / "cache" / "live" / f".2026-0{n}.aa.new", days) for n, days in ((1, 3), (2, 0)))
    stays = [
        aged(tmp_path / "backtests" / "20250101T000000" / "trades.csv", 500),
        aged(tmp_path / "cache" / "live" / "2026-01.aa.bb.parquet", 300),
        aged(tmp_path / "training" / "direction" / "comprehensive_results.json", 300),
    ]
    before = {name: rows(tmp_path / f"{name}.sqlite", table) for name, table in TABLES.items()}
    account = made(tmp_path, old_logs=[old_log])
    assert account.problems == []
    assert account.removed == {"log files": 1, "drafts": 1, "days of raw trades": 1}
    assert account.freed >= 3000
    assert not old_log.exists()
    assert not draft.exists()
    assert [path.name for path in (tmp_path / "ticks").iterdir()] == ["2026-11-21"]
    assert all(path.exists() for path in (fresh, *stays))
    assert {name: rows(tmp_path / f"{name}.sqlite", table) for name, table in TABLES.items()} == before
    assert account.vacuum is None, "no database was ever made here, and none is made for this"
    assert not (tmp_path / "pg").exists()


TABLES = {"ledger": "records", "experiments": "experiments", "outbox": "posts"}


def test_its_account_is_kept_for_whoever_asks_how_the_last_one_went(tmp_path):
    recorded(tmp_path).close()
    assert last_account(tmp_path) is None
    account = made(tmp_path, slot="2026-11-22T02:00:00+00:00")
    assert last_account(tmp_path) == account
    by_hand = made(tmp_path, backups_kept=0)
    assert last_account(tmp_path).slot == by_hand.slot == account.slot, "the clock's own slot stays answered"
    assert account.ledger_rows == SqliteLedger(tmp_path / "ledger.sqlite").head()[0]
    (tmp_path / "maintenance.json").write_text("{half")
    assert last_account(tmp_path) is None


def test_a_step_that_fails_is_named_and_the_others_are_made(tmp_path):
    recorded(tmp_path).close()
    log = aged(tmp_path / "logs" / "trading_2026-10-01.log", 50)
    account = maintain(Terms(tmp_path, None, NOW, old_logs=[log], free=lambda _: 0), lambda what, share: None)
    (problem,) = account.problems
    assert problem.startswith("Back-up: no back-up was made: it takes ")
    assert account.removed == {"log files": 1}
    assert account.as_json()["fate"] == "incomplete"


def test_none_are_made_where_none_shall_be_kept(tmp_path):
    recorded(tmp_path).close()
    assert made(tmp_path, backups_kept=0).backup == ""
    assert not (tmp_path / "backups").exists()


def test_a_second_one_at_the_same_time_is_refused_and_a_folder_without_a_desk_too(tmp_path):
    recorded(tmp_path).close()
    with FileLock(tmp_path / LOCK, "it"), pytest.raises(FolderInUse, match="maintenance"):
        made(tmp_path)
    with pytest.raises(StoreError, match="no desk has run there"):
        made(tmp_path / "elsewhere")


def test_only_versions_that_can_never_be_used_again_go(tmp_path):
    floor = Floor(with_model())
    trained(floor, "v01")
    press(floor, "promote", "v01")
    for number in range(2, 8):
        trained(floor, f"v{number:02}")
    press(floor, "promote", "v07")
    trained(floor, "v08")
    recorded(tmp_path, floor).close()
    versions(tmp_path, *(f"v{number:02}" for number in range(1, 10)))  # v09 is not yet told of
    told = told_of(tmp_path / "ledger.sqlite")
    folder = ModelFolder(tmp_path / "models")
    assert superseded(folder, told, kept=1) == [("direction", f"v{number:02}") for number in range(2, 6)], (
        "v06 is in the shadow"
    )
    assert superseded(folder, told, kept=5) == [("direction", f"v{number:02}") for number in range(2, 5)]
    assert superseded(folder, told) == [], "the newest thirty stay, whatever became of them"
    account = made(tmp_path)
    copied = {path.name for path in (tmp_path / "backups").glob("*/models/direction/*")}
    assert copied == {"v01", "v06", "v07", "v08"}, "what forecasts, what is on offer, and the way back"
    assert "model versions" not in account.removed


def with_failing(count, offered=("v000",), others=()):
    """A desk on which versions are on offer, after which `count` came that the gate refuses."""
    floor = Floor(with_model())
    for version in others:
        trained(floor, version, days=60)
        press(floor, "reject", version)
    for version in offered:
        trained(floor, version, days=60)
    for number in range(1, count + 1):
        trained(floor, f"v{number:03}", promotable=False)
    return floor


def older(floor):
    """What was recorded before rows named every challenger."""
    floor.told = [
        (message, tuple(replace(one, challengers=None) if hasattr(one, "challengers") else one for one in outcomes))
        for message, outcomes in floor.told
    ]
    return floor


@pytest.mark.parametrize("as_recorded", [lambda floor: floor, older])
def test_a_version_on_offer_stays_and_is_copied_however_many_fail_after_it(tmp_path, as_recorded):
    floor = with_failing(32, others=("u000",))
    on_offer = [one.version for one in floor.view.models["direction"].challengers]
    assert on_offer == ["v000", "v032"]
    recorded(tmp_path, as_recorded(floor)).close()
    versions(tmp_path, "u000", *(f"v{number:03}" for number in range(33)))
    told, folder = told_of(tmp_path / "ledger.sqlite"), ModelFolder(tmp_path / "models")
    assert superseded(folder, told) == [("direction", one) for one in ("u000", "v001", "v002")]
    assert [path.name for path in in_use(folder, told)] == on_offer


def test_a_row_that_names_every_challenger_ends_the_guess_about_older_ones(tmp_path):
    floor = older(with_failing(1, offered=("v000", "v00a", "v00b")))
    recorded(tmp_path, floor).close()
    told = told_of(tmp_path / "ledger.sqlite")
    assert {version for _, version in told.serving} == {"v000", "v00a", "v00b", "v001"}
    trained(floor, "v002", promotable=False)
    (tmp_path / "later").mkdir()
    recorded(tmp_path / "later", floor).close()
    told = told_of(tmp_path / "later" / "ledger.sqlite")
    assert {version for _, version in told.serving} == {"v00b", "v00a", "v002"}


def test_a_write_ahead_log_is_emptied_and_a_writer_in_the_way_is_let_be(tmp_path):
    recorded(tmp_path).close()
    with closing(connect(tmp_path / "experiments.sqlite", isolation_level=None)) as writer:
        writer.execute(
            "INSERT INTO experiments (model, kind, started_at, status, dataset, code, parameters) "
            "VALUES ('m', 'fold', '2026', 'started', 'd', 'c', '{}')"
        )
        assert (tmp_path / "experiments.sqlite-wal").stat().st_size > 0
        writer.execute("BEGIN IMMEDIATE")
        assert made(tmp_path).problems == []
        writer.execute("COMMIT")
        made(tmp_path, backups_kept=0)
        assert (tmp_path / "experiments.sqlite-wal").stat().st_size == 0


def test_the_command_says_it_in_a_few_lines_and_in_json_for_the_desk(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("bot.cli.parent.when_it_dies", lambda act: None)
    monkeypatch.setattr("engine.maintenance.backups.ROOM", 0)
    recorded(tmp_path).close()
    assert main(["maintain", "--data-dir", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == ["removed", "back-up", "took"]
    assert "ledger rows proven" in said[1]
    (tmp_path / "backups").rename(tmp_path / "elsewhere")
    (tmp_path / "backups").write_text("a file in the way")
    assert main(["maintain", "--data-dir", str(tmp_path), "--progress", "json", "--slot", "2026-11-22"]) == 1
    *progress, result = map(json.loads, capsys.readouterr().out.splitlines())
    assert [one["progress"]["stage"] for one in progress][:2] == ["old files", "back-up"]
    assert result["result"]["fate"] == "incomplete"
    assert "backups" in result["result"]["why"]
