"""A frame's prints are judged in one call, and typed: that may be quicker, and may not be another judgement."""

import json
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import ManualClock
from engine.domain import Print
from engine.market.intake import Intake
from engine.market.kraken_frames import KrakenFrames, channels
from engine.market.kraken_subscriptions import Subscriptions
from engine.market.kraken_words import TradeFrame, typed
from engine.market.quality import Quarantine
from tests.market.sink import Kept

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SYMBOLS = ("BTC/USD", "ETH/USD")


class WayIn:
    def __init__(self):
        self.clock, self.sink, self.quarantine, self.late = ManualClock(NOON), Kept(), Quarantine(), []
        self.intake = Intake(
            "kraken", SYMBOLS, self.clock, self.sink, start=NOON, quarantine=self.quarantine, ordered=True,
            numbered=True, on_late=self.late.append,
        )  # fmt: skip
        for symbol in SYMBOLS:
            self.intake.builder.alive(symbol, NOON)
        self.frames = KrakenFrames(self.intake, Subscriptions(channels(None), SYMBOLS))

    def pass_time(self, to):
        self.clock.set(max(to, self.clock.now()))
        self.intake.hear()
        self.intake.advance()

    def told(self):
        """Everything that anyone could see of it."""
        counts = dict(self.quarantine.counts)
        return self.sink.prints, self.sink.minutes, self.late, counts, self.intake.seen, self.intake.lost


numbers = st.floats(50, 150) | st.sampled_from([0.0, -1.0, 1000.0, float("nan"), float("inf")])
trades = st.tuples(
    st.sampled_from((*SYMBOLS, "DOGE/USD")),
    st.integers(-90_000, 8_000),  # ms from now: stale, late, in time, in the future
    numbers,
    st.sampled_from([0.0, 0.5, -1.0, float("nan"), float("inf")]),
    st.none() | st.integers(1, 12),
)
frames = st.lists(st.tuples(st.integers(0, 30_000), st.lists(trades, max_size=6)), max_size=12)


@settings(deadline=None, max_examples=200)
@given(frames)
def test_judged_together_or_one_by_one_the_verdicts_are_the_same(raw):
    together, alone, now = WayIn(), WayIn(), NOON
    for wait, group in raw:
        now += timedelta(milliseconds=wait)
        items = [
            Print(symbol, now + timedelta(milliseconds=ms), price, quantity, now, number)
            for symbol, ms, price, quantity, number in group
        ]
        together.pass_time(now)
        together.intake.offer_prints(items, now)
        alone.pass_time(now)
        for item in items:
            alone.intake.offer(item)
    for way in (together, alone):
        way.pass_time(now + timedelta(minutes=3))
    assert repr(together.told()) == repr(alone.told())  # nan is not equal to itself


def entry(number, price=100.0, quantity=0.5, ms=0, symbol="BTC/USD"):
    at = NOON + timedelta(milliseconds=ms)
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    named = {"symbol": symbol, "side": "buy", "price": price, "qty": quantity, "ord_type": "market"}
    return {**named, "trade_id": number, "timestamp": stamp, "new_key": [1]}


entries = st.lists(
    st.builds(entry, st.integers(1, 50), st.floats(90, 110), st.floats(0, 5), st.integers(-900, 900)), max_size=6
)


@given(entries, st.sampled_from([7, None, {}, {"symbol": "BTC/USD"}, entry(1, "100"), entry(1, True)]))
def test_a_bad_neighbour_changes_nothing_of_what_is_read(data, bad):
    plain, beside = WayIn(), WayIn()
    text = json.dumps({"channel": "trade", "type": "update", "data": data})
    assert type(typed(text)) is TradeFrame
    plain.frames.handle(text)
    beside.frames.handle(json.dumps({"channel": "trade", "type": "update", "data": [*data, bad]}))
    assert beside.sink.prints == plain.sink.prints
    assert beside.quarantine.counts - plain.quarantine.counts == {"MALFORMED": 1}


def test_a_time_of_another_zone_is_kept_in_utc():
    way, east = WayIn(), timezone(timedelta(hours=2))
    item = {**entry(1), "timestamp": NOON.astimezone(east).isoformat()}
    way.frames.handle(json.dumps({"channel": "trade", "type": "update", "data": [item]}))
    assert [(one.at, one.at.tzinfo) for one in way.sink.prints] == [(NOON, UTC)]
