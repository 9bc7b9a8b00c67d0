"""Which trials count together, by what they asked and of which bars; and what one was chosen among."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from engine.domain import MarketKind
from engine.forecasting.money import earn, wishes_of
from engine.messages import Born
from engine.playbook import load
from engine.training.counting import alike, chosen_among, configuration, daily_sharpes, earned, market_word, rules_of
from engine.training.experiments import BACKTEST, CANARY, DONE, FAILED, FOLD, TRIAL, opened
from tests.forecasting.test_money import market as traded_market
from tests.forecasting.test_money import rules, seer
from tests.training.made import NOW, SMALL, market, playbook, trained

DAY = 86_400_000_000
TOLD = {"label": {"kind": "direction"}, "market": "", "coins": ["A/USD"], "since": 0, "until": 9 * DAY}
TOLD |= {"configuration": "ours", "playbook": "direction"}
MONEY = earn(rules(), traded_market(), wishes_of(*seer(traded_market(), 0.6)))


@pytest.fixture
def experiments(tmp_path):
    with opened(tmp_path / "experiments.sqlite") as found:
        yield found


def row(experiments, kind=TRIAL, dataset="other", model="direction", end=(DONE, {}), **changes):
    number = experiments.begin(model, kind, NOW, dataset, "code", TOLD | changes)
    if end:
        experiments.end(number, end[0], NOW, end[1])


def counted(experiments):
    return alike(TOLD, "direction", "data", experiments.read())


def test_trials_count_whatever_became_of_them_and_controls_do_not(experiments):
    for kind in (TRIAL, TRIAL, CANARY, FOLD):
        row(experiments, kind, end=None)
    row(experiments, end=(FAILED, {"why": "no"}))
    row(experiments, end=(DONE, {"daily_sharpe": 0.2}))
    assert len(counted(experiments)) == 4
    assert daily_sharpes(counted(experiments)) == [0.2]


def test_what_counts_is_the_question_and_the_bars_not_the_names(experiments):
    row(experiments, model="mine", playbook="my")
    row(experiments, coins=["A/USD", "B/USD"], since=8 * DAY, until=30 * DAY)
    assert len(counted(experiments)) == 2
    row(experiments, label={"kind": "three_classes"})
    row(experiments, market="simulated")
    row(experiments, coins=["B/USD"])
    row(experiments, since=9 * DAY, until=30 * DAY)
    assert len(counted(experiments)) == 2
    row(experiments, coins=["B/USD"], dataset="data")
    assert len(counted(experiments)) == 3


def test_the_same_backtest_made_again_counts_once_and_one_of_other_numbers_as_another(experiments):
    for version in ("v1", "v1", "v2"):
        row(experiments, BACKTEST, version=version)
    row(experiments, BACKTEST, version="v1", configuration="theirs")
    assert len(counted(experiments)) == 3


def test_a_market_is_told_by_its_kind_and_its_edge():
    def born(kind, planted=None):
        return Born(NOW, "d", kind, "direction", "0", "", planted)

    real = [market_word(one) for one in (None, born(MarketKind.LIVE), born(MarketKind.REPLAY))]
    assert real == ["", "", ""]
    assert market_word(born(MarketKind.SIMULATED)) == "simulated"
    planted = {market_word(None, 0.6), market_word(born(MarketKind.SIMULATED, 0.6)), market_word(None, 0.7)}
    assert planted == {"planted edge 0.6", "planted edge 0.7"}


def test_a_row_from_before_more_was_known_counts_by_the_name_of_its_model(experiments):
    for model in ("direction", "trend"):
        experiments.begin(model, TRIAL, NOW, "data", "code", {"learner": {"depth": 3}})
    assert [one.model for one in counted(experiments)] == ["direction"]


def test_a_copy_under_another_name_is_the_same_configuration_and_any_other_number_is_not():
    shelf = load("direction")
    ours = configuration(rules_of(shelf), shelf.model)
    renamed = shelf.model_copy(update={"name": "my", "description": "mine"})
    assert configuration(rules_of(renamed), renamed.model.model_copy(update={"name": "my"})) == ours
    later = shelf.model.model_copy(update={"expires_after": timedelta(days=3)})
    assert configuration(rules_of(shelf), later) == ours
    deeper = playbook(learner={"depth": 4})
    surer = shelf.strategies[0].model_copy(update={"min_confidence": 0.7})
    surer = shelf.model_copy(update={"strategies": (surer,)})
    assert len({ours, *(configuration(rules_of(one), one.model) for one in (deeper, surer))}) == 3


def other_days(shift=0, seed=5):
    """Figures of a trial that came to other days' returns, `shift` days later than MONEY."""
    draw = np.random.default_rng(seed).normal(0, 0.01, len(MONEY.days))
    return {"days": draw.tolist(), "first_day": MONEY.first_day + shift}


def test_the_days_of_a_trial_are_kept_and_read_back_as_what_a_later_one_was_chosen_among(experiments):
    row(experiments, end=(DONE, earned(MONEY)), configuration="theirs")
    choice = chosen_among(counted(experiments), "ours", MONEY)
    assert choice.returns.shape == (len(MONEY.days), 2)
    np.testing.assert_allclose(choice.returns[:, 1], MONEY.days, atol=1e-9)
    assert choice.different == 1


def test_only_other_numbers_judged_on_some_of_the_same_days_are_what_was_chosen_among(experiments):
    row(experiments, end=(DONE, other_days(-1)))  # the same numbers, the night before
    row(experiments, end=(DONE, other_days(len(MONEY.days))), configuration="later")
    row(experiments, end=(FAILED, {"why": "no"}), configuration="broken")
    row(experiments, end=None, configuration="killed")
    assert chosen_among(counted(experiments), "ours", MONEY).different == 1
    row(experiments, end=(DONE, other_days(3)), configuration="theirs")
    row(experiments, end=(DONE, other_days(2, seed=6)), configuration="theirs too")
    choice = chosen_among(counted(experiments), "ours", MONEY)
    assert choice.returns.shape == (len(MONEY.days) - 3, 3)
    assert choice.overfitting is not None


def test_a_choice_that_nobody_can_look_into_is_kept_as_one(experiments):
    row(experiments, end=(DONE, other_days(len(MONEY.days) - 3)), configuration="theirs")
    few = chosen_among(counted(experiments), "ours", MONEY)
    assert (len(few.returns), few.different, few.overfitting) == (3, 2, None)
    experiments.begin("direction", TRIAL, NOW, "data", "code", {})
    experiments.end(2, DONE, NOW, {"daily_sharpe": 0.1})  # an earlier version kept no days
    assert chosen_among(counted(experiments)[1:], "ours", MONEY).returns.shape == (0, 2)
    assert datetime.fromtimestamp(MONEY.first_day * 86_400, UTC) < NOW


def test_trainings_of_other_numbers_are_measured_against_each_other_and_those_of_the_same_are_not(tmp_path):
    bars, eager = market(2), eagerly(SMALL)
    deeper = eagerly(playbook(sample_every=SMALL.model.sample_every, learner={"rounds": 60, "depth": 2}))
    first, again, other = (trained(tmp_path, bars, one) for one in (eager, eager, deeper))
    assert [one.card.skill.trials for one in (first, again, other)] == [1, 2, 3]
    steps = [one.card.gate.step("OVERFITTING") for one in (first, again, other)]
    assert [step.value is None for step in steps] == [True, True, False]
    assert steps[0].passed
    assert steps[1].passed


def eagerly(playbook):
    """The playbook, entering at every hint."""
    uses = [use.model_copy(update={"min_confidence": 0.5, "cost_filter": False}) for use in playbook.strategies]
    return playbook.model_copy(update={"strategies": tuple(uses)})
