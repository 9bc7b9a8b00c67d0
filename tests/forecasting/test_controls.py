"""The gate on markets whose truth is known: noise is never called an edge, a planted edge always is."""

import pytest

from engine.forecasting.gate import Verdict
from engine.forecasting.money import earn, wishes_of
from engine.forecasting.verdicts import decide
from tests.forecasting.found import lucky
from tests.forecasting.made import HOUR, planted, random_walks, stubborn_forecasts
from tests.forecasting.test_money import market, rules, seer


def test_of_forty_random_walks_at_least_thirty_eight_show_no_edge_and_none_is_promoted():
    """Labels that overlap, coins that move together, money as good as can be: only the length of the test speaks."""
    gates = []
    for seed in range(40):
        cases = random_walks(seed, days=240, step=HOUR)
        gates.append(decide(lucky(cases, stubborn_forecasts(cases, seed + 500))))
    assert sum(gate.verdict is Verdict.NO_EDGE for gate in gates) >= 38
    assert not [gate for gate in gates if gate.promotable]


def test_a_walk_too_short_to_be_sure_is_never_an_edge():
    for seed in range(10):
        cases = random_walks(seed, days=40)
        gate = decide(lucky(cases, stubborn_forecasts(cases, seed + 500)))
        assert gate.verdict in (Verdict.NO_EDGE, Verdict.NOT_PROVEN)


@pytest.mark.parametrize(("best", "promoted"), [(0.55, False), (0.60, True), (0.70, True)])
def test_a_planted_edge_that_no_baseline_sees_is_called_an_edge(best, promoted):
    gates = [decide(lucky(*planted(seed, best))) for seed in range(20)]
    assert sum(gate.verdict is Verdict.EDGE for gate in gates) >= 19
    if promoted:
        assert sum(gate.promotable for gate in gates) >= 19
        assert not [gate for gate in gates if gate.by_rule]  # too good for a rule: a person looks first


def test_the_money_of_a_known_edge_and_of_none_fall_on_either_side_of_costs():
    made = market(days=120)
    paid = rules(fee=0.0002)
    assert earn(paid, made, wishes_of(*seer(made, 0.65))).mean_return.interval.low > 0
    assert earn(paid, made, wishes_of(*seer(made, 0.50))).mean_return.interval.low < 0
