"""Same core: the live Trader, fed minute by minute, makes bit-equal trades to the compiled run."""

from dataclasses import fields
from datetime import timedelta
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.events import REASONS
from engine.core.layout import ENTER, EXIT, blank_wishes
from engine.core.run import run
from engine.domain import BarQuality, Quote, Role, Side, Signal, instant, micros
from engine.messages import Acked, Analysis, Minute, Press
from engine.outcomes import OrderIntended, PositionClosed, ProposalOpened
from engine.trader import Trader
from engine.trader.plan import Plan, plan_of
from tests.desk.kit import MINUTE, START, SYMBOLS, born, started

TEMPLATE = """
name: parity
description: a random playbook
universe: [BTC/USD, ETH/USD, SOL/USD]
capital: {capital}
interval: 1m
strategies:
{strategies}
costs: {{fee: {fee} %, slippage: {slippage} %, slippage_per_100k: 1 %}}
volume_share: {share} %
limits: {{max_per_symbol: {per_symbol}{limits}}}
approval: {{tier: propose}}
proposal: {{max_life: 10 min, max_drift: 5 %, rest_after_rejection: 1 s, max_cards_per_hour: 1000000}}
quality: {{good_minutes: {good}}}
"""
STRATEGY = "  - {{name: s{number}, strategy: ema, capital_share: {share} %, sizing: {sizing}, exits: {{{exits}}}}}"

exits = st.fixed_dictionaries(
    {"stop": st.just("{percent: 3 %}")},
    optional={
        "target": st.sampled_from(["{percent: 2 %}", "{percent: 6 %}"]),
        "trailing": st.sampled_from(["{percent: 2 %}", "{percent: 1 %, arm_at: 1 %}"]),
        "max_hold": st.sampled_from(["60 min", "90 min"]),
        "max_bars": st.sampled_from(["3", "20"]),
    },
)
sizing = st.sampled_from(["{policy: fixed, amount: 100}", "{policy: fixed, amount: 450}", "{policy: risk, risk: 1 %}"])
limits = st.fixed_dictionaries(
    {},
    optional={
        "max_positions": st.sampled_from(["1", "2"]),
        "max_exposure": st.just("500"),
        "max_heat": st.just("2 %"),
        "daily_loss": st.just("1 %"),
        "max_drawdown": st.just("3 %"),
        "consecutive_losses": st.just("3"),
        "cool_down": st.just("5 min"),
    },
)


@st.composite
def playbooks(draw):
    count = draw(st.integers(1, 2))
    uses = [
        STRATEGY.format(number=k, share=100 // count, sizing=draw(sizing), exits=_pairs(draw(exits)))
        for k in range(count)
    ]
    extra = draw(limits)
    if "consecutive_losses" in extra:
        extra["losses_pause"] = "20 min"
    return TEMPLATE.format(
        capital=draw(st.sampled_from([1000, 300])),
        strategies="\n".join(uses),
        fee=draw(st.sampled_from([0, 0.4])),
        slippage=draw(st.sampled_from([0, 0.1])),
        share=draw(st.sampled_from([10, 100])),
        per_symbol=draw(st.sampled_from([1, 2])),
        limits="".join(f", {key}: {value}" for key, value in extra.items()),
        good=draw(st.sampled_from([0, 3])),
    ), count


def _pairs(mapping):
    return ", ".join(f"{key}: {value}" for key, value in mapping.items())


def market(chance, rows):
    """Columns [T, 5, S] with gaps, jumps, quiet and missing minutes."""
    count = len(SYMBOLS)
    close = 100 * np.exp(np.cumsum(chance.normal(0, 0.008, (rows, count)), axis=0))
    open_ = np.vstack([np.full((1, count), 100.0), close[:-1]]) * np.exp(chance.normal(0, 0.002, (rows, count)))
    high = np.maximum(open_, close) * (1 + np.abs(chance.normal(0, 0.003, (rows, count))))
    low = np.minimum(open_, close) * (1 - np.abs(chance.normal(0, 0.003, (rows, count))))
    volume = chance.exponential(30, (rows, count))
    quiet = chance.random((rows, count)) < 0.05
    volume[quiet] = 0.0
    bars = np.stack([open_, high, low, close, volume], axis=1)
    missing = chance.random((rows, count)) < 0.03
    bars[np.broadcast_to(missing[:, None, :], bars.shape)] = np.nan
    return np.ascontiguousarray(bars)


def wishes_for(chance, bars, count):
    """Random wishes: at most one per strategy, symbol and minute, never on a missing bar."""
    found = []
    for row in range(len(bars)):
        for strategy in range(count):
            for symbol in range(len(SYMBOLS)):
                if chance.random() < 0.12 and not np.isnan(bars[row, 3, symbol]):
                    action = ENTER if chance.random() < 0.7 else EXIT
                    found.append((row, strategy, symbol, action, round(float(chance.random()), 1)))
    return found


def batch(text, bars, found):
    plan = plan_of(started(text))
    wishes = blank_wishes(len(found))
    for item, (row, strategy, symbol, action, confidence) in zip(wishes, found, strict=True):
        item["row"], item["strategy"], item["symbol"], item["action"] = row, strategy, symbol, action
        item["confidence"] = confidence
    times = micros(START) + np.arange(len(bars), dtype=np.int64) * 60_000_000
    days = np.array([plan.day(instant(int(time) + 60_000_000)) for time in times], dtype=np.int64)
    result = run(plan.rules, times, bars, wishes, interval_us=60_000_000, days=days, close_at_end=False)
    return sorted(
        (
            f"s{trade['strategy']}",
            SYMBOLS[trade["symbol"]],
            int(trade["entry_time"]),
            int(trade["exit_time"]),
            REASONS[trade["reason"]],
            *(float(trade[name]) for name in NUMBERS),
        )
        for trade in result.trades
    )


NUMBERS = ("entry_price", "exit_price", "quantity", "notional", "fees", "pnl", "pnl_pct")


def signal(found, at, price):
    _, strategy, symbol, action, confidence = found
    kind = "enter" if action == ENTER else "exit"
    return Signal(f"s{strategy}", SYMBOLS[symbol], at, kind, Side.LONG, price, confidence=confidence)


class Patient(Plan):
    """A plan whose consent never ends, whatever the price does: a backtest asks nobody."""

    def life(self, strategy):
        return timedelta(days=30)

    def drift_limit(self, price, stop):
        return 1.0


def patient(message):
    plan = plan_of(message)
    return Patient(**{field.name: getattr(plan, field.name) for field in fields(plan)})


class Live:
    """The Trader with a person who presses every card at once and a broker that answers at once."""

    def __init__(self, text):
        self.trader = Trader()
        self.closed = []
        self.tell(born())
        with patch("engine.trader.duties.plan_of", patient):
            self.tell(started(text))

    def tell(self, message):
        outcomes = self.trader.on(message)
        self.closed += [outcome.trade for outcome in outcomes if isinstance(outcome, PositionClosed)]
        for outcome in outcomes:
            if isinstance(outcome, OrderIntended):
                self.tell(Acked(message.at, outcome.order.client_id, True))
        for outcome in outcomes:
            if isinstance(outcome, ProposalOpened):
                card = outcome.proposal
                quote = Quote(card.symbol, message.at, card.price, card.price)
                self.tell(Press(message.at, "approve", card.id, card.revision, "U", Role.TRADER, quote))

    def minute(self, at, bars, signals):
        present = [s for s in range(len(SYMBOLS)) if not np.isnan(bars[3, s])]
        columns = [tuple(float(bars[field, s]) for s in present) for field in range(5)]
        quality = tuple(BarQuality.GOOD if bars[4, s] > 0 else BarQuality.QUIET for s in present)
        names = tuple(SYMBOLS[s] for s in present)
        missing = tuple(SYMBOLS[s] for s in range(len(SYMBOLS)) if s not in present)
        self.tell(Minute(at, names, *columns, quality, missing))
        self.tell(Analysis(at, at, tuple(signals)))

    def trades(self):
        return sorted(
            (
                trade.strategy,
                trade.symbol,
                micros(trade.entry_time),
                micros(trade.exit_time),
                trade.exit_reason,
                *(getattr(trade, name) for name in NUMBERS),
            )
            for trade in self.closed
        )


def live(text, bars, found):
    desk = Live(text)
    by_row = {}
    for item in found:
        by_row.setdefault(item[0], []).append(item)
    for row in range(len(bars)):
        at = START + (row + 1) * MINUTE
        signals = [signal(item, at, float(bars[row, 3, item[2]])) for item in by_row.get(row, ())]
        desk.minute(at, bars[row], signals)
    return desk.trades()


@settings(max_examples=40, deadline=None)
@given(book=playbooks(), seed=st.integers(0, 2**32 - 1))
def test_live_trades_are_bit_equal_to_the_compiled_run(book, seed):
    text, count = book
    chance = np.random.default_rng(seed)
    bars = market(chance, 120)
    found = wishes_for(chance, bars, count)
    assert live(text, bars, found) == batch(text, bars, found)


def test_the_random_markets_do_trade():
    text = TEMPLATE.format(
        capital=1000,
        strategies=STRATEGY.format(
            number=0, share=100, sizing="{policy: fixed, amount: 100}", exits="stop: {percent: 3 %}"
        ),
        fee=0.4,
        slippage=0.1,
        share=10,
        per_symbol=1,
        limits="",
        good=3,
    )
    chance = np.random.default_rng(5)
    bars = market(chance, 600)
    found = wishes_for(chance, bars, 1)
    trades = live(text, bars, found)
    assert len(trades) > 15
    assert {trade[4].value for trade in trades} == {"stop", "signal"}
    assert trades == batch(text, bars, found)
