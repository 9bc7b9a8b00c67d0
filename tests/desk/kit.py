"""A small desk to talk to in messages: a Trader, a clock moved by hand, and words for what it is told."""

from datetime import UTC, datetime, timedelta

from engine.domain import Instrument, MarketKind, Quote, Role, Side, Signal
from engine.messages import Acked, Analysis, Born, ClosePosition, Minute, Press, Slice, Started
from engine.outcomes import OrderIntended, ProposalOpened, Refused
from engine.trader import Trader

START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)  # 06:30 in Los Angeles
MINUTE = timedelta(minutes=1)
BTC, ETH, SOL = "BTC/USD", "ETH/USD", "SOL/USD"
SYMBOLS = (BTC, ETH, SOL)

PLAYBOOK = """
name: kit
description: a playbook for tests
universe: [BTC/USD, ETH/USD, SOL/USD]
capital: {capital}
interval: 1m
strategies:
  - name: ema
    strategy: ema
    sizing: {{policy: fixed, amount: 100}}
    exits: {{stop: {{percent: 5 %}}, target: {{percent: 10 %}}{exits}}}
costs: {{fee: 0.1 %, slippage: 0.1 %}}
volume_share: {volume_share}
limits: {{max_per_symbol: 1{limits}}}
approval: {{tier: {tier}}}
proposal: {{max_life: 10 min, max_drift: {drift}, rest_after_rejection: 60 min, max_cards_per_hour: {cards}}}
quality: {{good_minutes: 0}}
"""


def playbook(capital=1000, limits="", tier="propose", cards=6, exits="", drift="0.5 %", volume_share="none"):
    return PLAYBOOK.format(
        capital=capital, limits=limits, tier=tier, cards=cards, exits=exits, drift=drift, volume_share=volume_share
    )


def born():
    return Born(START, "desk-1", MarketKind.SIMULATED, "kit", "0" * 64, "simulated")


def started(text=None, at=START, speed="1", **settings):
    return Started(
        at=at,
        version="0.1.0",
        settings={"timezone": "America/Los_Angeles", "speed": speed, **settings},
        symbols=SYMBOLS,
        playbook_yaml=text or playbook(),
        instruments=tuple(Instrument(symbol) for symbol in SYMBOLS),
    )


class Floor:
    """A Trader and everything it was told, so that tests can replay it."""

    def __init__(self, text=None, speed="1"):
        self.trader = Trader()
        self.at = START
        self.said = []
        self.told = []
        self.tell(born())
        self.tell(started(text, speed=speed))

    def tell(self, message):
        outcomes = self.trader.on(message)
        self.told.append((message, outcomes))
        self.said.extend(outcomes)
        return outcomes

    def later(self, **span):
        self.at += timedelta(**span)
        return self.at

    def minute(self, prices=100.0, signals=(), quality="good", analysed=True, **bars):
        """One closed minute. `prices`: one price or one per symbol; `bars`: BTC=(open, high, low, close)."""
        closes = prices if isinstance(prices, dict) else dict.fromkeys(SYMBOLS, prices)
        rows = {s: bars.get(s[:3], (closes[s],) * 4) for s in SYMBOLS if s in closes}
        self.at = self.at.replace(second=0, microsecond=0) + MINUTE
        columns = list(zip(*rows.values(), strict=True))
        qualities = quality if isinstance(quality, dict) else {}
        graded = tuple(qualities.get(s, quality if isinstance(quality, str) else "good") for s in rows)
        volume = tuple(0.0 if grade == "quiet" else 10.0 for grade in graded)
        missing = tuple(s for s in SYMBOLS if s not in rows)
        made = Minute(self.at, tuple(rows), *columns, volume, graded, missing)
        outcomes = self.tell(made)
        if analysed:
            outcomes += self.analysis(made.at, *signals)
        return outcomes

    def analysis(self, minute, *signals):
        return self.tell(Analysis(self.at, minute, signals))

    def enter(self, symbol=BTC, price=100.0, **more):
        return Signal("ema", symbol, self.at + MINUTE, "enter", Side.LONG, price, reason="cross", **more)

    def leave(self, symbol=BTC, price=100.0):
        return Signal("ema", symbol, self.at + MINUTE, "exit", Side.LONG, price, reason="cross back")

    def propose(self, symbol=BTC, price=100.0, **more):
        """A minute whose signal becomes a card."""
        outcomes = self.minute(price, [self.enter(symbol, price, **more)])
        return only(ProposalOpened, outcomes).proposal

    def press(self, proposal, action="approve", by="U_TRADER", role=Role.TRADER, price=None, age=0.0, spread=0.0):
        price = proposal.price if price is None else price
        quote = Quote(proposal.symbol, self.at - timedelta(seconds=age), price - spread, price + spread)
        return self.tell(Press(self.at, action, proposal.id, proposal.revision, by, role, quote))

    def ack(self, outcomes, ok=True, reason=""):
        """The broker's answer to every order among the outcomes."""
        answers = ()
        for outcome in outcomes:
            if isinstance(outcome, OrderIntended):
                answers += self.tell(Acked(self.at, outcome.order.client_id, ok, reason))
        return answers

    def trade(self, price, symbol=BTC, source="print", volume=10.0, **span):
        at = self.later(**(span or {"seconds": 1}))
        return self.tell(Slice(at, symbol, at, at, price, price, price, price, volume, source))

    def hold(self, symbol=BTC, price=100.0, **more):
        """Propose, approve and fill: an open position."""
        self.ack(self.press(self.propose(symbol, price, **more)))
        outcomes = self.trade(price, symbol)
        return outcomes

    def close(self, symbol=BTC, fraction=1.0, role=Role.TRADER, by="U_TRADER"):
        return self.tell(ClosePosition(self.at, by, role, symbol, None, fraction))

    @property
    def view(self):
        return self.trader.snapshot()


def of(kind, outcomes):
    return [outcome for outcome in outcomes if isinstance(outcome, kind)]


def only(kind, outcomes):
    found = of(kind, outcomes)
    assert len(found) == 1, f"{len(found)} {kind.__name__} in {outcomes}"
    return found[0]


def codes(outcomes):
    return [outcome.refusal.code for outcome in of(Refused, outcomes)]
