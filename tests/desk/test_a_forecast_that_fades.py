"""A card that a forecast made: pressed, it is an order only while the newest forecast would still make it."""

from dataclasses import replace
from datetime import timedelta

from engine.messages import Analysis
from engine.outcomes import OrderIntended, ProposalOpened, Refused
from engine.playbook import load
from engine.trader import Trader
from engine.trader.plan import plan_of
from tests.desk.kit import BTC, ETH, codes, of, only, started
from tests.models.made import forecast, promoted


def told(floor, *symbols, wished=(), up=0.7):
    """A minute with a forecast of each of `symbols`; of the `wished` it is strong enough."""
    outcomes = floor.minute(analysed=False)
    signals = tuple(_wish(floor, symbol) for symbol in wished)
    forecasts = tuple(forecast(floor, symbol, up if symbol in wished else 0.5) for symbol in symbols)
    return outcomes + floor.tell(Analysis(floor.at, floor.at, signals, {}, forecasts))


def _wish(floor, symbol):
    return replace(floor.enter(symbol, confidence=0.7, expected_value=0.01), at=floor.at)


def test_a_press_orders_nothing_once_the_newest_forecast_is_too_weak_and_orders_when_it_is_strong_again():
    floor = promoted()
    card = only(ProposalOpened, told(floor, BTC, wished=[BTC])).proposal
    told(floor, BTC)
    refused = floor.press(card)
    assert codes(refused) == ["UNWISHED"]
    assert "no longer strong enough" in only(Refused, refused).refusal.sentence
    assert not of(OrderIntended, refused)
    reborn = Trader.load(floor.trader.dump(), 0, "")
    floor.trader = reborn
    assert codes(floor.press(card)) == ["UNWISHED"], "a restart forgets nothing"
    told(floor, BTC, wished=[BTC])
    assert of(OrderIntended, floor.press(card))


def test_a_forecast_of_another_coin_or_none_at_all_says_nothing_about_a_card():
    floor = promoted()
    card = only(ProposalOpened, told(floor, BTC, wished=[BTC])).proposal
    told(floor, ETH)
    floor.minute()
    assert of(OrderIntended, floor.press(card))


def test_a_card_lives_no_longer_than_what_was_forecast_however_fast_time_runs():
    plan = plan_of(started(load("direction").text, speed="60"))
    assert plan.life("direction") == timedelta(hours=2)
    slow = plan_of(started(load("direction").text))
    assert slow.life("direction") == timedelta(minutes=10)
