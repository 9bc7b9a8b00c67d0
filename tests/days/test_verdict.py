"""The phase verdict: what is needed to proceed, and what is not enough to give up."""

import pytest

from engine.inference import Interval
from engine.performance import measure
from engine.verdict import Accuracy, Operations, Phase, judge
from tests.days.desk import NOW, points, trade


def phase_of(pnls, accuracy=None):
    trades = [trade(pnl) for pnl in pnls]
    return judge(measure(trades, points(1000.0, 1000.0), NOW.replace(year=2025), NOW), accuracy).phase


GOOD = [3.0, 1.0, -1.0] * 40  # 120 trades, mean +1 %, clearly above 0
EVEN = [3.0, -3.0] * 60
BAD = [-3.0, -1.0, 1.0] * 40


@pytest.mark.parametrize(
    ("pnls", "accuracy", "phase"),
    [
        (GOOD, None, Phase.PROCEED),
        (GOOD[:99], None, Phase.NOT_PROVEN),
        (EVEN, None, Phase.NOT_PROVEN),
        (BAD, None, Phase.PIVOT),
        (GOOD, Accuracy(600, 1000), Phase.PROCEED),
        (GOOD, Accuracy(56, 100), Phase.OPTIMISE),  # above 55 %, but its interval reaches below 50 %
        (GOOD, Accuracy(550, 1000), Phase.OPTIMISE),  # not above 55 %
        (EVEN, Accuracy(600, 1000), Phase.OPTIMISE),
        (EVEN, Accuracy(520, 1000), Phase.NOT_PROVEN),
        (GOOD, Accuracy(600, 1000, Interval(0.49, 0.7)), Phase.OPTIMISE),  # a thousand that overlap are worth few
        (EVEN, Accuracy(450, 1000), Phase.PIVOT),  # its upper bound is below 52 %
        (EVEN, Accuracy(45, 100), Phase.NOT_PROVEN),  # its upper bound is not
        (BAD, Accuracy(600, 1000), Phase.PIVOT),
        (GOOD, Accuracy(0, 0), Phase.PROCEED),  # no forecast has settled: net return alone decides
        ([-5.0] * 3, None, Phase.NOT_PROVEN),  # three stops in a row prove nothing
        ([-5.0, -4.0] * 15, None, Phase.PIVOT),
        ([], None, Phase.NOT_PROVEN),
    ],
)
def test_the_phase_follows_the_rule(pnls, accuracy, phase):
    assert phase_of(pnls, accuracy) is phase


def test_every_criterion_beside_it_is_met_or_not_or_not_known():
    figures = measure([trade(pnl) for pnl in GOOD], points(1000.0, 800.0), NOW.replace(year=2025), NOW)
    found = judge(figures, None, Operations(uptime=0.96, feed_uptime=0.99, mean_slippage=0.001))
    met = {one.name: one.met for one in found.beside}
    assert met == {
        "win rate": True,
        "profit factor": True,
        "drawdown": False,
        "uptime": True,
        "feed uptime": False,
        "data quality": None,
        "database writes": None,
        "mean slippage": True,
    }


def test_a_hundred_trades_are_enough_to_meet_their_criterion():
    figures = measure([trade(1.0)] * 100, [], NOW.replace(year=2025), NOW)
    assert next(one for one in judge(figures).deciding if one.name == "closed trades").met


@pytest.mark.parametrize(
    ("pnls", "words"),
    [
        ([], "No trade has closed"),
        ([1.0], "one result says nothing"),
        (EVEN[:20], "too few to judge"),
        (BAD[:20], "loses so far, but 30 trades are needed"),
        (EVEN, "cannot be told from chance"),
        (GOOD, "beats chance after costs"),
        (BAD, "loses money after costs"),
    ],
)
def test_the_sentence_says_how_sure_we_are(pnls, words):
    figures = measure([trade(pnl) for pnl in pnls], [], NOW.replace(year=2025), NOW)
    assert words in judge(figures).sentence
