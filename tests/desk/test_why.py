"""What /why is told: a decision with what weighed in it, the minutes since beside it, and one gate that stops."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.domain import GateStep
from engine.messages import Analysis
from tests.desk.kit import BTC, ETH, Floor
from tests.models.made import forecast, with_model

DATA = GateStep("data", True, "700 bars are known")
BELOW = GateStep("threshold", False, "Confidence 52 % is below the threshold 60 %.")
IDLE = GateStep("strategy", False, "ema: no signal.")


def told(floor, *steps, signals=(), forecasts=()):
    floor.minute(analysed=False)
    return floor.tell(Analysis(floor.at, floor.at, signals, {BTC: steps}, forecasts))


def test_while_a_card_waits_its_decision_stands_and_the_last_minute_stands_beside_it():
    floor = Floor()
    floor.propose(BTC)
    offered = floor.view.decisions[BTC]
    assert BTC not in floor.view.since

    told(floor, DATA, GateStep("model", True, "up 52 %"), BELOW, IDLE)

    assert floor.view.decisions[BTC] == offered
    now = floor.view.since[BTC]
    assert now.at == floor.at
    assert now.verdict == f"no trade: {BELOW.sentence}"


def test_a_wish_that_only_renews_the_card_leaves_the_decision_that_the_card_shows():
    floor = Floor()
    card = floor.propose(BTC)
    offered = floor.view.decisions[BTC]
    floor.minute(signals=[floor.enter(BTC)])
    assert floor.view.decisions[BTC] == offered
    assert floor.view.since[BTC].verdict == f"proposed as {card.id}"


def test_once_the_card_is_answered_the_last_minute_is_the_decision_again():
    floor = Floor()
    card = floor.propose(BTC)
    floor.minute()
    floor.press(card, "reject")
    floor.minute()
    assert BTC not in floor.view.since
    assert floor.view.decisions[BTC].at == floor.at


def test_a_decision_keeps_what_weighed_in_its_own_forecast():
    floor = Floor(with_model())
    behind = replace(forecast(floor, BTC, 0.8), reasons=(("rsi", 0.7),), row=(("atr", 1.5), ("rsi", 61.0)))
    told(floor, DATA, signals=(floor.enter(BTC),), forecasts=(behind,))
    assert floor.view.decisions[BTC].weighed == (("rsi", 61.0, 0.7),)
    floor.minute()
    assert floor.view.decisions[BTC].weighed, "it is the card's, for as long as the card waits"


@pytest.mark.parametrize("stop", ["data", "model", "threshold", "costs"])
def test_one_gate_stops_and_none_behind_it_is_reached(stop):
    floor = Floor()
    gates = ("data", "model", "threshold", "costs", "strategy")
    told(floor, *(GateStep(gate, gate != stop, f"says {gate}") for gate in gates))
    decision = floor.view.decisions[BTC]
    at = gates.index(stop)
    assert decision.verdict == f"no trade: says {stop}"
    assert [step.passed for step in decision.steps[: at + 1]] == [True] * at + [False]
    assert {(step.passed, step.sentence) for step in decision.steps[at + 1 :]} == {(None, "not reached")}


def test_of_several_strategies_the_one_that_came_furthest_tells_the_gates():
    floor = Floor()
    first = (GateStep("threshold", True, "reaches"), GateStep("strategy", True, "wishes"))
    second = (BELOW, GateStep("strategy", None, "is not reached"))
    told(floor, DATA, *first, *second, signals=(floor.enter(BTC),))
    decision = floor.view.decisions[BTC]
    assert all(step.passed is not False for step in decision.steps)
    assert decision.verdict.startswith("proposed")


def test_a_card_knows_what_its_confidence_is_of_and_by_when():
    floor = Floor(with_model(horizon="2 h"))
    card = floor.propose(BTC, confidence=0.83, numbers={"p_up": 0.83, "p_down": 0.17})
    assert (card.horizon, card.band) == (timedelta(hours=2), None)
    other = floor.propose(ETH, confidence=0.83, numbers={"p_up": 0.6})
    assert other.horizon is None, "a strategy's own confidence is no probability of the model's"
