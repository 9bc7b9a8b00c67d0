"""A whole training: judged once, written down, repeatable; and what cannot be learnt from is refused with a reason."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from engine.domain import instant
from engine.features.sets import find_set
from engine.forecasting.canaries import Causality
from engine.forecasting.cases import JudgementError
from engine.forecasting.registry import ModelFolder
from engine.playbook import PlaybookError, load, parse
from engine.playbook.learner_terms import Sweep, read_sweep
from engine.training import training as room
from engine.training.experiments import CANARY, DONE, FAILED, FOLD, TRIAL, opened
from engine.training.reports import results, summary, table
from engine.training.spreading import Spread
from engine.training.training import Study
from tests.training.made import SMALL, cut, market, playbook, trained, walk


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One training with everything: a sweep, a walk forward, every path."""
    folder = tmp_path_factory.mktemp("whole")
    study = Study(walk=True, paths=True, sweep=Sweep(depth=(2, 3), folds=2))
    return trained(folder, market(), study=study), folder


def rows(folder):
    with opened(folder / "experiments.sqlite") as experiments:
        return experiments.read()


def refused(folder, bars, **given):
    with pytest.raises(JudgementError) as caught:
        trained(folder, bars, **given)
    return caught.value


def test_no_fit_is_without_a_row(whole):
    done, folder = whole
    kinds = [one.kind for one in rows(folder)]
    assert kinds.count(TRIAL) == 2 + 1  # the members of the sweep, and the model
    assert kinds.count(FOLD) == 2 * 2 + 5 + 15
    assert kinds.count(CANARY) == 3
    assert {one.status for one in rows(folder)} == {DONE}
    assert {one.dataset for one in rows(folder)} == {done.data.hash}


def test_the_trials_that_luck_is_measured_by_are_the_true_ones(whole):
    done, _ = whole
    assert done.card.trials == done.card.skill.trials == 3


def test_the_sweep_is_decided_before_the_test_and_its_best_is_fitted(whole):
    done, _ = whole
    losses = [one.log_loss for one in done.swept.members]
    assert done.swept.best == int(np.argmin(losses))
    assert done.passport.parameters["depth"] == done.swept.learner.depth
    assert done.swept.returns.shape[1] == 2


def test_the_walk_forward_stands_on_the_card(whole):
    done, _ = whole
    assert len(done.card.judgement.folds) == len(done.walked.judgement.folds) == 5
    assert done.walked.judgement.against("reversal") is not None
    assert done.walked.judgement.against("logistic") is not None
    starts = [one.start for one in done.card.judgement.folds]
    assert starts == sorted(starts)


def test_every_path_covers_all_rows(whole):
    done, _ = whole
    assert len(done.paths) == 5
    assert all(0.3 < one.accuracy < 0.7 for one in done.paths)


def test_the_test_is_after_all_that_was_learnt_from(whole):
    done, _ = whole
    assert done.passport.train_end <= done.card.judgement.start
    assert done.passport.train_start < done.passport.train_end


def test_the_shipped_models_keep_their_longest_look_back_from_what_they_are_tested_on():
    for name in ("direction", "trend"):
        terms = load(name).model
        assert terms.embargo >= find_set(terms.features).warm_up * timedelta(minutes=1)


class Watching:
    """A spread of one process that remembers what it was asked."""

    def __init__(self):
        self.tasks = []

    def over(self, work, shared, tasks):
        self.tasks += tasks
        return Spread().over(work, shared, tasks)


def test_every_fit_keeps_the_embargo_from_what_it_is_tested_on(tmp_path):
    watching = Watching()
    study = Study(walk=True, paths=True, sweep=Sweep(depth=(2, 3), folds=2))
    done = trained(tmp_path, market(2), study=study, spread=watching)
    cases, embargo = done.data.cases, 24 * 3_600_000_000
    thirds = room.parted(SMALL.model, done.data)
    fits = [(one.train, one.validation, one.test) for one in (*watching.tasks, thirds)]
    assert len(fits) == 2 * 2 + 5 + 15 + 1
    for train, validation, test in fits:
        for learnt, seen in ((train, validation), (train, test), (validation, test)):
            assert nearest(cases, learnt, seen) > embargo


def nearest(cases, learnt, seen):
    """µs between the lives of these rows and those, at the nearest."""
    starts, ends = np.sort(cases.time[seen]), np.sort(cases.until[seen])
    after = np.append(starts, 2**62)[np.searchsorted(starts, cases.time[learnt])] - cases.until[learnt]
    before = cases.time[learnt] - np.append(-(2**62), ends)[np.searchsorted(ends, cases.until[learnt])]
    return min(after.min(), before.min())


def test_the_reports_say_what_was_found(whole):
    done, _ = whole
    told = results(done, {"GONE/USD": "not in the files"})
    assert told["version"] == done.passport.version
    assert told["coins"]["C0/USD"]["rows"] > 0
    assert len(told["walk_forward"]["judgement"]["folds"]) == 5
    assert len(told["paths"]) == 5
    text = table(done, {"GONE/USD": "not in the files"})
    assert told["card"]["fees"]["venue"] == 0.004
    for word in (
        "at the venue's fees, 0.40% a side: the same",
        "reversal",
        "logistic",
        "walking forward",
        "combinatorial",
        "swept 2 sets",
        "GONE/USD",
    ):
        assert word in text
    assert summary(done)["failing"] == list(done.passport.failing)


def test_the_same_bars_give_the_same_trees(tmp_path):
    bars = market(2)
    first, second = trained(tmp_path / "a", bars), trained(tmp_path / "b", bars)
    models = [
        ModelFolder(tmp_path / name / "models").load("direction", one.passport.version, one.artefact)
        for name, one in (("a", first), ("b", second))
    ]
    assert models[0].booster.save_raw("ubj") == models[1].booster.save_raw("ubj")
    assert first.passport.calibration == second.passport.calibration


def test_the_same_training_at_the_same_instant_is_another_version(tmp_path):
    bars = market(2)
    first, second = trained(tmp_path, bars), trained(tmp_path, bars)
    assert f"{first.passport.created:%M%S}" == f"{second.passport.created:%M%S}"
    assert first.passport.dataset == second.passport.dataset
    both = {first.passport.version, second.passport.version}
    assert set(ModelFolder(tmp_path / "models").versions("direction")) == both
    assert len(both) == 2


def test_three_classes_bring_their_own_threshold_above_the_playbooks_floor(tmp_path):
    terms = playbook("trend", sample_every=timedelta(minutes=20), learner={"rounds": 10, "depth": 3})
    bars = [walk("BTC/USD", 60, 1, timedelta(minutes=1)), walk("ETH/USD", 60, 2, timedelta(minutes=1))]
    done = trained(tmp_path, bars, terms)
    assert done.passport.figures["threshold"] >= 0.50
    assert done.passport.classes == 3
    assert done.passport.feature_set == "trend51"
    assert done.card.judgement.direction_given_move is not None


@pytest.mark.parametrize(
    ("bars", "code"),
    [
        ([], "NO_BARS"),
        ([cut(walk(), 0, 600)], "TOO_FEW_ROWS"),
        ([replace(walk(), close=np.full(len(walk().time), np.nan))], "TOO_FEW_ROWS"),
        ([replace(walk(), volume=np.full(len(walk().time), np.nan))], "TOO_FEW_ROWS"),
    ],
)
def test_bars_that_teach_nothing_are_refused_and_the_old_model_stays(tmp_path, bars, code):
    old = trained(tmp_path, market(2))
    assert refused(tmp_path, bars).code == code
    folder = ModelFolder(tmp_path / "models")
    assert folder.versions("direction") == (old.passport.version,)
    assert folder.load("direction", old.passport.version, old.artefact).predict(old.data.rows[:3]).shape == (3, 2)


def test_one_class_alone_is_refused_and_its_row_says_why(tmp_path):
    bars = walk()
    steady = 1.0001 ** np.arange(len(bars.time)) * (1 + 1e-7 * np.sin(np.arange(len(bars.time))))
    rising = replace(bars, open=steady, high=steady * 1.001, low=steady * 0.999, close=steady)
    assert refused(tmp_path, [rising]).code == "ONE_CLASS"
    (row,) = rows(tmp_path)
    assert row.status == FAILED
    assert "the same" in row.figures["why"]


def test_too_short_a_test_is_refused_before_anything_is_fitted(tmp_path):
    error = refused(tmp_path, market(2, days=30))
    assert error.code == "FEW_DAYS"
    assert "the newest 20% of the history, the test, has forecasts on 6 days" in str(error)
    assert not rows(tmp_path)


def test_bars_that_end_long_ago_are_refused_and_may_be_studied_but_not_promoted(tmp_path):
    bars = market(2)
    newest = instant(int(bars[0].time[-1]))
    error = refused(tmp_path, bars, asof=newest + timedelta(hours=37))
    assert error.code == "STALE_DATA"
    assert "37 h ago" in str(error)
    assert not rows(tmp_path)
    assert trained(tmp_path, bars, asof=newest + timedelta(hours=35)).card.gate.step("FRESH").passed
    studied = trained(tmp_path, bars, study=Study(old=True), asof=newest + timedelta(days=800))
    assert "800 days before the training" in studied.card.gate.step("FRESH").sentence
    assert not studied.passport.promotable
    assert studied.card.gate.step("FRESH").sentence in table(studied)


def test_a_feature_that_never_changes_is_named(tmp_path, monkeypatch):
    def frozen(*given, **more):
        data = build(*given, **more)
        data.rows[:, 2] = 0.5
        return data

    build = room.build
    monkeypatch.setattr(room, "build", frozen)
    error = refused(tmp_path, market(2))
    assert error.code == "CONSTANT"
    assert build(SMALL.model, market(1)).features.names[2] in str(error)


def test_a_leaking_feature_stops_the_training_before_a_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "causal", lambda *_: Causality(("rsi14",)))
    assert refused(tmp_path, market(2)).code == "LEAK"
    assert not rows(tmp_path)


def test_the_label_among_the_features_is_a_leak(tmp_path, monkeypatch):
    def planted(*given, **more):
        data = build(*given, **more)
        data.rows[:, 0] = data.cases.label + np.random.default_rng(0).normal(0, 0.05, len(data))
        return data

    build = room.build
    monkeypatch.setattr(room, "build", planted)
    assert refused(tmp_path, market(2)).code == "LEAK"


def test_a_coin_without_bars_is_left_out_and_the_others_are_learnt_from(tmp_path):
    done = trained(tmp_path, [*market(2), cut(walk("EMPTY/USD"), 0, 0)])
    assert done.passport.symbols == ("C0/USD", "C1/USD")
    assert "EMPTY/USD" in table(done)


def test_a_playbook_without_a_model_is_said_to_have_none(tmp_path):
    assert refused(tmp_path, market(1), playbook=load("ema")).code == "NO_MODEL"


def test_cuda_without_its_extra_is_refused_when_the_playbook_is_read():
    text = load("direction").text.replace("device: cpu", "device: cuda")
    with pytest.raises(PlaybookError, match=r"needs the extra \[gpu\]"):
        parse(text)


def test_a_sweep_is_small_and_of_numbers_that_exist():
    assert len(read_sweep("depth: [2, 3]\neta: [0.05, 0.1]", "s").members(SMALL.model.learner)) == 4
    for text in ("depth: [3]", "deep: [1, 2]", f"rounds: {list(range(1, 100))}", "- 1", "depth: ["):
        with pytest.raises(PlaybookError, match="s: "):
            read_sweep(text, "s")
    with pytest.raises(PlaybookError, match="depth"):
        read_sweep("depth: [3, 99]", "s").members(SMALL.model.learner)
