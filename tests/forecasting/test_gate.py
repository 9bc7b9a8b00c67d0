"""The gate: each step trips alone, and the verdict follows from the steps."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.forecasting.canaries import Canary, Causality
from engine.forecasting.gate import Findings, GateTerms, Part, Verdict
from engine.forecasting.intervals import Estimate
from engine.forecasting.money import Fees
from engine.forecasting.skill import Skill
from engine.forecasting.verdicts import decide
from engine.inference import Interval
from tests.forecasting.found import CANARIES, GOOD, earned, findings, share


def test_a_good_model_passes_every_step():
    gate = decide(GOOD)
    assert gate.verdict is Verdict.EDGE
    assert [step.code for step in gate.failed] == []
    assert gate.promotable
    assert gate.by_rule


@pytest.mark.parametrize(
    ("code", "part", "changes"),
    [
        ("CAUSALITY", Part.DEFECT, {"causality": Causality(("sma_20_centred",))}),
        ("CAUSALITY", Part.PROMOTION, {"causality": None}),
        ("CANARY_SHUFFLED", Part.DEFECT, {"canaries": (Canary("shuffled", share(0.56)), *CANARIES[1:])}),
        ("CANARY_SHUFFLED", Part.PROMOTION, {"canaries": CANARIES[1:]}),
        ("CANARY_LAGGED", Part.DEFECT, {"canaries": (CANARIES[0], Canary("lagged", share(0.62)), CANARIES[2])}),
        ("CANARY_CENTRED", Part.DEFECT, {"canaries": (*CANARIES[:2], Canary("centred", share(0.56)))}),
        ("LIVE_STOP", Part.DEFECT, {"live_stop": "Right 43 % of the time live, below 45 %."}),
        ("FRESH", Part.PROMOTION, {"age": timedelta(days=8)}),
        ("TRADES", Part.PROMOTION, {"money": earned(trades=99)}),
        ("TRADES", Part.PROMOTION, {"money": None}),
        ("AFTER_COSTS", Part.PROMOTION, {"money": replace(earned(), pnl=-1.0)}),
        ("DEFLATED_SHARPE", Part.PROMOTION, {"skill": Skill(90, 1.5, 0.97, 200.0, 2.0, 0.4, 0.1)}),
        ("DEFLATED_SHARPE", Part.PROMOTION, {"skill": None}),
        ("OVERFITTING", Part.PROMOTION, {"skill": Skill(3, 2.5, 0.99, 200.0, 0.8, 0.97, 0.7)}),
        ("OVERFITTING", Part.PROMOTION, {"skill": Skill(3, 2.5, 0.99, 200.0, 0.8, 0.97, None, unmeasured=0)}),
        ("GAP", Part.PROMOTION, {"judgement": replace(GOOD.judgement, training=None)}),
        ("BEATS_LOGISTIC", Part.EVIDENCE, {"judgement": replace(GOOD.judgement, beside=GOOD.judgement.beside[:3])}),
        ("CALIBRATED", Part.EVIDENCE, {"judgement": replace(GOOD.judgement, brier=0.251)}),
    ],
)
def test_each_step_alone_keeps_a_model_from_trading(code, part, changes):
    gate = decide(replace(GOOD, **changes))
    assert [(step.code, step.part) for step in gate.failed] == [(code, part)]
    assert not gate.promotable
    assert not gate.by_rule
    wanted = {Part.DEFECT: Verdict.STOPPED, Part.EVIDENCE: Verdict.NOT_PROVEN, Part.PROMOTION: Verdict.EDGE}
    assert gate.verdict is wanted[part]


def test_the_alarm_of_three_classes_looks_at_the_direction_of_moves():
    three = replace(GOOD.judgement, classes=3, base_brier=1.0, direction_given_move=share(0.61))
    gate = decide(Findings(three), GateTerms(least_accuracy=None))
    assert not gate.step("ALARM").passed
    assert gate.verdict is Verdict.STOPPED


def test_the_leak_of_three_classes_must_show_in_the_direction_of_moves():
    """Always saying flat is right 73 % of the time: no leak is needed for that."""
    three = replace(GOOD.judgement, classes=3, base_rate=0.73, base_brier=1.0, direction_given_move=share(0.55))

    def step(direction):
        canary = Canary("centred", share(0.74), direction=share(direction))
        found = Findings(three, causality=Causality(), canaries=(*CANARIES[:2], canary))
        return decide(found, GateTerms(least_accuracy=None)).step("CANARY_CENTRED")

    assert not step(0.54).passed
    assert "54.0 %" in step(0.54).sentence
    assert step(0.80).passed


def test_a_lucky_handful_raises_no_alarm():
    few = replace(GOOD.judgement, accuracy=share(0.61, reach=0.15))
    assert decide(Findings(few)).step("ALARM").passed


def test_a_test_that_ended_lately_enough_is_no_matter_and_an_old_one_says_how_old():
    fresh = decide(replace(GOOD, age=timedelta(hours=3)))
    assert fresh.promotable
    assert fresh.step("FRESH").sentence == "The test ended 3 h before the training."
    old = decide(replace(GOOD, age=timedelta(days=805)))
    assert "805 days before the training, longer ago than the 7 days" in old.step("FRESH").sentence


def test_below_the_accuracy_asked_for_an_edge_is_an_edge_but_does_not_trade():
    gate = decide(findings(0.545, days=400))
    assert gate.verdict is Verdict.EDGE
    assert [step.code for step in gate.failed] == ["ACCURACY"]


def test_too_few_cases_prove_nothing():
    gate = decide(findings(0.6, days=15), GateTerms(fewest_cases=2_000))
    assert gate.verdict is Verdict.NOT_PROVEN
    assert gate.step("CASES").passed is False


def test_too_good_is_stopped_until_it_is_cleared_and_then_only_a_person_may_promote_it():
    good = findings(0.7)
    gate = decide(good)
    assert gate.verdict is Verdict.EDGE
    assert gate.promotable
    assert not gate.by_rule
    for missing in ({"causality": None}, {"canaries": ()}, {"canaries": CANARIES[:2]}):
        unseen = decide(replace(good, **missing))
        assert unseen.verdict is Verdict.STOPPED
        assert not unseen.step("ALARM").passed


def test_more_than_chance_that_loses_after_costs_is_no_edge():
    gate = decide(replace(GOOD, money=earned(-0.004)))
    assert gate.verdict is Verdict.NO_EDGE
    assert "costs" in gate.sentence


def test_enough_rows_without_a_lead_worth_having_are_no_edge():
    gate = decide(findings(0.5, days=600, money=None, skill=None))
    assert gate.verdict is Verdict.NO_EDGE


def test_a_sure_lead_that_is_surely_tiny_is_no_edge():
    tiny = Estimate(0.004, Interval(0.0003, 0.0078), 17_000, 5_000, 60)
    beside = tuple(replace(one, ahead=tiny) if one.name == "logistic" else one for one in GOOD.judgement.beside)
    gate = decide(replace(GOOD, judgement=replace(GOOD.judgement, beside=beside)))
    assert not [step for step in gate.failed if step.part is Part.EVIDENCE], "all evidence speaks for it"
    assert gate.verdict is Verdict.NO_EDGE
    assert "At best it is 0.8 points ahead of logistic: not worth having." in gate.sentence
    assert not gate.promotable


def test_what_the_venues_fees_would_leave_is_said_and_the_playbooks_are_what_must_pay():
    scenario = Fees(0.0005, 0.004, 120, -30.0, -0.03)
    step = decide(replace(GOOD, fees=scenario)).step("AFTER_COSTS")
    assert step.passed
    assert "at the playbook's 0.05 % a side, which is what must pay" in step.sentence
    assert "(at the venue's fees of 0.40 %: −3.0 % in 120 trades)" in step.sentence
    own = decide(replace(GOOD, fees=Fees(0.004, 0.004, 400, 40.0, 0.04))).step("AFTER_COSTS")
    assert "after costs of 90.00 at the venue's fees (0.40 % a side), buy and hold" in own.sentence


def unsure(promised):
    """Findings of a model whose leads are wide and about nought, and whose confidences promise so much of a lead."""
    wide = Estimate(0.0, Interval(-0.05, 0.05), 5_000, 5_000, 60)
    judgement = GOOD.judgement
    bins = tuple(replace(part, confidence=0.5 + promised) for part in judgement.reliability)
    beside = tuple(replace(one, ahead=wide) for one in judgement.beside)
    return replace(GOOD, judgement=replace(judgement, beside=beside, reliability=bins))


def test_a_model_that_claims_no_edge_and_never_enters_has_none():
    silent = replace(earned(trades=0), mean_return=None)
    gate = decide(replace(unsure(0.01), money=silent))
    assert gate.verdict is Verdict.NO_EDGE
    assert "by its own confidences it leads by +1.0 points" in gate.sentence
    assert decide(unsure(0.01)).verdict is Verdict.NOT_PROVEN, "it has entered: that may yet be worth something"
    assert decide(replace(unsure(0.03), money=silent)).verdict is Verdict.NOT_PROVEN
    few = replace(unsure(0.01), money=silent)
    assert decide(few, GateTerms(fewest_cases=10_000)).verdict is Verdict.NOT_PROVEN


def test_surely_no_lead_over_one_baseline_is_no_edge_whatever_the_others_say():
    found = unsure(0.03)
    narrow = Estimate(-0.01, Interval(-0.03, 0.01), 5_000, 5_000, 60)
    beside = (*found.judgement.beside[:3], replace(found.judgement.beside[3], ahead=narrow))
    gate = decide(replace(found, judgement=replace(found.judgement, beside=beside)))
    assert gate.verdict is Verdict.NO_EDGE
    assert "At best it is 1.0 points ahead of logistic" in gate.sentence


def test_three_classes_must_beat_the_base_rates_not_a_coin():
    three = replace(GOOD.judgement, classes=3, brier=0.42, base_brier=0.41, direction_given_move=share(0.55))
    gate = decide(replace(GOOD, judgement=three), GateTerms(least_accuracy=None))
    assert [step.code for step in gate.failed] == ["CALIBRATED"]
    assert gate.step("ACCURACY") is None


def test_what_was_chosen_and_cannot_be_measured_says_how_many_trials_and_days():
    def said(trials, unmeasured=None):
        luck = Skill(trials, 2.5, 0.99, 200.0, 0.8, 0.97, None, unmeasured=unmeasured)
        step = decide(replace(GOOD, skill=luck)).step("OVERFITTING")
        return step.passed, step.sentence

    assert said(1) == (True, "The only trial: nothing was chosen by what it earned.")
    passed, sentence = said(12)
    assert passed
    assert "None of the 12 trials" in sentence
    assert said(12, 0) == (False, "Overfitting is not measured: 12 trials, no common days; 8 are needed.")
    assert said(2, 1) == (False, "Overfitting is not measured: 2 trials, 1 common day; 8 are needed.")


def test_every_step_has_a_sentence_and_every_sentence_its_numbers():
    for step in decide(GOOD).steps:
        assert step.sentence.endswith(".")
        told = any(character.isdigit() for character in step.sentence)
        assert told or step.code in ("CAUSALITY", "CANARY_CENTRED", "OVERFITTING")
