"""A few markets of the table of controls (`python -m tests.training --controls` makes all of it)."""

import pytest

from engine.forecasting.gate import Verdict
from tests.training.controls import noise, planted
from tests.training.made import playbook

QUICK = playbook(learner={"eta": 0.1})


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_is_never_called_an_edge_nor_promoted(seed):
    one = noise(seed, terms=QUICK)
    assert one.verdict is not Verdict.EDGE
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
