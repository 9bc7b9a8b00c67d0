"""A desk that runs a shipped playbook, over as many coins as a limit needs."""

from dataclasses import replace

from engine.domain import Instrument, Role, Side, Signal
from engine.messages import Acked, Minute, Resume
from engine.outcomes import OrderIntended, ProposalOpened, SignalSeen
from engine.playbook import load
from tests.desk import kit
from tests.desk.kit import MINUTE, Floor, of, only

COINS = ("BTC/USD", "ETH/USD", "SOL/USD", "BNB/USD", "XRP/USD", "ADA/USD", "AVAX/USD")


class Shipped(Floor):
    """Three good minutes have gone by, so that entries are possible."""

    def __init__(self, name, overrides=None, changes=(), lends=False, coins=COINS):
        text = load(name, overrides).text
        for old, new in changes:
            assert old in text, f"{old!r} is not in the playbook {name}"
            text = text.replace(old, new, 1)
        self.name = name
        self.lends = lends
        self.coins = coins
        self.last = dict.fromkeys(coins, 100.0)
        super().__init__(text)
        for _ in range(3):
            self.minute()

    def tell(self, message):
        if isinstance(message, kit.Started):
            instruments = tuple(Instrument(coin, can_short=self.lends) for coin in self.coins)
            message = replace(message, symbols=self.coins, instruments=instruments)
        return super().tell(message)

    def minute(self, prices=None, signals=(), analysed=True, **bars):
        """One closed minute. `prices`: of the coins that moved (others stay); `bars`: BTC=(open, high, low, close)."""
        self.last |= prices or {}
        self.last |= {f"{name}/USD": bar[3] for name, bar in bars.items()}
        self.at = self.at.replace(second=0, microsecond=0) + MINUTE
        rows = [bars.get(coin.split("/")[0], (self.last[coin],) * 4) for coin in self.coins]
        columns = list(zip(*rows, strict=True))
        made = Minute(self.at, self.coins, *columns, (1e6,) * len(self.coins), ("good",) * len(self.coins))
        outcomes = self.tell(made)
        return outcomes + self.analysis(made.at, *signals) if analysed else outcomes

    def wish(self, coin, side=Side.LONG, **more):
        return Signal(self.name, coin, self.at + MINUTE, "enter", side, self.last[coin], **more)

    def ask(self, coin, **more):
        """A minute with one wish: what came of it."""
        return self.minute(signals=[self.wish(coin, **more)])

    def fate(self, coin, **more):
        """The refusal's code of a wish, or what became of it."""
        seen = only(SignalSeen, self.ask(coin, **more))
        return seen.refusal.code if seen.refusal else seen.fate

    def open(self, coin, **more):
        """Proposed, approved and filled at the price of the coin; then the minute closes of which a part was judged."""
        card = only(ProposalOpened, self.ask(coin, **more)).proposal
        self.ack(self.press(card))
        self.trade(self.last[coin], coin, volume=1e6)
        self.minute()
        return card

    def deny(self, card):
        """Approved, and then failed by the broker."""
        for order in of(OrderIntended, self.press(card)):
            outcomes = self.tell(Acked(self.at, order.order.client_id, False, "EService: unavailable"))
        return outcomes

    def resume(self, code):
        return self.tell(Resume(self.at, "U_RISK", Role.RISK, code))

    @property
    def held(self):
        return {position.symbol for position in self.view.positions}

    @property
    def holds(self):
        return [hold.code for hold in self.view.holds]
