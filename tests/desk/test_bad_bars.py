"""Nothing is entered on a bar that is stale, healed, doubtful or not there, whatever the market and the feed do."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain import Side, Signal
from engine.messages import Analysis, Doubted, FeedChanged, Minute
from engine.outcomes import OrderIntended, ProposalChanged, ProposalOpened, SignalSeen
from engine.trader.saving import dump, load
from tests.desk.kit import BTC, SYMBOLS, Floor, codes, of, only, playbook, started

TEXT = playbook(capital=100_000).replace("good_minutes: 0", "good_minutes: 3")


def doubt(floor, symbol=BTC, doubtful=True):
    return floor.tell(Doubted(floor.at, symbol, "kraken-rest", doubtful, "kraken-rest has 110, the feed 100", 100, 110))


def wish(at, symbol=BTC):
    return Signal("ema", symbol, at, "enter", Side.LONG, 100.0, reason="cross")


def fate(floor, **how):
    outcomes = floor.minute(100.0, [floor.enter()], **how)
    return only(SignalSeen, outcomes)


def test_a_doubtful_or_healed_bar_is_refused_with_its_reason_and_so_are_the_minutes_after_it():
    floor = Floor(TEXT)
    for _ in range(3):
        floor.minute()
    for grade in ("doubtful", "healed"):
        seen = fate(floor, quality=grade)
        assert (seen.fate, seen.refusal.code) == ("refused", "BAD_BAR")
        assert grade in seen.refusal.sentence
    floor = Floor(TEXT)
    for _ in range(3):
        floor.minute()
    floor.minute(quality="doubtful")
    assert [fate(floor).fate for _ in range(3)] == ["refused", "refused", "proposed"]


def test_while_two_sources_disagree_nothing_is_entered_and_why_says_which():
    floor = Floor()
    card = floor.propose()
    doubt(floor)
    assert codes(floor.press(card)) == ["DOUBTFUL"]
    seen = fate(Floor())
    assert seen.fate == "proposed"
    other = Floor()
    doubt(other)
    seen = fate(other)
    assert (seen.refusal.code, seen.refusal.sentence) == ("DOUBTFUL", "kraken-rest has 110, the feed 100")
    data = next(step for step in other.view.decisions[BTC].steps if step.gate == "data")
    assert (data.passed, data.sentence) == (False, "kraken-rest has 110, the feed 100")
    doubt(other, doubtful=False)
    assert fate(other).fate == "proposed"


def test_a_doubt_outlives_a_checkpoint_and_not_a_restart():
    floor = Floor()
    doubt(floor)
    assert load(dump(floor.trader._desk)).doubted == {BTC: "kraken-rest has 110, the feed 100"}


def test_a_doubt_ends_with_the_process_and_not_where_the_desk_only_learns_what_it_trades():
    floor = Floor()
    doubt(floor)
    floor.tell(replace(started(at=floor.later(seconds=1)), anew=False))
    assert fate(floor).refusal.code == "DOUBTFUL"
    floor.tell(started(at=floor.later(seconds=1)))
    assert fate(floor).fate == "proposed"


def test_a_bar_that_came_long_after_its_close_is_entered_on_no_more():
    floor = Floor()
    made = minute(floor, dict.fromkeys(SYMBOLS, "good"))
    wishes = [wish(made.at)]
    outcomes = floor.tell(Analysis(made.at + timedelta(seconds=6), made.at, wishes))
    assert codes(outcomes) == ["NO_ANALYSIS"]
    assert not of(ProposalOpened, outcomes)


def test_a_waiting_card_keeps_its_price_while_the_bars_are_doubtful():
    floor = Floor()
    card = floor.propose()
    outcomes = floor.minute(101.0, [floor.enter(price=101.0)], quality="doubtful")
    assert not of(ProposalChanged, outcomes)
    assert floor.view.proposals[0].price == card.price
    assert of(ProposalChanged, floor.minute(101.0, [floor.enter(price=101.0)]))


def test_a_press_while_the_feed_is_down_orders_nothing():
    floor = Floor()
    card = floor.propose()
    floor.tell(FeedChanged(floor.at, "kraken", False, "reset"))
    assert codes(floor.press(card)) == ["FEED_DOWN"]
    floor.tell(FeedChanged(floor.at, "kraken", True))
    assert of(OrderIntended, floor.press(card))


STEP = st.tuples(
    st.dictionaries(st.sampled_from(SYMBOLS), st.sampled_from(("good", "quiet", "doubtful", "healed", "missing"))),
    st.sampled_from(("", "", "", "down", "up", "doubt", "trust", "late", "skip")),
    st.sampled_from(SYMBOLS),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(STEP, min_size=4, max_size=14))
def test_every_card_stands_on_three_good_minutes_that_are_fresh_live_and_undisputed(steps):
    floor = Floor(TEXT)
    up, doubted, streak = True, set(), dict.fromkeys(SYMBOLS, 3)  # counted after a hole only
    for grades, event, symbol in steps:
        if event in ("down", "up"):
            up = event == "up"
            floor.tell(FeedChanged(floor.at, "kraken", up, "reset"))
        elif event in ("doubt", "trust"):
            doubt(floor, symbol, event == "doubt")
            (doubted.add if event == "doubt" else doubted.discard)(symbol)
        elif event == "skip":
            floor.at += timedelta(minutes=3)
        graded = {name: grades.get(name, "good") for name in SYMBOLS}
        made = minute(floor, {name: grade for name, grade in graded.items() if grade != "missing"})
        late = timedelta(seconds=4.5 if event == "late" else 1)
        wishes = [wish(made.at, name) for name in SYMBOLS]
        outcomes = floor.tell(Analysis(made.at + late, made.at, wishes))
        for name, grade in graded.items():
            streak[name] = streak[name] + 1 if grade in ("good", "quiet") else 0
        for outcome in of(ProposalOpened, outcomes) + of(ProposalChanged, outcomes):
            name = outcome.proposal.symbol
            assert graded[name] in ("good", "quiet")
            assert up
            assert name not in doubted
            assert streak[name] >= 3


def minute(floor, graded):
    floor.at = floor.at.replace(second=0, microsecond=0) + timedelta(minutes=1)
    price, names = (100.0,) * len(graded), tuple(graded)
    missing = tuple(name for name in SYMBOLS if name not in graded)
    made = Minute(floor.at, names, price, price, price, price, price, tuple(graded.values()), missing)
    floor.tell(made)
    return made
