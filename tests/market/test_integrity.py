"""What a live feed must notice by itself: lost, late and unreadable prints, a wrong clock, an unknown last close."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from engine.clock import ManualClock
from engine.domain import Print
from engine.market.intake import Intake
from engine.market.quality import Quarantine, Reason
from engine.market.sequence import Sequence
from engine.market.skew import Skew
from tests.market.sink import Kept

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BTC, ETH = "BTC/USD", "ETH/USD"


class Floor:
    """An intake with a clock moved by hand."""

    def __init__(self):
        self.clock, self.sink, self.suspected, self.numbers = ManualClock(START), Kept(), [], {}
        self.intake = Intake(
            "kraken", (BTC, ETH), self.clock, self.sink, start=START, quarantine=Quarantine(),
            numbered=True, on_suspect=self.suspected.append,
        )  # fmt: skip
        self.intake.builder.seed({BTC: 100.0, ETH: 100.0})
        for symbol in (BTC, ETH):
            self.intake.builder.alive(symbol, START)
        self.intake.up("connected")

    def to(self, seconds):
        self.clock.set(START + timedelta(seconds=seconds))
        self.intake.hear()
        self.intake.advance()

    def trade(self, second, price=100.0, symbol=BTC, number=None, received=None):
        self.to(max(second if received is None else received, (self.clock.now() - START).total_seconds()))
        self.numbers[symbol] = number or self.numbers.get(symbol, 0) + 1
        when = START + timedelta(seconds=second)
        self.intake.offer(Print(symbol, when, price, 1.0, self.clock.now(), self.numbers[symbol]))

    def minutes(self, symbol=BTC):
        """Minute by minute: its quality, or None where it is missing."""
        return [dict(zip(m.symbols, m.quality, strict=True)).get(symbol) for m in self.sink.minutes]


def test_a_number_that_never_comes_costs_its_minute_and_no_other():
    floor = Floor()
    for second, number in ((5, 1), (10, 2), (70, 3), (80, 5), (130, 6)):
        floor.trade(second, number=number)
    floor.to(190)
    assert floor.minutes() == ["good", None, "good"]
    assert floor.intake.lost == 1
    assert floor.minutes(ETH) == ["quiet"] * 3


def recalled(floor, *trades, symbol=BTC):
    """The venue lists its last trades: (second, number)."""
    when = floor.clock.now()
    past = [Print(symbol, START + timedelta(seconds=at), 100.0, 1.0, when, number) for at, number in trades]
    floor.intake.recall(past, when)


def test_the_first_trade_of_a_life_is_counted_from_the_venues_list():
    floor = Floor()
    floor.to(1)
    recalled(floor, (-300, 899), (-200, 900))
    floor.trade(70, number=902)
    floor.to(200)
    assert floor.minutes() == ["quiet", None, "quiet"]  # where 901 was is between 900 and 902
    assert [(doubt.since, doubt.until) for doubt in floor.suspected] == [
        (START - timedelta(minutes=4), START + timedelta(minutes=2))
    ]
    assert floor.intake.lost == 1
    assert floor.sink.prints[0].trade_id not in (899, 900)


def test_the_venues_list_makes_no_bar_and_what_follows_it_is_whole():
    floor = Floor()
    floor.to(1)
    recalled(floor, (-300, 899), (-200, 900))
    floor.trade(70, number=901)
    floor.to(190)
    assert floor.minutes() == ["quiet", "good", "quiet"]
    assert (floor.intake.lost, floor.suspected, len(floor.sink.prints)) == (0, [], 1)


def test_a_line_that_begins_again_says_which_trades_were_never_heard_and_when_they_were():
    floor = Floor()
    floor.trade(5, number=1)
    floor.trade(130, number=2)
    floor.intake.down("cut", START + timedelta(seconds=250))
    floor.to(260)
    for symbol in (BTC, ETH):
        floor.intake.builder.alive(symbol, START + timedelta(seconds=260))
    recalled(floor, (5, 1), (130, 2), (190, 3), (255, 4))
    floor.to(400)
    assert floor.minutes()[:3] == ["good", "quiet", "good"]
    (doubt,) = floor.suspected
    assert (doubt.since, doubt.until) == (START + timedelta(minutes=3), START + timedelta(minutes=5))
    assert floor.intake.lost == 2


def test_minutes_that_were_flat_after_a_trade_that_only_the_list_tells_of_are_suspected_too():
    floor = Floor()
    floor.trade(5, number=1)
    floor.to(250)  # the trade at 100 never came, and the line still stood
    floor.intake.down("cut", START + timedelta(seconds=250))
    floor.to(260)
    for symbol in (BTC, ETH):
        floor.intake.builder.alive(symbol, START + timedelta(seconds=260))
    recalled(floor, (5, 1), (100, 2))
    floor.to(400)
    assert floor.minutes()[:4] == ["good", "quiet", "quiet", "quiet"]
    (doubt,) = floor.suspected
    assert (doubt.since, doubt.until) == (START + timedelta(minutes=1), START + timedelta(minutes=5))


def test_a_trade_that_overtakes_the_venues_list_is_no_loss():
    floor = Floor()
    floor.trade(5, number=900)
    floor.to(5.5)
    recalled(floor, (-300, 898), (-200, 899))
    floor.trade(20, number=901)
    floor.to(190)
    assert floor.minutes() == ["good", "quiet", "quiet"]
    assert (floor.intake.lost, floor.suspected) == (0, [])


def test_a_loss_before_a_trade_that_overtook_the_list_shows():
    floor = Floor()
    floor.trade(5, number=900)
    recalled(floor, (-30, 897))
    floor.to(190)
    assert floor.intake.lost == 2
    assert floor.minutes() == [None, "quiet", "quiet"]


def test_without_a_list_nobody_knows_what_came_before_the_first_trade():
    floor = Floor()
    floor.trade(130, number=900)
    floor.to(250)
    assert floor.minutes() == ["quiet", "quiet", None, "quiet"]
    (doubt,) = floor.suspected
    assert (doubt.since, doubt.until) == (START, START + timedelta(minutes=3))
    assert floor.intake.lost == 0  # that one is missing is not known


def test_a_trade_of_the_list_came_before_the_line_however_fast_the_venues_clock():
    floor = Floor()
    floor.intake.builder.dead(START - timedelta(seconds=9))
    for symbol in (BTC, ETH):
        floor.intake.builder.alive(symbol, START - timedelta(seconds=1))
    recalled(floor, (0.5, 1))
    floor.to(190)
    assert floor.minutes()[0] is None


def test_trades_out_of_order_are_no_loss():
    floor = Floor()
    for second, number in ((5, 1), (10, 3), (10.5, 2), (20, 4)):
        floor.trade(second, number=number)
    floor.to(70)
    assert floor.minutes() == ["good"]
    assert not floor.suspected


def test_a_loss_that_shows_after_its_minutes_closed_suspects_them():
    floor = Floor()
    floor.trade(5, number=1)
    floor.trade(200, number=3)
    floor.to(250)
    assert floor.minutes()[:3] == ["good", "quiet", "quiet"]
    (doubt,) = floor.suspected
    assert (doubt.symbol, doubt.since, doubt.until) == (BTC, START, START + timedelta(minutes=4))


def test_a_late_print_suspects_its_minute_and_what_was_flat_since_and_the_next_ones_are_flat_at_it():
    floor = Floor()
    floor.trade(5, 100.0)
    floor.trade(55, 101.0, received=130)
    floor.to(190)
    assert [dict(zip(m.symbols, m.close, strict=True))[BTC] for m in floor.sink.minutes] == [100.0, 100.0, 101.0]
    (doubt,) = floor.suspected
    assert (doubt.since, doubt.until) == (START, START + timedelta(minutes=2))


def test_a_frame_that_cannot_be_read_costs_every_symbols_minute_and_one_with_a_name_only_its_own():
    floor = Floor()
    floor.trade(5)
    floor.to(20)
    floor.intake.reject(Reason.MALFORMED, ETH, "price 'a lot'")
    floor.trade(30, symbol=ETH)
    floor.to(80)
    floor.intake.reject(Reason.MALFORMED, None, "{")
    floor.trade(90)
    floor.trade(91, symbol=ETH)
    floor.to(190)
    assert floor.minutes() == ["good", None, "quiet"]
    assert floor.minutes(ETH) == [None, None, "quiet"]


def test_an_impossible_print_may_have_been_a_trade():
    floor = Floor()
    floor.trade(5)
    floor.trade(10, price=-1.0)
    floor.to(70)
    assert floor.minutes() == [None]


def test_after_a_broken_line_a_minute_without_trades_is_flat_only_when_the_last_trade_is_known():
    floor = Floor()
    floor.trade(5)
    floor.to(70)
    floor.intake.down("reset", START + timedelta(seconds=70))
    floor.to(90)
    for symbol in (BTC, ETH):
        floor.intake.builder.alive(symbol, floor.clock.now())
    floor.intake.up("connected")
    floor.intake.builder.told(ETH, 99.0, floor.clock.now())
    floor.to(190)
    assert floor.minutes() == ["good", None, None]
    assert floor.minutes(ETH) == ["quiet", None, "quiet"]
    assert floor.sink.minutes[-1].close == (99.0,)


def test_what_the_venue_says_of_its_last_trade_is_no_news_of_the_minute_before():
    floor = Floor()
    floor.intake.builder.dead(START + timedelta(seconds=5), (ETH,))
    floor.intake.builder.alive(ETH, START + timedelta(seconds=6))
    floor.to(121)
    floor.intake.builder.told(ETH, 99.0, floor.clock.now())
    floor.to(190)
    assert floor.minutes(ETH) == [None, None, "quiet"]


def test_what_a_second_source_contradicts_is_doubtful_from_the_first_minute_that_it_touches_to_the_last():
    floor = Floor()
    floor.to(70)
    floor.intake.doubt(BTC, True)
    floor.to(130)
    floor.intake.doubt(BTC, False)
    floor.to(250)
    assert floor.minutes() == ["quiet", "doubtful", "doubtful", "quiet"]
    assert floor.minutes(ETH) == ["quiet"] * 4


def test_of_thousands_that_never_came_all_are_counted_and_one_of_them_fills_no_minute():
    floor = Floor()
    floor.trade(5, number=1)
    floor.trade(30, number=5_000)
    floor.trade(31, number=2)
    floor.to(130)
    assert floor.minutes()[0] is None
    assert floor.intake.lost == 4_997


@given(lost=st.sets(st.integers(2, 40), max_size=6), swaps=st.lists(st.integers(1, 39), max_size=10))
def test_exactly_the_trades_that_never_came_are_lost_in_whatever_order_the_others_did(lost, swaps):
    ids = [number for number in range(1, 42) if number not in lost]
    for place in swaps:
        if 1 <= place < len(ids) - 1:
            ids[place], ids[place + 1] = ids[place + 1], ids[place]
    sequence = Sequence(START)
    for number in ids:
        at = START + timedelta(seconds=number)
        sequence.see(BTC, number, at, at)
    told = sequence.take_lost(10**18, 10**18)
    assert {number for hole in told for number in hole.ids if number not in hole.came} == lost
    assert sum(hole.count for hole in told) == len(lost)
    assert not sequence.holes


def test_a_wrong_clock_shows_in_the_fastest_of_many_ways():
    skew = Skew()
    assert skew.value() is None
    for number in range(20):
        stamp = START + timedelta(seconds=number)
        skew.see(stamp, stamp + timedelta(seconds=3) + timedelta(milliseconds=20 + 300 * (number % 4)))
    assert skew.value() == timedelta(seconds=3, milliseconds=20)
    slow = Skew()
    for number in range(20):
        slow.see(START + timedelta(seconds=number), START + timedelta(seconds=number - 4))
    assert slow.value() == timedelta(seconds=-4)
