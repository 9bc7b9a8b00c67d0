"""Every number of the `trend` playbook, and every limit tripped on a desk that runs it."""

from datetime import timedelta

import pytest

from engine.domain import ExitReason, Side
from engine.outcomes import PositionClosed, ProposalOpened
from engine.playbook import load
from tests.desk.kit import of, only
from tests.playbooks.floor import COINS, Shipped

NEAR = {"stop_distance": 1.0, "target_distance": 2.0}


def trend(*changes, lends=True):
    return Shipped("trend", changes=changes, lends=lends)


def test_the_playbook_says_what_the_product_promises():
    playbook = load("trend")
    use, model = playbook.strategies[0], playbook.model
    assert playbook.symbols == ("BTC/USD", "ETH/USD")
    assert (use.min_confidence, use.cost_filter, use.sides) == (0.5, True, ("long", "short"))
    assert (use.sizing.policy, use.sizing.risk, use.sizing.max_weight) == ("risk", 0.005, 0.10)
    assert playbook.capital * use.sizing.max_weight == 500
    assert (use.exits.stop.volatility, use.exits.target.volatility) == (1, 2)
    assert (use.exits.stop.bars, use.exits.target.bars, use.exits.max_hold) == (60, 60, timedelta(minutes=10))
    assert playbook.rules([]).costs.fee_rate == pytest.approx(0.0005)
    assert playbook.rules([]).costs.slippage_base == pytest.approx(0.0003)
    assert (playbook.limits.max_positions, playbook.limits.daily_loss) == (3, 0.05)
    assert playbook.limits.timeout == timedelta(hours=24)
    assert (playbook.errors.in_a_row, playbook.errors.then) == (5, "halt")
    assert (model.features, model.label.kind) == ("trend52", "three_classes")
    assert (model.label.horizon, model.label.band) == (timedelta(minutes=10), 0.002)
    assert model.predict_every == timedelta(minutes=15)
    learner = model.learner
    assert (learner.depth, learner.eta, learner.subsample, learner.colsample) == (5, 0.05, 0.8, 0.8)
    assert learner.rounds == 400
    assert learner.early_stopping > 0
    assert (model.retrain.at, model.retrain.zone, model.retrain.day) == ("00:30", "utc", "every")


def test_size_loses_half_a_per_cent_at_the_stop_and_never_exceeds_a_tenth_of_capital():
    wide = only(ProposalOpened, trend().ask("BTC/USD", stop_distance=10.0, target_distance=20.0)).proposal
    near = only(ProposalOpened, trend().ask("BTC/USD", **NEAR)).proposal
    assert wide.quantity * 10.0 == pytest.approx(0.005 * 5000)
    assert near.notional == pytest.approx(500)


def test_a_card_gives_stop_target_and_time_and_lives_a_quarter_of_the_hold():
    card = only(ProposalOpened, trend().ask("BTC/USD", **NEAR)).proposal
    assert (card.stop, card.target) == (pytest.approx(99), pytest.approx(102))
    assert card.max_hold == timedelta(minutes=10)
    assert card.expires - card.opened == timedelta(minutes=2, seconds=30)


def test_a_short_has_its_stop_above_and_gains_when_the_price_falls():
    floor = trend()
    card = floor.open("BTC/USD", side=Side.SHORT, **NEAR)
    assert (card.side, card.stop, card.target) == (Side.SHORT, pytest.approx(101), pytest.approx(98))
    trade = only(PositionClosed, floor.minute(BTC=(100.0, 100.0, 97.5, 98.0))).trade
    assert (trade.exit_reason, trade.pnl > 0) == (ExitReason.TARGET, True)


def test_a_spot_venue_takes_no_shorts():
    floor = trend(lends=False)
    assert floor.fate("BTC/USD", side=Side.SHORT, **NEAR) == "SIDE_OFF"
    assert floor.fate("BTC/USD", **NEAR) == "proposed"


def test_a_position_is_held_ten_minutes():
    floor = trend()
    floor.open("BTC/USD", **NEAR)
    outcomes = [outcome for _ in range(11) for outcome in floor.minute()]
    trade = only(PositionClosed, outcomes).trade
    assert trade.exit_reason is ExitReason.TIME
    assert timedelta(minutes=10) <= trade.exit_time - trade.entry_time <= timedelta(minutes=12)


def test_a_fourth_position_is_refused():
    floor = trend(("max_hold: 10m", "max_hold: 2h"))
    for coin in COINS[:3]:
        floor.open(coin, **NEAR)
    assert floor.fate(COINS[3], **NEAR) == "NO_SLOT"


def test_a_day_that_loses_five_per_cent_enters_nothing_more():
    floor = trend()
    floor.open("BTC/USD", **NEAR)
    floor.minute({"BTC/USD": 45.0})
    floor.minute()
    hold = floor.view.holds[0]
    assert (hold.code, hold.numbers["limit"]) == ("DAILY_LOSS", pytest.approx(250, rel=0.01))
    assert floor.fate("ETH/USD", **NEAR) in ("HELD", "DAILY_LOSS")


def test_no_position_is_older_than_a_day_whatever_its_strategy_says():
    floor = trend(("max_hold: 10m", "max_hold: 3d"))
    card = floor.open("BTC/USD", **NEAR)
    assert card.max_hold == timedelta(hours=24)
    floor.later(hours=23, minutes=50)
    assert not of(PositionClosed, floor.minute() + floor.minute())
    floor.later(minutes=10)
    assert only(PositionClosed, floor.minute() + floor.minute()).trade.exit_reason is ExitReason.TIME


def unanswered(floor, minutes):
    """Minutes that the analyst does not answer."""
    for _ in range(minutes):
        floor.minute(analysed=False)
    floor.later(seconds=30)
    return floor.minute()


def test_five_minutes_without_an_analyst_halt_the_desk_until_a_person_resumes():
    floor = trend()
    unanswered(floor, 4)
    assert floor.holds == []
    for _ in range(3):
        floor.minute(analysed=False)
    used = {limit.name: (limit.used, limit.limit) for limit in floor.view.limits}
    assert used["errors in a row"] == (2, 5), "the third still waits for its analysis"
    unanswered(floor, 5)
    assert floor.holds == ["ERRORS"]
    assert floor.view.state == "HALTED"
    assert "5 errors in a row" in floor.view.holds[0].note
    assert floor.fate("BTC/USD", **NEAR) == "HELD"
    floor.resume("ERRORS")
    assert floor.fate("BTC/USD", **NEAR) == "proposed"
    unanswered(floor, 4)
    assert floor.holds == [], "counting began anew"


def test_five_failed_orders_in_a_row_halt_the_desk_and_four_do_not():
    floor = trend(("max_cards_per_hour: 6", "max_cards_per_hour: 99"))
    for coin in COINS[:4]:
        floor.deny(only(ProposalOpened, floor.ask(coin, **NEAR)).proposal)
    assert floor.holds == []
    floor.open(COINS[4], **NEAR)
    for coin in COINS[:5]:
        if coin not in floor.held:
            floor.deny(only(ProposalOpened, floor.ask(coin, **NEAR)).proposal)
    assert floor.holds == [], "an order that worked lies between"
    floor.deny(only(ProposalOpened, floor.ask(COINS[5], **NEAR)).proposal)
    assert floor.holds == ["ERRORS"]


@pytest.mark.parametrize(("then", "left"), [("halt", {"BTC/USD"}), ("close", set())])
def test_the_halt_closes_every_position_where_the_playbook_says_so(then, left):
    floor = trend(("then: halt", f"then: {then}"), ("max_hold: 10m", "max_hold: 12h"))
    floor.open("BTC/USD", **NEAR)
    unanswered(floor, 5)
    floor.minute()
    assert floor.holds == ["ERRORS"]
    assert floor.held == left


def test_a_restart_remembers_the_errors_so_far():
    from engine.trader import Trader

    floor = trend()
    unanswered(floor, 0)
    for _ in range(4):
        floor.minute(analysed=False)
    again = Trader.load(floor.trader.dump(), *floor.trader.row)
    floor.trader = again
    floor.minute(analysed=False)
    unanswered(floor, 0)
    assert floor.holds == ["ERRORS"]
