"""A recorded run decides the same again, from any row on."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.domain import Alarm, Role, State
from engine.messages import Attempted, Guarded, HealthSeen, Panic, Pause, Resume, Timer
from engine.outcomes import Filled, PositionChanged, PositionClosed, SignalSeen
from engine.replaying import replay, verify
from engine.store.ledger import SqliteLedger
from engine.trader import Trader
from engine.written import code_hash
from tests.desk.kit import BTC, ETH, SOL, SYMBOLS, Floor, of, only, playbook, started

LIMITS = ", max_positions: 2, daily_loss_amount: 40, consecutive_losses: 5, losses_pause: 30 min"


class Recorded(Floor):
    """A desk whose messages go through a ledger, as in the engine thread."""

    def __init__(self, path, text=None):
        self.ledger = SqliteLedger(path)
        self.records = []
        super().__init__(text)

    def tell(self, message):
        judgement = self.trader.judge(message)
        self.said.extend(judgement.outcomes)
        if judgement.must_record:
            record = self.ledger.append(message, judgement.outcomes, (), judgement.judged_until)
            self.trader.recorded(record)
            self.records.append(record)
        return judgement.outcomes


def live_through(floor, seed, steps=60):
    """A random session: markets, prints, cards, presses of all kinds, people, machinery, restarts."""
    chance = random.Random(seed)
    price = dict.fromkeys(SYMBOLS, 100.0)
    for _ in range(steps):
        for symbol in SYMBOLS:
            price[symbol] *= 1 + chance.gauss(0, 0.015)
        wishes = [
            floor.enter(s, price[s], confidence=chance.random()) if chance.random() < 0.6 else floor.leave(s, price[s])
            for s in SYMBOLS
            if chance.random() < 0.5
        ]
        quality = {s: chance.choice(["good", "good", "good", "quiet", "healed", "doubtful"]) for s in SYMBOLS}
        floor.ack(floor.minute(dict(price), wishes, quality, analysed=chance.random() < 0.95))
        for _ in range(chance.randrange(6)):
            symbol = chance.choice(SYMBOLS)
            source = chance.choice(["print", "print", "quote"])
            floor.ack(floor.trade(price[symbol] * (1 + chance.gauss(0, 0.01)), symbol, source))
        _people(floor, chance, price)


def _people(floor, chance, price):
    for card in list(floor.view.proposals):
        if chance.random() < 0.7:
            action = chance.choice(["approve", "approve", "half", "reject"])
            spot = price[card.symbol] * (1 + chance.gauss(0, 0.004))
            floor.ack(floor.press(card, action, price=spot, age=chance.choice([0, 0, 20])))
    roll, held = chance.random(), [position.symbol for position in floor.view.positions]
    if roll < 0.1:
        floor.ack(floor.close(chance.choice(held or SYMBOLS), chance.choice([0.5, 1.0])))
    elif roll < 0.11:
        floor.tell(Pause(floor.at, "U1", Role.TRADER, "why not"))
    elif roll < 0.115:
        floor.tell(Panic(floor.at, "U2", Role.RISK))
    elif roll < 0.3:
        floor.tell(Resume(floor.at, "U2", Role.RISK, chance.choice([None, "PANIC"])))
    elif roll < 0.38:
        floor.tell(Guarded(floor.at, "DISK", State.REDUCING, chance.random() < 0.2))
    elif roll < 0.42:
        alarms = (Alarm("feed", "warning", "slow", floor.at),) if chance.random() < 0.5 else ()
        floor.tell(HealthSeen(floor.at, alarms))
    elif roll < 0.45:
        floor.tell(started(floor.text, at=floor.later(seconds=1)))
    due = floor.trader.next_due()
    if due is not None and due.at < floor.at + timedelta(seconds=50):
        floor.at = max(floor.at, due.at)
        floor.tell(Timer(floor.at, due.name, due.key, due.at))


def session(path, seed, steps=60):
    exits = ", trailing: {percent: 4 %}, max_hold: 50 min"
    text = playbook(limits=LIMITS, exits=exits, cards=30, volume_share="20 %").replace("60 min", "3 min")
    floor = Recorded(path, text)
    floor.text = text
    live_through(floor, seed, steps)
    return floor


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_a_random_session_replays_to_the_identical_outcomes(tmp_path_factory, seed):
    floor = session(tmp_path_factory.mktemp("desk") / "ledger.sqlite", seed)
    found = replay(floor.ledger.read())
    assert found.difference is None
    assert found.records == len(floor.records)
    assert verify(floor.ledger.path).bad_seq is None
    floor.ledger.close()


def test_the_random_sessions_do_reach_the_interesting_places(tmp_path):
    floors = [session(tmp_path / f"{seed}.sqlite", seed, 60) for seed in range(5)]
    said = [outcome for floor in floors for outcome in floor.said]
    reasons = {outcome.trade.exit_reason.value for outcome in of(PositionClosed, said)}
    assert {"trailing", "signal", "manual"} <= reasons
    assert {"reduced", "trailing"} <= {outcome.why for outcome in of(PositionChanged, said)}
    assert len({type(outcome) for outcome in said}) >= 18
    refused = {outcome.refusal.code for outcome in of(SignalSeen, said) if outcome.refusal}
    assert {"HELD", "RESTING", "IN_POSITION"} <= refused
    assert any(record.judged_until for floor in floors for record in floor.records), "unrecorded prints were judged"


def test_a_session_survives_a_restart_at_every_row(tmp_path):
    floor = session(tmp_path / "ledger.sqlite", 3, 40)
    records = list(floor.ledger.read())
    for cut in range(2, len(records), 7):
        trader = Trader()
        trader.replay(records[:cut])
        seen = [trader.again(record) for record in records[cut : cut + 7]]
        assert seen == [record.outcomes for record in records[cut : cut + 7]]
    rebuilt = Trader()
    rebuilt.replay(records)
    before, after = floor.view, rebuilt.snapshot()
    assert (before.cash, before.equity, before.positions) == (after.cash, after.equity, after.positions)
    assert (before.proposals, before.holds, before.trades) == (after.proposals, after.holds, after.trades)
    assert (before.seq, before.head) == (after.seq, after.head)


def test_replay_names_the_first_outcome_that_differs(tmp_path):
    floor = Recorded(tmp_path / "ledger.sqlite")
    floor.hold()
    floor.minute(101.0)
    records = list(floor.ledger.read())
    index = next(i for i, record in enumerate(records) if of(Filled, record.outcomes))
    fill = only(Filled, records[index].outcomes)
    cheaper = Filled(replace(fill.fill, price=fill.fill.price - 1e-9))
    forged = tuple(cheaper if outcome == fill else outcome for outcome in records[index].outcomes)
    records[index] = replace(records[index], outcomes=forged)
    difference = replay(records).difference
    assert (difference.seq, difference.message) == (records[index].seq, "Slice")
    assert (difference.expected, difference.seen) == (cheaper, fill)


@pytest.mark.parametrize(
    ("code", "words"),
    [("", "recorded by another version of the code (unnamed; this is"), (code_hash(), "recorded by this same version")],
)
def test_a_difference_says_whose_code_recorded_it(tmp_path, code, words):
    floor = Recorded(tmp_path / "ledger.sqlite")
    floor.tell(replace(started(at=floor.at), code=code))
    floor.propose()
    last = floor.records[-1]
    difference = replay([*floor.records[:-1], replace(last, outcomes=last.outcomes[:-1])]).difference
    assert difference.by.startswith(words)


def test_a_missing_outcome_is_a_difference(tmp_path):
    floor = Recorded(tmp_path / "ledger.sqlite")
    floor.propose()
    records = list(floor.ledger.read())
    last = max(i for i, record in enumerate(records) if record.outcomes)
    records[last] = replace(records[last], outcomes=records[last].outcomes[:-1])
    difference = replay(records).difference
    assert difference.expected is None
    assert difference.seen is not None


def test_prints_that_settle_nothing_have_no_row_and_replay_does_not_need_them(tmp_path):
    floor = Recorded(tmp_path / "ledger.sqlite")
    floor.hold(BTC, 100.0)
    rows = len(floor.records)
    for _ in range(50):
        floor.trade(100.5)
    assert len(floor.records) == rows
    covered = floor.at
    floor.tell(Attempted(floor.at, "U1", "x", True))
    assert floor.records[-1].judged_until == {BTC: covered}
    low = floor.minute(100.0, BTC=(100.0, 100.0, 90.0, 100.0))
    assert not of(Filled, low), "the bar's low was covered by prints that never went there"
    assert replay(floor.ledger.read()).difference is None


@pytest.mark.parametrize("symbol", [ETH, SOL])
def test_a_restart_continues_with_the_same_ids(tmp_path, symbol):
    floor = Recorded(tmp_path / "ledger.sqlite")
    floor.hold(BTC)
    rebuilt = Trader()
    rebuilt.replay(floor.ledger.read())
    floor.trader = rebuilt
    card = floor.propose(symbol)
    assert card.id == "P2"
    floor.ack(floor.press(card))
    floor.trade(100.0, symbol)
    assert [position.trade_id for position in floor.view.positions] == ["T1", "T2"]


def test_a_saved_trader_decides_on_as_the_one_that_was_never_saved(tmp_path):
    for seed in range(3):
        floor = session(tmp_path / f"{seed}.sqlite", seed, 40)
        records = list(floor.ledger.read())
        for cut in range(10, len(records), 23):
            trader = Trader()
            trader.replay(records[:cut])
            restored = Trader.load(trader.dump(), *trader.row)
            assert restored.snapshot() == trader.snapshot()
            assert restored.next_due() == trader.next_due()
            assert [restored.again(r) for r in records[cut : cut + 30]] == [r.outcomes for r in records[cut : cut + 30]]
