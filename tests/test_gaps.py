"""Gaps read off the ledger: every minute without a live bar lies in exactly one, whatever happened."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.gaps import STOPPED, UNHEARD, GapFinder
from engine.messages import FeedChanged, Minute, Started, Stopped, Suspected

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BTC, ETH = "BTC/USD", "ETH/USD"
PAIRS = (BTC, ETH)


def at(minute, second=0):
    return START + timedelta(minutes=minute, seconds=second)


def minute(number, present=PAIRS, caught_up=False):
    """The bars that opened at minute `number`."""
    ones = (1.0,) * len(present)
    missing = tuple(symbol for symbol in PAIRS if symbol not in present)
    return Minute(
        at(number + 1), tuple(present), ones, ones, ones, ones, ones, ("good",) * len(present), missing, caught_up
    )


def started(when):
    return Started(when, "1", {}, PAIRS, "", ())


def spans(finder, messages):
    """Each gap as it last stood: (symbol, start, end) → cause."""
    told = {}
    for message in messages:
        for gap in finder.see(message):
            told[gap.symbol, gap.start] = gap
    return {(gap.symbol, gap.start, gap.end): gap.cause for gap in told.values()}


def test_a_line_that_breaks_is_one_gap_a_symbol_with_its_cause():
    story = [minute(0), FeedChanged(at(1, 20), "kraken", False, "connection reset"), minute(1, ())]
    story += [FeedChanged(at(2, 40), "kraken", True), minute(2, ()), minute(3), minute(4)]
    assert spans(GapFinder(), story) == {
        (BTC, at(1), at(3)): "connection reset",
        (ETH, at(1), at(3)): "connection reset",
    }


def test_a_break_that_was_noticed_late_is_still_the_cause():
    story = [minute(0), minute(1), FeedChanged(at(3, 3), "kraken", False, "no frame for 5 s"), minute(2, ())]
    assert set(spans(GapFinder(), story).values()) == {"no frame for 5 s"}


def test_a_symbol_without_prices_of_its_own_says_why():
    story = [minute(0), FeedChanged(at(0, 30), "kraken", False, "not in tradable state", (ETH,)), minute(1, (BTC,))]
    assert spans(GapFinder(), story) == {(ETH, at(1), None): "not in tradable state"}
    assert spans(GapFinder(), [minute(0), minute(1, (BTC,))]) == {(ETH, at(1), None): UNHEARD}


def test_minutes_that_no_desk_recorded_are_a_gap_and_a_stop_is_told_from_a_crash():
    crash = [minute(0), started(at(5, 30)), FeedChanged(at(5, 31), "kraken", False, "connecting"), minute(5, ())]
    crash += [FeedChanged(at(5, 40), "kraken", True), minute(6)]
    assert spans(GapFinder(), crash)[BTC, at(1), at(6)] == "the desk was down"
    stop = [minute(0), Stopped(at(1, 10), "asked to"), started(at(5, 30)), minute(5, ()), minute(6)]
    assert spans(GapFinder(), stop)[BTC, at(1), at(6)] == STOPPED


def test_bars_that_history_delivered_later_are_part_of_the_gap():
    story = [minute(0), started(at(3, 30)), minute(1, PAIRS, True), minute(2, PAIRS, True), minute(3, ()), minute(4)]
    assert (BTC, at(1), at(4)) in spans(GapFinder(), story)


def test_a_suspicion_is_a_gap_of_its_own_unless_it_lies_in_one():
    doubt = Suspected(at(9), "kraken", BTC, at(1), at(2), "a print came late")
    assert spans(GapFinder(), [minute(0), minute(1), minute(2), doubt]) == {(BTC, at(1), at(2)): "a print came late"}
    assert (BTC, at(1), at(2)) not in spans(GapFinder(), [minute(0), minute(1, (ETH,)), minute(2, (ETH,)), doubt])
    early = Suspected(at(2), "kraken", BTC, at(2), at(3), "a print more than half away")
    story = [minute(0), minute(1, (ETH,)), early, minute(2)]
    assert spans(GapFinder(), story).keys() == {(BTC, at(1), at(2)), (BTC, at(2), at(3))}, "its minute came after all"


ROWS = st.lists(st.tuples(st.integers(1, 3), st.sets(st.sampled_from(PAIRS)), st.booleans()), min_size=1, max_size=25)


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, cut=st.integers(0, 30))
def test_gaps_cover_exactly_the_minutes_without_a_live_bar_also_when_reading_stops_and_goes_on(rows, cut):
    story, number, wanted = [], 0, {symbol: set() for symbol in PAIRS}
    for step, present, caught_up in rows:
        number += step
        story.append(minute(number, tuple(sorted(present)), caught_up))
        for symbol in PAIRS:
            skipped = range(number - step + 1, number) if len(story) > 1 else ()
            wanted[symbol] |= {at(one) for one in skipped}
            if caught_up or symbol not in present:
                wanted[symbol].add(at(number))
    finder = GapFinder()
    first = spans(finder, story[:cut])
    resumed = GapFinder(finder.last, list(finder.open.values()))
    told = {key[:2]: key[2] for key in (*first, *spans(resumed, story[cut:]))}
    covered = {symbol: set() for symbol in PAIRS}
    for (symbol, start), end in told.items():
        until = end or resumed.last or finder.last
        while start < until:
            assert start not in covered[symbol]
            covered[symbol].add(start)
            start += MINUTE
    assert covered == wanted
