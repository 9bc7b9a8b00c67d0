"""Every number of the `direction` playbook, and every limit tripped on a desk that runs it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.posts import Terms, announcer
from engine.domain import Alarm, ExitReason, Side
from engine.forecasting.gate import GateTerms
from engine.forecasting.verdicts import decide
from engine.messages import HealthSeen
from engine.outcomes import PositionClosed, ProposalOpened
from engine.playbook import load
from tests.desk.kit import only
from tests.forecasting.found import GOOD, earned, share
from tests.playbooks.floor import COINS, Shipped


def test_the_playbook_says_what_the_product_promises():
    direction = load("direction")
    use, model = direction.strategies[0], direction.model
    assert len(direction.symbols) == 99
    assert (direction.capital, direction.interval) == (1000, "1m")
    assert (use.min_confidence, use.sizing.amount, use.cost_filter, use.sides) == (0.6, 100, True, ("long",))
    assert (use.exits.stop.percent, use.exits.target.percent, use.exits.max_hold) == (0.05, 0.10, timedelta(hours=24))
    limits = direction.limits
    assert (limits.max_positions, limits.max_per_symbol, limits.max_exposure) == (5, 1, 500)
    assert (limits.daily_loss, limits.daily_loss_amount, limits.consecutive_losses) == (0.10, 50, 5)
    assert (model.features, model.label.kind, model.label.horizon) == ("core6", "direction", timedelta(hours=2))
    assert (model.predict_every, model.shares) == (timedelta(minutes=1), (0.6, 0.2, 0.2))
    assert timedelta(days=181) <= model.history <= timedelta(days=184)
    assert (model.retrain.at, model.retrain.zone, model.retrain.day) == ("02:00", "desk", "every")
    assert (model.acceptance.least_accuracy, model.acceptance.fewest_trades) == (0.55, 100)
    assert (model.watch.alert_accuracy, model.watch.stop_accuracy) == (0.50, 0.45)
    notices = direction.notices
    assert (notices.big_win, notices.big_loss, notices.daily_goal) == (10, 5, 20)


def test_every_trade_costs_a_hundred_and_its_card_names_stop_target_and_time():
    card = only(ProposalOpened, Shipped("direction").ask("BTC/USD")).proposal
    assert (card.notional, card.stop, card.target) == (pytest.approx(100), pytest.approx(95), pytest.approx(110))
    assert card.max_hold == timedelta(hours=24)


def test_a_sixth_position_is_refused():
    floor = Shipped("direction")
    for coin in COINS[:5]:
        floor.open(coin)
    assert floor.fate(COINS[5]) == "NO_SLOT"


def test_a_second_position_in_one_coin_is_refused():
    floor = Shipped("direction")
    floor.open("BTC/USD")
    assert floor.fate("BTC/USD") == "IN_POSITION"


def test_exposure_stays_within_five_hundred():
    floor = Shipped("direction")
    for coin in COINS[:4]:
        floor.open(coin)
    floor.minute(dict.fromkeys(COINS[:4], 105.0))
    assert floor.fate(COINS[4]) == "EXPOSURE"


def test_a_short_is_not_taken_even_where_the_venue_lends():
    assert Shipped("direction", lends=True).fate("BTC/USD", side=Side.SHORT) == "SIDE_OFF"


@pytest.mark.parametrize(
    ("bar", "reason", "price"),
    [
        ((100.0, 111.0, 94.0, 100.0), ExitReason.STOP, 95.0),
        ((100.0, 111.0, 99.0, 110.5), ExitReason.TARGET, 110.0),
        ((100.0, 101.0, 94.0, 96.0), ExitReason.STOP, 95.0),
    ],
    ids=["stop before target in one bar", "target", "stop"],
)
def test_a_position_ends_at_its_stop_or_its_target(bar, reason, price):
    floor = Shipped("direction")
    floor.open("BTC/USD")
    trade = only(PositionClosed, floor.minute(BTC=bar)).trade
    assert (trade.exit_reason, trade.exit_price) == (reason, pytest.approx(price))


@pytest.mark.parametrize(
    ("bar", "reason"),
    [
        ((100.0, 100.0, 100.0, 100.0), ExitReason.TIME),
        ((100.0, 111.0, 100.0, 110.0), ExitReason.TARGET),
        ((100.0, 100.0, 94.0, 95.0), ExitReason.STOP),
    ],
    ids=["time", "target before time", "stop before time"],
)
def test_a_day_after_the_entry_its_time_is_over(bar, reason):
    floor = Shipped("direction")
    floor.open("BTC/USD")
    floor.later(hours=24)
    outcomes = floor.minute(BTC=bar)
    outcomes += floor.minute()
    assert only(PositionClosed, outcomes).trade.exit_reason is reason


@pytest.mark.parametrize(
    ("capital", "low", "limit"),
    [(1000, 40.0, 50.0), (200, 70.0, 20.0)],
    ids=["fifty of a thousand", "a tenth of two hundred"],
)
def test_the_first_of_both_daily_losses_stops_entries_until_midnight(capital, low, limit):
    floor = Shipped("direction", {"CAPITAL": capital})
    floor.open("BTC/USD")
    floor.minute({"BTC/USD": low})
    floor.minute()
    hold = floor.view.holds[0]
    assert (hold.code, hold.numbers["limit"]) == ("DAILY_LOSS", pytest.approx(limit))
    assert floor.fate("ETH/USD") in ("HELD", "DAILY_LOSS")
    floor.later(hours=24)
    floor.minute()
    for _ in range(3):
        floor.minute()
    assert floor.holds == []
    assert floor.fate("ETH/USD") == "proposed"


def test_five_losses_in_a_row_stop_entries_until_a_person_resumes():
    floor = Shipped("direction")
    for coin in COINS[:5]:
        assert floor.holds == []
        floor.open(coin)
        floor.minute({coin: 94.9})
    floor.minute()
    assert floor.holds == ["LOSSES"]
    assert floor.fate(COINS[5]) in ("HELD", "LOSSES")
    floor.resume("LOSSES")
    floor.later(hours=1)
    for _ in range(4):
        floor.minute()
    assert floor.fate(COINS[5]) == "proposed"


def test_a_critical_error_stops_entries_until_a_person_resumes():
    floor = Shipped("direction")
    floor.open("BTC/USD")
    broken = Alarm("broker", "critical", "The broker does not answer.", floor.at)
    floor.tell(HealthSeen(floor.at, (broken,)))
    assert floor.holds == ["CRITICAL"]
    assert floor.fate("ETH/USD") == "HELD"
    floor.tell(HealthSeen(floor.at, ()))
    assert floor.holds == ["CRITICAL"], "a person looks first"
    assert only(PositionClosed, floor.minute(BTC=(100.0, 100.0, 94.0, 94.0))).trade.exit_reason is ExitReason.STOP
    floor.resume("CRITICAL")
    assert floor.fate("ETH/USD") == "proposed"


@pytest.mark.parametrize(
    "alarm", [("broker", "warning"), ("outbox", "critical"), ("report", "critical"), ("database", "critical")]
)
def test_what_trading_does_not_rest_on_stops_nothing(alarm):
    floor = Shipped("direction")
    floor.tell(HealthSeen(floor.at, (Alarm(*alarm, "Something is wrong.", floor.at),)))
    assert floor.holds == []


def test_a_warning_that_becomes_critical_stops_entries():
    floor = Shipped("direction")
    for level in ("warning", "critical"):
        floor.tell(HealthSeen(floor.at, (Alarm("disk", level, "The disk is full.", floor.at),)))
    assert floor.holds == ["CRITICAL"]


@pytest.mark.parametrize(
    ("bar", "news"),
    [((100.0, 112.0, 100.0, 112.0), ["big_win"]), ((100.0, 100.0, 94.0, 94.0), ["big_loss"]), ((100.0,) * 4, [])],
    ids=["ten won", "five lost", "neither"],
)
def test_a_win_of_ten_and_a_loss_of_five_are_big_news(bar, news):
    floor = Shipped("direction", changes=[("percent: 0.1", "percent: 0.112"), ("max_hold: 1d", "max_hold: 5m")])
    floor.open("BTC/USD")
    outcomes = floor.minute(BTC=bar)
    for _ in range(6):
        outcomes += floor.minute()
    closed = only(PositionClosed, outcomes)
    told = load("direction").notices
    announce = announcer(Terms(told.big_win, told.big_loss, told.daily_goal))
    posts = announce(floor.told[-1][0], [closed], floor.view)
    assert [post.data["kind"] for post in posts if post.template == "big"] == news


def test_the_day_that_earns_twenty_reaches_its_goal():
    floor = Shipped("direction", changes=[("percent: 0.1", "percent: 0.3")])
    floor.open("BTC/USD")
    closed = only(PositionClosed, floor.minute(BTC=(100.0, 131.0, 100.0, 131.0)))
    told = load("direction").notices
    announce = announcer(Terms(told.big_win, told.big_loss, told.daily_goal))
    posts = announce(floor.told[-1][0], [closed], floor.view)
    assert "daily_goal" in [post.data["kind"] for post in posts if post.template == "big"]


def terms():
    asked = load("direction").model.acceptance
    return GateTerms(least_accuracy=asked.least_accuracy, fewest_trades=asked.fewest_trades)


def test_a_model_right_in_less_than_55_of_100_may_not_trade():
    assert decide(GOOD, terms()).promotable
    weak = replace(GOOD, judgement=replace(GOOD.judgement, accuracy=share(0.549, 0.005)))
    gate = decide(weak, terms())
    assert not gate.promotable
    assert "ACCURACY" in {step.code for step in gate.failed}


def test_a_model_that_traded_less_than_a_hundred_times_may_not_trade():
    assert decide(replace(GOOD, money=earned(trades=100)), terms()).promotable
    gate = decide(replace(GOOD, money=earned(trades=99)), terms())
    assert (gate.promotable, [step.code for step in gate.failed]) == (False, ["TRADES"])


def test_the_settings_that_users_know_work_on_it():
    words = {"MIN_CONFIDENCE": "0.7", "STOP_LOSS_PCT": "3", "TAKE_PROFIT_PCT": "6", "POSITION_SIZE": "50"}
    changed = load("direction", words | {"MAX_POSITIONS": "2"})
    use = changed.strategies[0]
    assert (use.min_confidence, use.exits.stop.percent, use.exits.target.percent) == (0.7, 0.03, 0.06)
    assert (use.sizing.amount, changed.limits.max_positions) == (50, 2)
    assert changed.settings.keys() == {*words, "MAX_POSITIONS"}
    assert use.cost_filter
    assert changed.model == load("direction").model
