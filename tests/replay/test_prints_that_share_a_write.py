"""Prints that wait together share one write: what each had judged before it is in the record all the same."""

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.clock import ManualClock
from engine.domain import Print, Role
from engine.inbox import Inbox, QuoteBoard
from engine.loop import EngineLoop
from engine.messages import Analysis, Minute, Press, Slice
from engine.replaying import replay
from engine.store.ledger import SqliteLedger
from engine.trader import Trader
from tests.desk.kit import BTC, ETH, SOL, START, SYMBOLS, Floor, born, playbook, started

# One print: which symbol, its price, and whether the queue is worked off after it.
PRINTS = st.lists(
    st.tuples(st.sampled_from(SYMBOLS), st.sampled_from([92.0, 99.0, 100.0, 101.0, 104.0]), st.integers(0, 5)),
    min_size=1,
    max_size=40,
)


class Engine:
    """The engine's own turns, taken by hand, so that a test says what waits together."""

    def __init__(self, folder):
        self.clock = ManualClock(START)
        self.ledger = SqliteLedger(folder / "ledger.sqlite")
        self.inbox = Inbox(self.clock, QuoteBoard())
        self.loop = EngineLoop(self.ledger, self.inbox, self.clock, lambda *row: ())
        self.widths = []
        slices = self.inbox.slices
        self.inbox.slices = lambda most: self.widths.append(found := slices(most)) or found

    def work(self, *messages):
        for message in messages:
            self.inbox.submit(message)
        while len(self.inbox):
            self.loop._turn()

    def minute(self, price, volume=0.0):
        at = self.clock.now().replace(second=0, microsecond=0) + timedelta(minutes=1)
        self.clock.set(at)
        quality = ("good" if volume else "quiet",) * 3
        self.work(Minute(at, SYMBOLS, *[(price,) * 3] * 4, (volume,) * 3, quality))
        return at

    def hold_everything(self):
        floor = Floor()
        floor.at = self.clock.now()
        at = self.minute(100.0, 10.0)
        self.work(Analysis(at, at, tuple(floor.enter(symbol) for symbol in SYMBOLS)))
        for card in self.loop.snapshot().proposals:
            floor.at = self.clock.now()
            self.inbox.on_print(Print(card.symbol, self.clock.now(), 100.0, 1.0, self.clock.now()))
            self.work(press_of(card, self.clock.now()))
        self.print_all(100.0)

    def print_all(self, price):
        self.clock.advance(timedelta(seconds=1))
        for symbol in SYMBOLS:
            self.inbox.on_print(Print(symbol, self.clock.now(), price, 5.0, self.clock.now()))
        self.work()


def press_of(card, at):

    return Press(at, "approve", card.id, card.revision, "U1", Role.TRADER)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prints=PRINTS)
def test_batches_of_prints_replay_to_the_same_desk(tmp_path_factory, prints):
    engine = Engine(tmp_path_factory.mktemp("desk"))
    text = playbook(exits=", trailing: {percent: 4 %}")
    engine.work(born(), started(text))
    engine.hold_everything()
    assert {position.symbol for position in engine.loop.snapshot().positions} == {BTC, ETH, SOL}
    for symbol, price, then in prints:
        engine.clock.advance(timedelta(milliseconds=700))
        now = engine.clock.now()
        engine.inbox.on_print(Print(symbol, now, price, 5.0, now))
        if then == 0:
            engine.work()
        elif then == 1:
            engine.minute(price)
    engine.work()
    engine.minute(100.0)
    live, again = engine.loop._trader, Trader()
    assert replay(engine.ledger.read()).difference is None
    again.replay(engine.ledger.read())
    judged = [[trader._desk.book.judged_until(symbol) for symbol in SYMBOLS] for trader in (live, again)]
    assert judged[0] == judged[1]
    assert live.snapshot().positions == again.snapshot().positions
    assert live.snapshot().trades == again.snapshot().trades
    engine.ledger.close()


def test_prints_of_many_symbols_do_wait_together(tmp_path):
    engine = Engine(tmp_path)
    engine.work(born(), started())
    engine.hold_everything()
    engine.widths.clear()
    engine.print_all(101.0)
    assert [len(found) for found in engine.widths] == [2]
    assert all(isinstance(entry.message, Slice) for found in engine.widths for entry in found)
    engine.ledger.close()
