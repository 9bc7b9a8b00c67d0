"""The same market as prints and as bars: what prints settle, the bar after them settles no more.

The law. Entries, and exits that were decided at a close, fill at the first print as at the bar's open: bit for bit. A
stop, a trailing stop or a target ends a position in the minute in which the bar would have ended it; never more trades,
never fewer. Where the low is printed first, it ends by the same one, at the print: a stop at its price or worse, a
target at its price or better. Where the high comes first and both are in reach, the target is what was met first.
"""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain import ExitReason, micros
from engine.messages import Slice
from tests.desk.kit import MINUTE, START, SYMBOLS
from tests.replay.test_parity import STRATEGY, TEMPLATE, Live, market, signal, wishes_for

LEVELS = {ExitReason.STOP, ExitReason.TARGET, ExitReason.TRAILING}
SECOND = timedelta(seconds=1)
EXITS = [
    "stop: {percent: 1 %}, target: {percent: 1 %}",
    "stop: {percent: 2 %}, target: {percent: 1 %}, max_bars: 20",
    "stop: {percent: 3 %}, trailing: {percent: 1 %, arm_at: 1 %}",
    "stop: {percent: 3 %}, target: {percent: 2 %}, trailing: {percent: 2 %}, max_hold: 3570 s",
]


def playbook(exits, good):
    """No limit that depends on money: prices of exits differ, and only they."""
    sized = "{policy: fixed, amount: 100}"
    uses = [STRATEGY.format(number=k, share=50, sizing=sized, exits=e) for k, e in enumerate(exits)]
    return TEMPLATE.format(
        capital=100_000,
        strategies="\n".join(uses),
        fee=0.4,
        slippage=0.1,
        share=100,
        per_symbol=2,
        limits=", max_positions: 3",
        good=good,
    )


def deep(bars):
    """The same bars with volume enough for any print to fill any order."""
    bars = bars.copy()
    bars[:, 4] *= np.where(bars[:, 4] > 0, 1e6, 1.0)
    bars[:, 4] += np.where(bars[:, 4] > 0, 1e6, 0.0)
    return bars


def played(text, bars, found, low_first=None):
    """The Trader's trades; `low_first[row, symbol]` gives prints before every bar, None gives bars alone."""
    desk = Live(text)
    by_row = {}
    for item in found:
        by_row.setdefault(item[0], []).append(item)
    for row in range(len(bars)):
        if low_first is not None:
            told(desk, START + row * MINUTE, bars[row], low_first[row])
        at = START + (row + 1) * MINUTE
        desk.minute(at, bars[row], [signal(item, at, float(bars[row, 3, item[2]])) for item in by_row.get(row, ())])
    return sorted(desk.closed, key=lambda trade: (trade.entry_time.replace(second=0), trade.strategy, trade.symbol))


def told(desk, begins, bar, low_first):
    """Four prints of every symbol that traded: the open, both extremes in turn, the close. Their merge is the bar."""
    for number, symbol in enumerate(SYMBOLS):
        open_, high, low, close, volume = (float(value) for value in bar[:, number])
        if not volume > 0:  # quiet, or missing
            continue
        path = (open_, low, high, close) if low_first[number] else (open_, high, low, close)
        for place, price in enumerate(path):
            at = begins + (1 + 15 * place) * SECOND
            desk.tell(Slice(at, symbol, at, at, price, price, price, price, volume / 4, "print"))


def entered(trade):
    return trade.strategy, trade.symbol, trade.entry_time.replace(second=0), trade.entry_price, trade.quantity


def ended(trade):
    """The minute of the exit; a bar's levels carry its close time."""
    at = micros(trade.exit_time) - (trade.exit_reason in LEVELS)
    return at // 60_000_000


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(EXITS), min_size=1, max_size=2),
    st.sampled_from([0, 3]),
    st.sampled_from(["low", "high", "either"]),
    st.integers(0, 2**32 - 1),
)
def test_prints_end_what_their_bars_end_and_nothing_else(exits, good, first, seed):
    chance = np.random.default_rng(seed)
    text, bars = playbook(exits, good), deep(market(chance, 120))
    found = wishes_for(chance, bars, len(exits))
    low_first = chance.random((len(bars), len(SYMBOLS))) < {"low": 1.1, "high": -0.1, "either": 0.5}[first]
    by_bars, by_prints = played(text, bars, found), played(text, bars, found, low_first)
    assert [(entered(trade), ended(trade)) for trade in by_prints] == [(entered(t), ended(t)) for t in by_bars]
    for printed, barred in zip(by_prints, by_bars, strict=True):
        if printed.exit_reason is not barred.exit_reason:
            assert first != "low"
            assert (printed.exit_reason, barred.exit_reason in LEVELS) == (ExitReason.TARGET, True)
        elif printed.exit_reason is ExitReason.TARGET:
            assert printed.exit_price >= barred.exit_price
        elif printed.exit_reason in LEVELS:
            assert printed.exit_price <= barred.exit_price
        else:
            assert printed.exit_price == barred.exit_price


@pytest.mark.parametrize("low_first", [True, False])
def test_prints_do_settle_and_order_matters(low_first):
    chance = np.random.default_rng(8)
    text, bars = playbook(EXITS[:2], 0), deep(market(chance, 400))
    found = wishes_for(chance, bars, 2)
    order = np.full((len(bars), len(SYMBOLS)), low_first)
    by_bars, by_prints = played(text, bars, found), played(text, bars, found, order)
    assert len(by_prints) > 60
    levels = [trade for trade in by_prints if trade.exit_reason in LEVELS]
    assert all(trade.exit_time.second for trade in levels), "a bar, not a print, ended one"
    same = [p.exit_reason is b.exit_reason for p, b in zip(by_prints, by_bars, strict=True)]
    assert all(same) is low_first
