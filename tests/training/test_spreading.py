"""Work spread out: the same results wherever it is done, and refusals that say what is missing."""

import importlib.util
import os
import subprocess
import sys
import threading
from datetime import timedelta

import numpy as np
import psutil
import pytest

from engine.forecasting.cases import JudgementError
from engine.forecasting.splits import walk_forward
from engine.training.dataset import build
from engine.training.experiments import DONE, FAILED, FOLD
from engine.training.folds import fit_folds
from engine.training.spreading import Spread, SpreadError, spread_named
from tests.training.made import SMALL, lab, market, playbook, told


def squared(task, numbers):
    return task, float((numbers**task).sum()), os.environ.get("OMP_NUM_THREADS"), os.getpid()


def broken(task):
    raise ZeroDivisionError(f"task {task}")


@pytest.fixture(scope="module")
def data():
    return build(SMALL.model, market(2))


def folds_by(tmp_path, data, spread):
    jobs = [(SMALL.model, fold, {}) for fold in walk_forward(data.cases.time, data.cases.until, 2)]
    with lab(tmp_path, spread) as room:
        done = fit_folds(room, data, jobs, told, "walking forward", beside=True)
        kept = room.experiments.read()
    assert [one.kind for one in kept] == [FOLD, FOLD]
    assert {one.status for one in kept} == {DONE}
    return done


@pytest.fixture(scope="module")
def cluster():
    """A scheduler and a worker of this machine, spoken to over TCP as any other cluster."""
    distributed = pytest.importorskip("distributed")
    import dask

    with (
        dask.config.set({"distributed.admin.tick.interval": "500ms"}),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None, silence_logs=50
        ) as made,
    ):
        yield made.scheduler_address


def test_two_processes_find_what_one_finds(tmp_path, data):
    here = folds_by(tmp_path / "here", data, Spread())
    there = folds_by(tmp_path / "there", data, Spread("loky", 2))
    for one, two in zip(here, there, strict=True):
        assert np.array_equal(one.probability, two.probability)
        assert np.array_equal(one.logistic, two.logistic)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_a_cluster_finds_what_one_process_finds(tmp_path, data, cluster):
    here = folds_by(tmp_path / "here", data, Spread())
    there = folds_by(tmp_path / "there", data, spread_named("dask", 1, cluster))
    for one, two in zip(here, there, strict=True):
        assert np.array_equal(one.probability, two.probability)


def test_workers_are_other_processes_of_one_thread_each():
    numbers = np.arange(5.0)
    answers = [answer for _, answer in Spread("loky", 2).over(squared, (numbers,), (1, 2, 3))]
    assert sorted((task, value) for task, value, _, _ in answers) == [(1, 10.0), (2, 30.0), (3, 100.0)]
    assert {threads for _, _, threads, _ in answers} == {"1"}
    assert os.getpid() not in {pid for *_, pid in answers}


@pytest.mark.parametrize("spread", [Spread(), Spread("loky", 2)])
def test_what_breaks_in_a_worker_is_raised_here(spread):
    with pytest.raises(ZeroDivisionError, match="task"):
        list(spread.over(broken, (), (1, 2)))


def test_a_fold_that_teaches_nothing_ends_with_its_reason_and_a_failed_row(tmp_path, data):
    terms = playbook(sample_every=timedelta(minutes=30), learner={"rounds": 5}).model
    data = build(terms, market(2))
    data.cases.label[: len(data) // 2] = 1
    jobs = [(terms, fold, {}) for fold in walk_forward(data.cases.time, data.cases.until, 2)]
    with lab(tmp_path) as room:
        with pytest.raises(JudgementError) as caught:
            fit_folds(room, data, jobs, told, "walking forward")
        assert caught.value.code == "ONE_CLASS"
        assert room.experiments.read()[0].status == FAILED


def test_a_backend_that_is_not_there_is_refused_with_what_to_do(monkeypatch):
    with pytest.raises(SpreadError, match="sequential, loky, dask"):
        spread_named("threads", 2)
    with pytest.raises(SpreadError, match="DASK_SCHEDULER"):
        spread_named("dask", 2)
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "distributed" else found(name))
    with pytest.raises(SpreadError, match=r"\[cluster\]"):
        spread_named("dask", 2, "tcp://127.0.0.1:1")


def waiting(task):
    print(os.getpid(), flush=True)
    threading.Event().wait(60)


def test_workers_end_when_the_one_that_they_work_for_is_killed():
    program = (
        "from engine.training.spreading import Spread; from tests.training.test_spreading import waiting\n"
        "list(Spread('loky', 2).over(waiting, (), (1, 2)))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as master:
        workers = [psutil.Process(int(master.stdout.readline())) for _ in range(2)]
        master.kill()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]
