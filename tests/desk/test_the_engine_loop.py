"""The engine thread: durable before anything acts, timers by itself, and no silent death."""

import sqlite3
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest

from engine import checkpoint, restoring
from engine.brokers.gateway import Gateway
from engine.brokers.paper import PaperBroker
from engine.clock import ManualClock
from engine.disk_watch import DiskWatch
from engine.domain import Print, Quote, Role, State
from engine.inbox import Inbox, QuoteBoard
from engine.loop import EngineLoop
from engine.messages import Analysis, Attempted, Guarded, Minute, Pause, Press, Slice
from engine.outcomes import Filled, OrderAcked, PositionClosed, ProposalClosed, ProposalOpened, Refused
from engine.records import Post
from engine.replaying import replay, verify
from engine.store.ledger import LedgerError, SqliteLedger, read_records
from engine.store.reserve import DiskReserve
from engine.trader import Trader
from tests.desk.kit import BTC, ETH, START, SYMBOLS, Floor, born, of, only, started


def announce(message, outcomes, snapshot):
    return tuple(Post(f"{snapshot.seq}:{n}", "signals", "post", "s", "t", {}) for n in range(len(outcomes)))


class House:
    """The engine with its ledger and a paper broker, on a clock moved by hand."""

    def __init__(self, folder, trader=Trader, disk=None, saved=None):
        self.clock = ManualClock(START)
        self.path = folder / "ledger.sqlite"
        self.ledger = SqliteLedger(self.path)
        self.inbox = Inbox(self.clock, QuoteBoard())
        self.loop = EngineLoop(self.ledger, self.inbox, self.clock, announce, disk, trader, saved)
        self.gateway = Gateway(PaperBroker(self.clock.now, {}), self.inbox.submit, self.clock.now)
        self.loop.on_record(self.gateway.on_record)

    def begin(self):
        if self.ledger.head()[0]:
            self.loop.restore()
            self.gateway.resume(self.loop.trader.unanswered(), self.loop.trader.consented())
        self.gateway.start()
        self.loop.start()
        if not self.ledger.head()[0]:
            self.ask(born())
        return self.ask(started())

    def ask(self, message):
        return self.inbox.submit(message).result(90)

    def end(self):
        assert self.loop.stop()
        self.gateway.stop()
        self.ledger.close()

    def minute(self, signals=(), price=100.0):
        at = self.clock.now().replace(second=0, microsecond=0) + timedelta(minutes=1)
        self.clock.set(at)
        columns = [(price,) * 3] * 4
        self.inbox.submit(Minute(at, SYMBOLS, *columns, (10.0,) * 3, ("good",) * 3))
        return self.ask(Analysis(at, at, tuple(signals)))

    def until(self, kind, seconds=60.0):
        """Wait for an outcome of a kind; the engine works on threads of its own."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for record in read_records(self.path):
                if found := of(kind, record.outcomes):
                    return found[-1]
            time.sleep(0.02)
        raise AssertionError(f"no {kind.__name__} within {seconds} s")


@contextmanager
def house(folder, **parts):
    made = House(folder, **parts)
    made.begin()
    try:
        yield made
    finally:
        made.end()


def enter():
    floor = Floor()
    return floor.enter()


def test_a_press_becomes_a_position_through_inbox_ledger_gateway_and_broker(tmp_path):
    with house(tmp_path) as desk:
        card = only(ProposalOpened, desk.minute([enter()]).outcomes).proposal
        desk.inbox.quotes.put(Quote(BTC, desk.clock.now(), 100.0, 100.0))
        answer = desk.ask(Press(START, "approve", card.id, 1, "U1", Role.TRADER))
        assert only(ProposalClosed, answer.outcomes)
        assert desk.until(OrderAcked).ok
        desk.clock.advance(timedelta(seconds=1))
        desk.inbox.on_print(Print(BTC, desk.clock.now(), 100.1, 5.0, desk.clock.now()))
        assert desk.until(Filled).fill.price == 100.1
        assert desk.ask(Attempted(START, "U", "x", True)).seq == desk.loop.snapshot().seq
        assert desk.loop.snapshot().positions[0].symbol == BTC
    assert verify(desk.path).bad_seq is None
    assert replay(read_records(desk.path)).difference is None


def three_positions(desk):
    """Open a position in each symbol at 100; the stops are at 95."""
    cards = of(ProposalOpened, desk.minute([Floor().enter(symbol) for symbol in SYMBOLS]).outcomes)
    for symbol, card in zip(SYMBOLS, cards, strict=True):
        desk.inbox.quotes.put(Quote(symbol, desk.clock.now(), 100.0, 100.0))
        desk.ask(Press(START, "approve", card.proposal.id, 1, "U1", Role.TRADER))
    fall(desk, 100.0)
    wait_for(lambda: len(desk.loop.snapshot().positions) == 3)
    wait_for(lambda: sum(len(of(OrderAcked, record.outcomes)) for record in read_records(desk.path)) == 3)
    desk.ask(Attempted(START, "U", "all is said, and the engine waits", True))


def fall(desk, price):
    desk.clock.advance(timedelta(seconds=1))
    for symbol in SYMBOLS:
        desk.inbox.on_print(Print(symbol, desk.clock.now(), price, 5.0, desk.clock.now()))


def test_prints_that_wait_share_one_write_and_each_has_its_row(tmp_path):
    gate, said, seen = threading.Event(), [], []
    gate.set()
    desk = House(tmp_path)
    desk.loop.on_record(lambda record: seen.append((record.seq, sum(1 for _ in read_records(desk.path)))))
    desk.loop.on_record(lambda record: gate.wait(60))
    desk.begin()
    three_positions(desk)
    gate.clear()
    desk.inbox.submit(Attempted(START, "U", "x", True))
    wait_for(lambda: not len(desk.inbox))
    fall(desk, 90.0)
    last = desk.ledger.head()[0]
    desk.ledger._connection.set_trace_callback(said.append)
    gate.set()
    wait_for(lambda: len(desk.loop.snapshot().trades) == 3)
    desk.end()
    assert said.count("COMMIT") == 1
    closing = [record for record in read_records(desk.path, last) if of(PositionClosed, record.outcomes)]
    assert [record.message.symbol for record in closing] == list(SYMBOLS)
    assert all(seq <= rows for seq, rows in seen)
    assert verify(desk.path).bad_seq is None
    assert replay(read_records(desk.path)).difference is None


def test_a_print_that_cannot_be_judged_takes_none_of_its_neighbours_along(tmp_path):
    class Stumbling(Trader):
        def judge(self, message):
            if isinstance(message, Slice) and message.symbol == ETH and message.low < 95:
                raise ZeroDivisionError("a bug")
            return super().judge(message)

    gate = threading.Event()
    gate.set()
    desk = House(tmp_path, trader=Stumbling)
    desk.loop.on_record(lambda record: gate.wait(60))
    desk.begin()
    three_positions(desk)
    gate.clear()
    desk.inbox.submit(Attempted(START, "U", "x", True))
    wait_for(lambda: not len(desk.inbox))
    fall(desk, 90.0)
    gate.set()
    wait_for(lambda: any(hold.code == "FAULT" for hold in desk.loop.snapshot().holds))
    assert [position.symbol for position in desk.loop.snapshot().positions] == [ETH]
    desk.end()
    assert replay(read_records(desk.path)).difference is None


def test_a_record_is_durable_before_anyone_hears_of_it(tmp_path):
    seen = []
    desk = House(tmp_path)
    desk.loop.on_record(lambda record: seen.append((record.seq, sum(1 for _ in read_records(desk.path)))))
    desk.begin()
    desk.ask(Pause(START, "U1", Role.TRADER))
    desk.end()
    assert seen == [(1, 1), (2, 2), (3, 3)]


def test_posts_lie_in_the_row_of_what_they_announce(tmp_path):
    with house(tmp_path) as desk:
        record = desk.ask(Pause(START, "U1", Role.TRADER))
        assert len(record.posts) == len(record.outcomes) == 1
        assert [row.posts for row in read_records(desk.path, record.seq - 1)] == [record.posts]


def test_the_engine_sends_its_own_timers(tmp_path):
    with house(tmp_path) as desk:
        at = START + timedelta(minutes=1)
        desk.clock.set(at)
        desk.inbox.submit(Minute(at, SYMBOLS, *[(100.0,) * 3] * 5, ("good",) * 3)).result(90)
        desk.clock.advance(timedelta(seconds=6))
        assert desk.until(Refused).refusal.code == "NO_ANALYSIS"


def test_after_a_restart_position_and_card_are_there_unchanged(tmp_path):
    with house(tmp_path) as desk:
        desk.minute([enter()])
        before = desk.loop.snapshot()
    with house(tmp_path) as again:
        after = again.loop.snapshot()
        assert after.proposals == before.proposals
        assert after.equity_curve == before.equity_curve
        assert again.inbox._now() >= before.at


def test_a_running_desk_keeps_checkpoints_so_that_a_power_cut_costs_few_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(restoring, "KEEP_EVERY", 3)
    monkeypatch.setattr(restoring, "_WORTH_SAVING", 10**9)
    with house(tmp_path, saved=tmp_path / "saved") as desk:
        desk.minute([enter()])
        for _ in range(3):
            desk.minute([])
        wait_for(lambda: (tmp_path / "saved").exists())
        wait_for(lambda: desk.ledger.head()[0] - checkpoint.read(tmp_path / "saved", desk.ledger).row[0] < 3)
        kept = checkpoint.read(tmp_path / "saved", desk.ledger)
        kept.replay(desk.ledger.read(after=kept.row[0]))
        assert kept.snapshot() == desk.loop.snapshot()


class Broken(Trader):
    """A Trader with a bug that one message meets."""

    def judge(self, message):
        if isinstance(message, Attempted) and message.what == "bug":
            raise ZeroDivisionError("planted")
        return super().judge(message)


def test_a_bug_is_held_and_said_and_the_desk_lives(tmp_path, caplog):
    with house(tmp_path, trader=Broken) as desk:
        card = only(ProposalOpened, desk.minute([enter()]).outcomes).proposal
        with pytest.raises(ZeroDivisionError):
            desk.ask(Attempted(START, "U", "bug", True))
        desk.until(ProposalClosed)
        wait_for(lambda: desk.loop.snapshot().state is State.HALTED)
        snapshot = desk.loop.snapshot()
        assert (snapshot.holds[0].code, card.id) == ("FAULT", "P1")
        assert "fault E1" in snapshot.holds[0].note
        assert desk.ask(Attempted(START, "U", "fine", True)).outcomes
    assert "rebuilt from its ledger" in caplog.text
    assert replay(read_records(desk.path)).difference is None


class Room:
    """Free space that a test sets."""

    def __init__(self, free):
        self.free = free

    def __call__(self, folder):
        return self.free


def test_a_disk_nearly_full_holds_entries_until_there_is_room_again(tmp_path):
    room = Room(10**12)
    reserve = DiskReserve(tmp_path, low=10**9, kept=1000, free=room)
    with house(tmp_path, disk=DiskWatch(reserve, every=0.0)) as desk:
        desk.minute()
        assert (tmp_path / "ledger.reserve").stat().st_size == 1000
        room.free = 10**8
        wait_for(lambda: desk.loop.snapshot().state is State.REDUCING)
        assert "MiB are free" in desk.loop.snapshot().holds[0].note
        assert not of(ProposalOpened, desk.minute([enter()]).outcomes)
        room.free = 10**12
        wait_for(lambda: desk.loop.snapshot().state is State.ACTIVE)


def wait_for(is_so, seconds=60.0):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


class Full(SqliteLedger):
    """A ledger on a disk that is full until told otherwise."""

    full = 0

    def append(self, *row):
        if self.full:
            self.full -= 1
            raise LedgerError("ledger row could not be written: database or disk is full")
        return super().append(*row)


def test_a_full_disk_gives_up_the_reserve_and_records_the_exit(tmp_path):
    reserve = DiskReserve(tmp_path, low=0, kept=1000, free=Room(10**9))
    reserve.refill()
    desk = House(tmp_path, disk=DiskWatch(reserve, every=1000.0))
    desk.ledger = desk.loop._pen._ledger = desk.loop._restoring._ledger = Full(desk.path)
    desk.begin()
    desk.ledger.full = 1
    assert desk.ask(Pause(START, "U1", Role.TRADER)).outcomes
    assert not (tmp_path / "ledger.reserve").exists()
    desk.end()


def test_what_cannot_be_recorded_is_not_done_and_people_are_told(tmp_path):
    desk = House(tmp_path)
    desk.ledger = desk.loop._pen._ledger = desk.loop._restoring._ledger = Full(desk.path)
    desk.begin()
    rows = desk.ledger.head()[0]
    desk.ledger.full = 10**9
    pause = desk.inbox.submit(Pause(START, "U1", Role.TRADER))
    press = desk.inbox.submit(Press(START, "approve", "P1", 1, "U1", Role.TRADER))
    assert isinstance(press.exception(90), LedgerError)
    assert desk.loop.snapshot().state is State.ACTIVE, "nothing is published that is not durable"
    assert desk.ledger.head()[0] == rows
    desk.ledger.full = 0
    assert pause.result(90).seq == rows + 1
    desk.end()


def test_latency_is_kept_by_kind(tmp_path):
    with house(tmp_path) as desk:
        desk.minute()
        measured = desk.loop.percentiles("Minute")
        assert measured.messages == 1
        assert 0 < measured.p50 <= measured.p99 == measured.worst
        assert desk.loop.percentiles("Panic") is None


def test_a_ledger_that_is_locked_for_a_moment_loses_nothing(tmp_path):
    with house(tmp_path) as desk:
        other = sqlite3.connect(desk.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = desk.inbox.submit(Pause(START, "U1", Role.TRADER))
        time.sleep(0.2)
        assert not waiting.done()
        other.execute("ROLLBACK")
        other.close()
        assert waiting.result(90).outcomes


def test_a_start_from_a_checkpoint_is_the_same_start(tmp_path):
    saved = tmp_path / "checkpoint"
    with house(tmp_path, saved=saved) as desk:
        desk.minute([enter()])
    whole = House(tmp_path)
    whole.loop.restore()
    quick = House(tmp_path, saved=saved)
    assert quick.loop.restore() == 0, "nothing was left to judge"
    assert quick.loop.snapshot() == whole.loop.snapshot()
    whole.ledger.close()
    quick.ledger.append(Attempted(START, "U", "x", True), (), (), {})
    assert quick.loop.restore() == 1
    quick.ledger.close()


@pytest.mark.parametrize(
    "spoil", [lambda raw: raw[:-9], lambda raw: b"{}\n", lambda raw: raw.replace(b'"seq": ', b'"seq": 1')]
)
def test_a_checkpoint_that_does_not_fit_is_not_used(tmp_path, spoil):
    saved = tmp_path / "checkpoint"
    with house(tmp_path, saved=saved) as desk:
        desk.minute()
    rows = desk.ledger.head()[0]
    saved.write_bytes(spoil(saved.read_bytes()))
    again = House(tmp_path, saved=saved)
    assert again.loop.restore() == rows
    again.ledger.close()


class OtherVersion(Trader):
    """A Trader that no longer says what it said about a pause."""

    def judge(self, message):
        judgement = super().judge(message)
        return judgement._replace(outcomes=judgement.outcomes[:-1]) if isinstance(message, Pause) else judgement


def test_a_version_that_judges_the_record_otherwise_waits_for_a_person(tmp_path):
    with house(tmp_path) as desk:
        desk.ask(Pause(START, "U1", Role.TRADER))
    again = House(tmp_path, trader=OtherVersion)
    again.loop.restore()
    again.loop.start()
    wait_for(lambda: "VERSION" in {hold.code for hold in again.loop.snapshot().holds})
    again.end()
    (held,) = [hold for hold in again.loop.snapshot().holds if hold.code == "VERSION"]
    assert "recorded by another version of the code (unnamed; this is" in held.note


def test_words_that_fail_keep_nothing_from_being_recorded(tmp_path, caplog):
    desk = House(tmp_path)
    desk.loop._announce = lambda message, outcomes, snapshot: 1 / 0 if isinstance(message, Pause) else ()
    desk.begin()
    assert desk.ask(Pause(START, "U1", Role.TRADER)).posts == ()
    wait_for(lambda: {hold.code for hold in desk.loop.snapshot().holds} == {"PAUSE", "FAULT"})
    desk.end()
    assert "could not be announced" in desk.loop.snapshot().holds[1].note
    assert "goes without posts" in caplog.text


def test_a_part_of_the_desk_that_breaks_does_not_end_the_stops(tmp_path):
    desk = House(tmp_path)
    heard = []
    desk.loop.on_record(lambda record: 1 / 0 if record.seq > 2 else None)
    desk.loop.on_record(lambda record: heard.append(record.seq))
    desk.begin()
    assert desk.ask(Attempted(START, "U", "x", True)).seq == 3
    wait_for(lambda: {hold.code for hold in desk.loop.snapshot().holds} == {"FAULT"})
    rows = desk.ask(Attempted(START, "U", "y", True)).seq
    assert heard == list(range(1, rows + 1)), "the other parts heard of everything"
    assert desk.loop.is_alive
    desk.end()
    held = [row for row in read_records(desk.path) if isinstance(row.message, Guarded)]
    assert len(held) == 1, "said once, not at every record"


def test_a_bug_in_judging_halts_a_desk_that_a_lesser_bug_only_holds(tmp_path):
    desk = House(tmp_path, trader=Broken)
    desk.loop._announce = lambda message, outcomes, snapshot: 1 / 0 if isinstance(message, Pause) else ()
    desk.begin()
    desk.ask(Pause(START, "U1", Role.TRADER))
    wait_for(lambda: "FAULT" in {hold.code for hold in desk.loop.snapshot().holds})
    assert desk.loop.snapshot().state is State.REDUCING
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            desk.ask(Attempted(START, "U", "bug", True))
        wait_for(lambda: desk.loop.snapshot().state is State.HALTED)
    desk.end()
    (hold,) = [hold for hold in desk.loop.snapshot().holds if hold.code == "FAULT"]
    assert "could not be judged" in hold.note
    held = [row for row in read_records(desk.path) if isinstance(row.message, Guarded)]
    assert [row.message.level for row in held] == [State.REDUCING, State.HALTED], "each level is said once"
    assert replay(read_records(desk.path)).difference is None


def test_a_disk_that_cannot_be_looked_at_ends_nothing(tmp_path, caplog):
    def broken(folder):
        raise OSError("the disk has gone")

    reserve = DiskReserve(tmp_path, low=10**9, kept=1000, free=broken)
    with house(tmp_path, disk=DiskWatch(reserve, every=0.0)) as desk:
        assert desk.ask(Pause(START, "U1", Role.TRADER)).outcomes
        wait_for(lambda: "could not be looked at" in caplog.text)
        assert desk.loop.is_alive


class Unreadable(SqliteLedger):
    """A ledger that cannot be read until told otherwise."""

    unreadable = 0

    def read(self, after=0):
        if self.unreadable:
            self.unreadable -= 1
            raise LedgerError("the ledger could not be read: disk I/O error")
        return super().read(after)


def test_a_rebuild_that_fails_is_tried_again(tmp_path, caplog):
    desk = House(tmp_path, trader=Broken)
    desk.ledger = desk.loop._pen._ledger = desk.loop._restoring._ledger = Unreadable(desk.path)
    desk.begin()
    desk.ask(Pause(START, "U1", Role.TRADER))
    desk.ledger.unreadable = 1
    with pytest.raises(ZeroDivisionError):
        desk.ask(Attempted(START, "U", "bug", True))
    wait_for(lambda: {hold.code for hold in desk.loop.snapshot().holds} == {"PAUSE", "FAULT"})
    assert "tried again" in caplog.text
    desk.end()
    assert replay(read_records(desk.path)).difference is None


class Timeless(Trader):
    """A Trader that once cannot say what falls due."""

    broken = 0

    def next_due(self):
        if type(self).broken:
            type(self).broken -= 1
            raise ZeroDivisionError("planted")
        return super().next_due()


def test_a_bug_in_the_engines_own_turn_does_not_end_it(tmp_path):
    with house(tmp_path, trader=Timeless) as desk:
        Timeless.broken = 1
        wait_for(lambda: {hold.code for hold in desk.loop.snapshot().holds} == {"FAULT"})
        assert desk.ask(Attempted(START, "U", "x", True)).outcomes
    assert replay(read_records(desk.path)).difference is None
