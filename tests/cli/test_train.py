"""`nightdesk train` from a file of bars to a version on disk; and what is left of one that is cut short."""

import json
import os
import signal
import subprocess
import sys

import pyarrow as pa
import pytest
from pyarrow import parquet

from bot.__main__ import main, parser
from bot.cli.train import spread_of
from bot.settings import read_settings
from engine.forecasting.registry import ModelFolder
from engine.playbook import load
from engine.training.experiments import STARTED, opened
from engine.training.spreading import Spread
from tests.training.made import market


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    """A file of two coins, as `nightdesk backtest` reads them: times are opens."""
    path = tmp_path_factory.mktemp("bars") / "bars.parquet"
    tables = []
    for one in market(2):
        opens = pa.array(one.time - 300_000_000).cast(pa.timestamp("us", tz="UTC"))
        columns = {name: getattr(one, name) for name in ("open", "high", "low", "close", "volume")}
        tables.append(pa.table({"symbol": [one.symbol.replace("/USD", "USDT")] * len(opens), "time": opens, **columns}))
    parquet.write_table(pa.concat_tables(tables), path)
    return path


def asked(bars, folder, *more):
    where = ("--bars", str(bars), "--symbols", "C0,C1", "--data-dir", str(folder))
    return ["train", "--playbook", "direction", *where, *more]


def test_a_training_prints_its_judgement_and_keeps_a_version_with_its_card(bars, tmp_path, capsys):
    assert main(asked(bars, tmp_path, "--report", str(tmp_path / "out" / "report.json"))) == 0
    out = capsys.readouterr().out
    assert "reversal" in out
    assert "what keeps it from trading" in out
    (version,) = ModelFolder(tmp_path / "models").versions("direction")
    home = tmp_path / "models" / "direction" / version
    assert {path.name for path in home.iterdir()} == {"card.png", "model.json", "trees.ubj"}
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    assert told["version"] == version
    assert (tmp_path / "out" / "comprehensive_analysis.png").read_bytes() == (home / "card.png").read_bytes()


def test_a_job_tells_its_progress_and_all_that_the_desk_must_know_to_offer_the_model(bars, tmp_path):
    with started(asked(bars, tmp_path, "--progress", "json", "--gentle")) as process:
        lines = [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    shares = [line["progress"]["share"] for line in lines if "progress" in line]
    assert shares == sorted(shares)
    result = lines[-1]["result"]
    model = ModelFolder(tmp_path / "models").load(result["model"], result["version"], result["artefact"])
    assert (model.passport.verdict, model.passport.promotable) == (result["verdict"], result["promotable"])
    assert result["fate"] == "done"


@pytest.mark.parametrize("how", ["killed", "left alone", "interrupted"])
def test_a_training_that_is_cut_short_leaves_no_version_and_a_counted_trial(bars, tmp_path, how):
    slow = tmp_path / "slow.yaml"
    text = (
        load("direction")
        .text.replace("rounds: 400", "rounds: 5000")
        .replace("early_stopping: 30", "early_stopping: 4999")
    )
    slow.write_text(text.replace("eta: 0.05", "eta: 0.0001"))
    arguments = asked(bars, tmp_path / "data", "--progress", "json")
    with started([*arguments[:2], str(slow), *arguments[3:]]) as process:
        for line in process.stdout:
            if "fitting" in line:
                break
        end(process, how)
        list(process.stdout)  # read on until it has ended: a closed pipe would be another end
    code = process.returncode
    assert code == (-signal.SIGKILL if how == "killed" else 130)
    assert ModelFolder(tmp_path / "data" / "models").versions("direction") == ()
    with opened(tmp_path / "data" / "experiments.sqlite") as experiments:
        assert [one.status for one in experiments.read()] == [STARTED]
        assert experiments.trials("direction") == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--backend", "threads"), "sequential, loky, dask"),
        (("--backend", "dask"), "DASK_SCHEDULER"),
        (("--sweep", "nowhere.yaml"), "nowhere.yaml cannot be read"),
        (("--history", "3"), "3 days"),
        (("--symbols", "NOTHING"), "NOTHING"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(bars, tmp_path, capsys, more, said):
    assert main(asked(bars, tmp_path, *more)) == 1
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("nightdesk: ")
    assert said in told


def test_a_training_is_spread_as_the_command_line_says_or_else_the_settings(monkeypatch):
    monkeypatch.setenv("TRAIN_BACKEND", "loky")
    monkeypatch.setenv("TRAIN_WORKERS", "3")
    settings = read_settings()
    said, silent = ("train", "--backend", "sequential", "--workers", "2"), ("train",)
    assert spread_of(parser().parse_args(silent), settings) == Spread("loky", 3)
    assert spread_of(parser().parse_args(said), settings) == Spread("sequential", 2)


def test_a_playbook_without_a_model_has_none_to_train(tmp_path, capsys):
    assert main(["train", "--playbook", "ema", "--data-dir", str(tmp_path)]) == 1
    assert "trades by rule" in capsys.readouterr().err


def end(process, how):
    if how == "killed":
        process.kill()
    elif how == "left alone":
        process.stdin.close()
    else:
        process.send_signal(signal.SIGINT)


def started(arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "bot", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PLAYBOOK": ""},
    )
