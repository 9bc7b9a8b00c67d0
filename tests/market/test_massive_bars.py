"""Whatever the order, the framing and the repetition in which Massive's trades come, the minute's bars are theirs."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import ManualClock
from engine.data_health import DataFacts, judge_data
from engine.domain import micros
from engine.market.bars import as_minute
from engine.market.intake import Intake
from engine.market.massive_access import MassiveAccess
from engine.market.massive_check import BarCheck
from engine.market.massive_events import MinuteEvent
from engine.market.massive_frames import MassiveFrames
from engine.market.massive_topics import Topics
from engine.market.quality import Quarantine
from engine.ports import FeedStatus
from tests.market.sink import Kept

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
START = micros(NOON) // 1000
PAIRS = {"BTC/USD": "BTC-USD", "ETH/USD": "ETH-USD"}

trade = st.tuples(
    st.sampled_from(sorted(PAIRS.values())), st.integers(0, 59_000), st.integers(950, 1_050), st.integers(1, 40),
    st.sampled_from([1, 2, 23]),
)  # fmt: skip


def event(number, pair, ms, price, size, exchange):
    fields = {"p": price / 10, "s": size / 8, "t": START + ms, "i": str(number), "x": exchange, "c": [0]}
    return {"ev": "XT", "pair": pair, **fields}


def truth(events):
    """(open, high, low, close, volume) by symbol, of trades ordered by time, exchange and number."""
    bars = {}
    for symbol, pair in PAIRS.items():
        mine = sorted((e["t"], e["x"], int(e["i"]), e["p"], e["s"]) for e in events if e["pair"] == pair)
        if mine:
            prices = [one[3] for one in mine]
            bars[symbol] = (prices[0], max(prices), min(prices), prices[-1], sum(one[4] for one in mine))
    return bars


@settings(deadline=None, max_examples=60)
@given(st.lists(trade, min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_bars_are_those_of_the_trades_whatever_their_order_framing_and_repetition(drawn, dice):
    events = [event(number, *one) for number, one in enumerate(drawn)]
    sent = [*events, *dice.sample(events, len(events) // 3)]
    dice.shuffle(sent)
    clock, sink = ManualClock(NOON), Kept()
    check = BarCheck(sink, "massive", clock, lambda one: None)
    intake = Intake("massive", tuple(PAIRS), clock, check, start=NOON, quarantine=Quarantine())
    frames = MassiveFrames(intake, Topics(PAIRS), MassiveAccess(key="k"), check)
    for symbol in PAIRS:
        intake.builder.alive(symbol, NOON)
    clock.set(NOON + timedelta(seconds=59.5))
    while sent:
        size = dice.randint(1, 5)
        frames.handle(json.dumps(sent[:size]))
        del sent[:size]
    clock.set(NOON + timedelta(seconds=63))
    intake.hear()
    intake.advance()
    (minute,) = sink.minutes
    bars = zip(minute.open, minute.high, minute.low, minute.close, minute.volume, strict=True)
    assert dict(zip(minute.symbols, bars, strict=True)) == truth(events)
    assert len(sink.prints) == len(events)


@pytest.mark.parametrize(("share", "heals", "warns"), [(0.1, 30, False), (0.5, 100, True)])
def test_bars_that_differ_too_often_are_no_sign_of_lost_trades_and_health_says_that_nothing_is(share, heals, warns):
    suspected = []
    check = BarCheck(Kept(), "massive", ManualClock(NOON), suspected.append)
    for number in range(300):
        opened = NOON + number * timedelta(minutes=1)
        volume = 9.0 if number % 10 < 10 * share else 1.0
        check.on_minute(as_minute(opened + timedelta(minutes=1), [("BTC/USD", 1, 1, 1, 1, 1.0, "good", 1)], ()))
        since = micros(opened) // 1000
        check.theirs("BTC/USD", MinuteEvent(pair="BTC-USD", o=1, h=1, l=1, c=1, v=volume, s=since, e=since + 60_000))
    assert abs(len(suspected) - heals) <= 5
    feed = FeedStatus("massive", True, "", warning=check.warning)
    told = {one.name: one for one in judge_data(DataFacts(NOON, feed))}.get("lost trades")
    assert (told is not None) == warns
    if told:
        assert told.status == "warning"
        assert "150 of 300 bars differ from Massive's own" in told.sentence
