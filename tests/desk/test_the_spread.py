"""A forecast must be worth fees, slippage and the spread of the moment: when its card goes out, and at the press."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.clock import ManualClock
from engine.codec import decode, encode
from engine.domain import GateStep, Quote, Signal
from engine.inbox import Inbox, QuoteBoard
from engine.messages import Analysis
from engine.outcomes import Decided, OrderIntended, ProposalOpened, SignalSeen
from tests.desk.kit import BTC, ETH, START, Floor, codes, of, only
from tests.models.forged import DIRECTION

COSTS = 0.004  # the kit's fee and slippage of 0.1 % each, both ways
WORTH = 0.003  # what is left of the forecast after them


def wish(floor, symbol=BTC, value: float | None = WORTH, strategy="direction"):
    made = replace(floor.enter(symbol), strategy=strategy, expected_value=value, confidence=0.6)
    return replace(made, reason="up, worth 0.70% before 0.40% of costs", numbers={"expected": 0.007, "costs": COSTS})


def quoted(floor, spread, age=0.0, symbol=BTC):
    half = 100.0 * spread / 2
    return Quote(symbol, floor.at - timedelta(seconds=age), 100.0 - half, 100.0 + half)


def answered(floor, *signals: Signal, spread: float | None = 0.0, age=0.0):
    """A minute whose analysis carries the quote of BTC."""
    outcomes = floor.minute(analysed=False)
    quotes = () if spread is None else (quoted(floor, spread, age),)
    return outcomes + floor.tell(Analysis(floor.at, floor.at, signals, {}, (), quotes))


def chain(outcomes):
    return {step.gate: step for step in only(Decided, outcomes).decision.steps}


def test_a_spread_that_eats_what_is_left_refuses_the_entry_with_its_numbers():
    floor = Floor(DIRECTION)
    outcomes = answered(floor, wish(floor), spread=0.0031)
    assert of(ProposalOpened, outcomes) == []
    seen = only(SignalSeen, outcomes)
    assert (seen.fate, seen.refusal.code) == ("refused", "COSTS")
    assert seen.refusal.numbers == pytest.approx({"expected": 0.007, "costs": COSTS, "spread": 0.0031})
    step = chain(outcomes)["costs"]
    assert step.passed is False
    assert "an expected 0.70% does not cover 0.40% of fee and slippage and 0.310% of spread" in step.sentence


def test_a_narrow_one_is_taken_off_the_value_and_told_on_the_card_and_in_why():
    floor = Floor(DIRECTION)
    outcomes = answered(floor, wish(floor), spread=0.001)
    proposal = only(ProposalOpened, outcomes).proposal
    assert "the spread costs 0.100% more" in proposal.reasons[0]
    assert only(SignalSeen, outcomes).signal.expected_value == pytest.approx(0.002)
    step = chain(outcomes)["costs"]
    assert (step.passed, step.numbers["spread"]) == (True, pytest.approx(0.001))
    assert "An expected +0.70% exceeds 0.40% of fee and slippage and 0.100% of spread" in step.sentence


def test_one_strategys_costs_are_not_anothers_in_the_same_coin():
    rule = "  - {name: rule, strategy: ema, capital_share: 50 %, sizing: {policy: fixed, amount: 100}}\n"
    both = DIRECTION.replace("    sizing:", "    capital_share: 50 %\n    sizing:", 1).replace(
        "costs:", f"{rule}costs:", 1
    )
    floor = Floor(both)
    outcomes = answered(floor, wish(floor), wish(floor, value=None, strategy="rule"), spread=0.0031)
    fates = {seen.signal.strategy: seen.fate for seen in of(SignalSeen, outcomes)}
    assert fates["direction"] == "refused"
    assert only(ProposalOpened, outcomes).proposal.strategy == "rule"


@pytest.mark.parametrize(("spread", "age"), [(None, 0.0), (0.05, 16.0)])
def test_without_a_fresh_quote_the_spread_is_not_counted_and_the_chain_says_so(spread, age):
    floor = Floor(DIRECTION)
    outcomes = answered(floor, wish(floor), spread=spread, age=age)
    assert of(ProposalOpened, outcomes)
    assert "no fresh quote is known, so the spread is not counted" in chain(outcomes)["costs"].sentence


def test_nobody_asks_where_there_is_no_forecast_or_the_filter_is_off():
    floor = Floor(DIRECTION)
    outcomes = answered(floor, wish(floor, value=None), spread=0.05)
    assert of(ProposalOpened, outcomes)
    assert "costs" not in chain(outcomes)
    off = Floor(DIRECTION.replace("    sizing:", "    cost_filter: false\n    sizing:", 1))
    assert of(ProposalOpened, answered(off, wish(off), spread=0.05))


def test_why_shows_the_costs_that_kept_the_analyst_from_a_wish():
    floor = Floor(DIRECTION)
    no = GateStep("costs", False, "An expected +0.20% does not cover the 0.40% that entering and leaving cost.")
    floor.minute(analysed=False)
    floor.tell(Analysis(floor.at, floor.at, (), {BTC: (no,)}))
    gates = {step.gate: step for step in floor.view.decisions[BTC].steps}
    assert gates["costs"] == no
    assert "costs" not in {step.gate for step in floor.view.decisions[ETH].steps}


def test_a_press_at_a_wide_spread_orders_nothing_and_the_card_waits():
    floor = Floor(DIRECTION)
    proposal = only(ProposalOpened, answered(floor, wish(floor), spread=0.001)).proposal
    wide = floor.press(proposal, price=99.8, spread=0.2)  # an ask of 100, where the card is, and 0.4 % to the bid
    assert codes(wide) == ["COSTS"]
    assert of(OrderIntended, wide) == []
    assert [card.id for card in floor.view.proposals] == [proposal.id]
    assert of(OrderIntended, floor.press(proposal, price=100.0, spread=0.05))


def test_the_same_wish_at_a_wide_spread_leaves_its_card_as_it_is():
    floor = Floor(DIRECTION)
    proposal = only(ProposalOpened, answered(floor, wish(floor), spread=0.001)).proposal
    floor.later(minutes=1)
    again = answered(floor, wish(floor), spread=0.01)
    assert of(SignalSeen, again) == []
    assert floor.view.proposals[0].revision == proposal.revision


def test_the_inbox_stamps_the_markets_own_quotes_of_what_is_to_be_entered():
    floor, board = Floor(DIRECTION), QuoteBoard()
    inbox = Inbox(ManualClock(START), board)
    board.put(quoted(floor, 0.001))
    board.stand_in(ETH, START, 100.0)
    leaving = floor.leave("SOL/USD")
    inbox.submit(Analysis(START, START, (wish(floor), wish(floor, ETH), leaving)))
    stamped = inbox.take(0).message
    assert [quote.symbol for quote in stamped.quotes] == [BTC]  # a price that stands in has no spread
    assert decode(encode(stamped)) == stamped


def test_an_analysis_of_an_older_record_reads_as_one_without_quotes():
    floor = Floor(DIRECTION)
    body = encode(Analysis(START, START, (wish(floor),)))
    del body["quotes"]
    assert decode(body).quotes == ()
