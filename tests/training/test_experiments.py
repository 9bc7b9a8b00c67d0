"""The experiment ledger: a row before every fit, rows that stay, and trials that are counted."""

import sqlite3
import subprocess
import sys

import pytest

from engine.training.experiments import DONE, FAILED, STARTED, TRIAL, code_hash, opened
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


def test_the_code_is_known_by_its_content():
    assert code_hash() == code_hash()
    assert len(code_hash()) == 16
