"""The experiment ledger: a row before every fit, rows that stay, and trials that are counted."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import pytest

from engine.training.experiments import DONE, FAILED, STARTED, TRIAL, code_hash, opened
from engine.training.together import Together
from tests.training.made import NOW


@pytest.fixture
def experiments(tmp_path):
    with opened(tmp_path / "deep" / "experiments.sqlite") as found:
        yield found


def begin(experiments, kind=TRIAL, model="direction"):
    return experiments.begin(model, kind, NOW, "data", "code", {"depth": 3})


def test_a_row_is_there_before_its_end_and_tells_what_came_of_it(experiments):
    number = begin(experiments)
    assert [one.status for one in experiments.read()] == [STARTED]
    experiments.end(number, DONE, NOW, {"daily_sharpe": 0.1})
    (one,) = experiments.read("direction")
    assert (one.status, one.figures, one.parameters, one.ended_at) == (DONE, {"daily_sharpe": 0.1}, {"depth": 3}, NOW)


def test_rows_cannot_be_removed_nor_rewritten(experiments, tmp_path):
    number = begin(experiments)
    experiments.end(number, DONE, NOW, {})
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        experiments.end(number, FAILED, NOW, {})
    other = sqlite3.connect(tmp_path / "deep" / "experiments.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="stays counted"):
        other.execute("DELETE FROM experiments")
    other.close()


def test_a_process_that_dies_leaves_its_row_counted(experiments, tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from engine.training.experiments import Experiments\n"
        "one = Experiments(Path(sys.argv[1])); one.begin('direction', 'trial', datetime.now(UTC), 'd', 'c', {})\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "deep" / "experiments.sqlite")], check=False)
    assert experiments.read()[0].status == STARTED


def test_an_older_file_is_read_and_written_on(tmp_path):
    path = tmp_path / "experiments.sqlite"
    old = sqlite3.connect(path)
    old.execute(
        "CREATE TABLE experiments (id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, kind TEXT NOT NULL, "
        "started_at TEXT NOT NULL, ended_at TEXT, status TEXT NOT NULL, dataset TEXT NOT NULL, code TEXT NOT NULL, "
        "parameters TEXT NOT NULL, figures TEXT NOT NULL DEFAULT '{}') STRICT"
    )
    row = ("direction", TRIAL, NOW.isoformat(), NOW.isoformat(), DONE, "data", "code", '{"learner": {"depth": 3}}')
    names = "model, kind, started_at, ended_at, status, dataset, code, parameters"
    old.execute(f"INSERT INTO experiments ({names}) VALUES (?,?,?,?,?,?,?,?)", row)
    old.commit()
    old.close()
    for _ in range(2):
        with opened(path, tmp_path / "all.sqlite") as experiments:
            begin(experiments)
    with opened(path, tmp_path / "all.sqlite") as experiments:
        assert [one.status for one in experiments.read()] == [DONE, STARTED, STARTED]
        assert [one.uid for one in experiments.known()] == [one.uid for one in experiments.read()]
    assert len(kept(tmp_path)) == 3


def kept(folder):
    with closing(Together(folder / "all.sqlite")) as together:
        return together.read()


def test_all_folders_are_kept_together_and_stay_when_a_folder_goes(tmp_path):
    told = {"label": {}, "playbook": "my"}
    for name in ("one", "two", "three"):
        with opened(tmp_path / name / "experiments.sqlite", tmp_path / "all.sqlite") as experiments:
            number = experiments.begin("direction", TRIAL, NOW, "data", "code", told)
            assert STARTED in {one.status for one in kept(tmp_path)}
            experiments.end(number, DONE, NOW, {"daily_sharpe": 0.1})
    shutil.rmtree(tmp_path / "two")
    with opened(tmp_path / "two" / "experiments.sqlite", tmp_path / "all.sqlite") as experiments:
        assert experiments.read() == []
        assert [(one.status, one.figures) for one in experiments.known()] == [(DONE, {"daily_sharpe": 0.1})] * 3
    with opened(tmp_path / "alone" / "experiments.sqlite") as experiments:
        assert experiments.known() == []


def test_a_shared_file_that_takes_no_rows_ends_no_training_and_the_next_one_writes_them(tmp_path, caplog):
    path, shared = tmp_path / "one" / "experiments.sqlite", tmp_path / "all.sqlite"
    with opened(path, shared) as experiments:
        with closing(sqlite3.connect(shared)) as full:
            full.execute("CREATE TRIGGER f BEFORE INSERT ON experiments BEGIN SELECT RAISE(ABORT, 'it is full'); END")
        first = begin(experiments)
        begin(experiments)
        experiments.end(first, DONE, NOW, {})
        assert len(experiments.known()) == 2
    (said,) = caplog.records
    assert "it is full" in said.message
    assert kept(tmp_path) == []
    with closing(sqlite3.connect(shared)) as full:
        full.execute("DROP TRIGGER f")
    with opened(path, shared):
        pass
    assert [one.status for one in kept(tmp_path)] == [DONE, STARTED]


@pytest.mark.parametrize("spoil", [lambda path: path.mkdir(), lambda path: path.write_bytes(b"no database" * 100)])
def test_a_shared_file_that_cannot_be_opened_ends_no_training(tmp_path, caplog, spoil):
    spoil(tmp_path / "all.sqlite")
    with opened(tmp_path / "one" / "experiments.sqlite", tmp_path / "all.sqlite") as experiments:
        experiments.end(begin(experiments), DONE, NOW, {})
        assert [one.status for one in experiments.known()] == [DONE]
    assert len(caplog.records) == 1


def test_rows_that_are_refused_leave_the_shared_file_open_for_the_next(tmp_path):
    with opened(tmp_path / "experiments.sqlite") as experiments:
        begin(experiments)
        (row,) = experiments.read()
    with closing(Together(tmp_path / "all.sqlite")) as together:
        with pytest.raises(sqlite3.IntegrityError):
            together.take(tmp_path, [row, replace(row, uid="other", model=None)])
        assert together.read() == []
        together.take(tmp_path, [row])
        assert len(together.read()) == 1


def test_the_code_is_known_by_its_content():
    assert code_hash() == code_hash()
    assert len(code_hash()) == 16
