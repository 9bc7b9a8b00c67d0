"""A few markets of the table of controls (`python -m tests.training --controls` makes all of it)."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from engine.forecasting.gate import Verdict
from engine.training.controls import bar_before
from engine.training.dataset import build
from tests.training.controls import noise, planted
from tests.training.made import bars_of, playbook, trained, walk

COLUMNS = ("time", "open", "high", "low", "close", "volume")
QUICK = playbook(learner={"eta": 0.1})


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_is_said_to_have_no_edge_and_is_not_promoted(seed):
    one = noise(seed)
    assert one.verdict is Verdict.NO_EDGE
    assert not one.promotable


@pytest.mark.parametrize(("share", "promotable"), [(0.60, True), (0.70, True)])
def test_a_planted_interaction_is_found_whole_and_honestly(share, promotable):
    one = planted(share, 11, days=180, terms=QUICK)
    assert abs(one.accuracy - one.best) < 0.02
    assert one.calibration_error < 0.02
    assert max(one.logistic, one.reversal) < 0.53
    assert one.verdict is Verdict.EDGE
    assert one.promotable is promotable
    assert not one.by_rule  # too good to be true: a person looks first


def told_once(symbol, seed, days=150, sure=0.9):
    """Every two hours the next two are told, in the last bar before them alone, to who looks at move and volume
    together: a loud move points the way, a quiet one points away from it."""
    draw = np.random.default_rng(seed)
    blocks = days * 12
    way, loud = draw.choice((-1, 1), blocks), draw.random(blocks) < 0.5
    steps = draw.normal(0, 0.001, (blocks, 24))
    steps[:, :-1] += (way * np.where(draw.random(blocks) < sure, 1, -1) * 0.012 / 23)[:, None]
    told = np.roll(way * np.where(loud, 1, -1), -1)
    steps[:, -1] = told * 0.002
    volume = draw.lognormal(3, 0.1, (blocks, 24))
    volume[:, -1] *= np.where(np.roll(loud, -1), 6.0, 1.0)
    return bars_of(symbol, np.exp(np.cumsum(steps.ravel())), volume.ravel(), draw)


def test_shuffled_labels_and_one_bar_late_destroy_an_edge_that_is_told_in_one_bar(tmp_path):
    terms = playbook(sample_every=timedelta(hours=2), embargo=None, learner={"min_child_weight": 20.0, "eta": 0.1})
    done = trained(tmp_path, [told_once(f"C{n}/USD", n) for n in range(4)], terms)
    model = done.card.judgement.accuracy
    assert model.interval.low > 0.75
    found = {step.code: step for step in done.card.gate.steps}
    for code in ("CANARY_SHUFFLED", "CANARY_LAGGED"):
        assert found[code].passed
        assert found[code].value == pytest.approx(0.5, abs=0.05)


def test_a_bar_late_is_the_bar_before_and_a_row_without_one_has_none():
    terms, bars = playbook(sample_every=None).model, walk(days=30)
    data = build(terms, [bars])
    rows = np.flatnonzero((data.cases.time > bars.time[4_990]) & (data.cases.time < bars.time[5_010]))
    assert np.array_equal(bar_before(data, [bars], rows)[1:], data.rows[rows][:-1])
    keep = np.arange(len(bars.time)) != 5_000
    holed = replace(bars, **{name: getattr(bars, name)[keep] for name in COLUMNS})
    (row,) = np.flatnonzero(data.cases.time == bars.time[5_001])
    assert np.isnan(bar_before(data, [holed], np.array([row]))).all()
