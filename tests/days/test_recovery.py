"""The hourly look: what is stuck begins again and is said, what is well is left alone, nothing stops the next look."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from bot import schedule as scheduling
from bot.checkup import broker_facts
from bot.schedule import Schedule
from engine import recovery as room
from engine.analyst import Analyst
from engine.brokers.gateway import Gateway
from engine.clock import SystemClock
from engine.domain import MarketKind, State
from engine.health import judge
from engine.inbox import Inbox, QuoteBoard
from engine.market.kraken import KrakenFeed
from engine.messages import Analysis, Guarded, Minute
from engine.parts import FEED, parts_of
from engine.playbook import load
from engine.ports import FeedStatus
from engine.recovery import Part, Recovery
from engine.storage import Storage
from engine.store.ledger import SqliteLedger
from engine.supply import Supply
from engine.tasks import Tasks
from engine.warming import missed
from engine.watch import CLEAR_AFTER, RAISE_AFTER, Watch
from tests.days.desk import NOW, FakeDesk
from tests.days.test_health import WELL
from tests.desk.test_the_gateway import Venue, order, record
from tests.market.sink import until
from tests.servers.kraken import KrakenServer
from tests.strategies.test_analyst import falling, history, minute

MINUTE = timedelta(minutes=1)
DIED = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


def looking(*parts, every=3600.0):
    return Recovery(lambda: parts, FakeDesk().clock, every)


class Stuck:
    """A part that is stuck until it begins again, or for good."""

    def __init__(self, name="healer", failing=None):
        self.begun, self.why, self._failing = 0, "it ended", failing
        self.part = Part(name, lambda: self.why, self.again)

    async def again(self):
        self.begun += 1
        if self._failing is not None:
            raise self._failing
        self.why = ""


async def test_what_is_stuck_begins_again_once_and_what_is_well_is_left_alone():
    one, well = Stuck(), Stuck("well")
    well.why = ""
    look = looking(one.part, well.part)
    assert [found.part for found in await look.look()] == ["healer"]
    assert await look.look() == []
    assert (one.begun, well.begun) == (1, 0)
    assert look.status().acts == 1


async def test_a_part_that_cannot_begin_again_is_named_and_the_others_are_looked_at():
    bad, good = Stuck("bad", KeyError("x")), Stuck("good")
    hopeless = Part("old", lambda: "it hangs")
    look = looking(bad.part, hopeless, good.part)
    failed = {found.part: found.failed for found in await look.look()}
    assert failed["bad"] == "it cannot be started again (KeyError: 'x')"
    assert "only a new start" in failed["old"]
    assert failed["good"] == ""
    assert good.begun == 1


async def test_a_part_that_takes_for_ever_to_begin_does_not_hold_up_the_look(monkeypatch):
    monkeypatch.setattr(room, "AGAIN_WITHIN", 0.02)
    slow = Part("slow", lambda: "it ended", lambda: asyncio.sleep(3600))
    assert [found.failed != "" for found in await looking(slow).look()] == [True]


async def test_health_says_what_was_found_until_the_next_look_finds_nothing_and_the_alarm_goes_with_it():
    one = Stuck()
    look = looking(one.part)
    watch = Watch()

    def seen(times):
        facts = replace(WELL, recovered=look.status())
        for _ in range(times):
            watch.see(judge(facts), NOW)
        return next(item for item in judge(facts) if item.name == "recovery")

    assert "first look" in seen(1).sentence
    await look.look()
    assert "healer, it ended; started again." in seen(RAISE_AFTER).sentence
    assert [alarm.key for alarm in watch.alarms()] == ["recovery"]
    await look.look()
    assert seen(CLEAR_AFTER).sentence.startswith("Nothing is stuck")
    assert watch.alarms() == ()


async def test_a_part_that_cannot_even_be_looked_at_is_named_and_the_others_are_looked_at():
    def unknown():
        raise KeyError("status")

    good = Stuck("good")
    look = looking(Part("odd", unknown), good.part)
    found = {one.part: one.failed for one in await look.look()}
    assert found == {"odd": "it cannot be looked at (KeyError: 'status')", "good": ""}


async def test_where_the_parts_cannot_be_told_health_says_so_and_looks_go_on():
    told = iter([KeyError("jobs"), None])

    def parts():
        if (error := next(told)) is not None:
            raise error
        return ()

    look = Recovery(parts, FakeDesk().clock, 3600.0)
    await look.look()
    assert "the parts cannot be told (KeyError: 'jobs')" in look.status().sentence
    await look.look()
    assert look.status().well


async def test_what_is_urgent_is_looked_at_between_and_what_that_found_is_told_until_the_next_look_at_all(monkeypatch):
    monkeypatch.setattr(room, "URGENT_EVERY", 0.01)
    slow, one = Stuck("healer"), Stuck("gateway")
    urgent = Part("gateway", lambda: one.why, one.again, urgent=True)
    look = looking(slow.part, urgent)
    running = asyncio.create_task(look.run())
    await until(lambda: one.begun == 1)
    await asyncio.sleep(0.05)
    assert (one.begun, slow.begun) == (1, 0)
    told = look.status()
    assert "gateway, it ended; started again." in told.sentence
    assert (told.well, told.acts) == (False, 1)
    running.cancel()
    assert [found.part for found in await look.look()] == ["healer"]
    assert look.status().acts == 2
    assert "gateway" not in look.status().sentence


async def test_the_hourly_look_comes_at_its_time_between_the_urgent_ones(monkeypatch):
    monkeypatch.setattr(room, "URGENT_EVERY", 0.01)
    slow = Stuck("healer")
    look = looking(slow.part, every=0.05)
    running = asyncio.create_task(look.run())
    await until(lambda: slow.begun == 1)
    running.cancel()
    assert look.status().acts == 1


def test_the_broker_is_down_while_no_order_leaves():
    desk = FakeDesk()
    desk.notice, desk.gateway_trouble = "", lambda: "its thread ended"
    assert broker_facts(desk) == (False, "orders wait in the gateway, its thread ended")
    desk.gateway_trouble = str
    assert broker_facts(desk)[0]


async def test_health_says_when_nobody_looks_any_more(monkeypatch):
    look = looking(every=3600.0)
    now = room.monotonic()
    monkeypatch.setattr(room, "monotonic", lambda: now + 3 * 3600)
    assert not look.status().well
    assert "Nobody has looked" in look.status().sentence


async def test_kept_work_that_came_to_its_end_is_said_noticed_and_begins_again(caplog):
    tasks, runs = Tasks(), []

    async def work():
        runs.append(1)
        if len(runs) > 1:
            await asyncio.sleep(3600)

    async def short():
        pass

    tasks.begin("a task that may end", short)
    tasks.keep("healer", work)
    await asyncio.sleep(0)
    await until(lambda: tasks.trouble("healer") != "")
    assert tasks.trouble("healer") == "it ended"
    assert "healer came to its end" in caplog.text
    assert [(one.part, one.failed) for one in await looking(*tasks.parts()).look()] == [("healer", "")]
    await until(lambda: len(runs) == 2)
    assert tasks.trouble("healer") == ""
    caplog.clear()
    await tasks.stop()
    assert caplog.text == "", "the desk's own end is none"


async def test_a_task_that_broke_says_of_what():
    tasks = Tasks()

    async def work():
        raise KeyError("first")

    tasks.begin(FEED, work)
    await until(lambda: tasks.trouble(FEED) != "")
    assert tasks.trouble(FEED) == "it ended with KeyError: 'first'"


# ------------------------------------------------------------ the scheduler's jobs


@pytest.fixture
async def schedule(monkeypatch):
    """A schedule whose health check hangs at its first time, in a world where a job is stuck soon."""
    monkeypatch.setattr(scheduling, "STUCK_AFTER", 0.1)
    monkeypatch.setattr(scheduling.health, "CHECK_EVERY", 0.03)
    looks = []

    async def check():
        looks.append(1)
        if len(looks) == 1:
            await asyncio.sleep(3600)

    made = Schedule(FakeDesk(), ZoneInfo("UTC"), None, check, lambda: None)
    made.looks = looks
    made.start()
    yield made
    made.stop()


def health_of(schedule):
    return next(part for part in schedule.parts() if part.name == "job health")


async def test_a_job_that_hangs_is_ended_and_comes_again(schedule):
    part = health_of(schedule)
    await until(lambda: "at work" in part.trouble())
    assert len(schedule.looks) == 1
    assert [found.failed for found in await looking(part).look()] == [""]
    await until(lambda: len(schedule.looks) >= 3)
    assert health_of(schedule).trouble() == ""


async def test_a_scheduler_that_stopped_is_noticed_by_what_never_came_and_starts_again(schedule):
    schedule._scheduler.remove_job("health")
    schedule._beats["health"].task = None
    schedule._beats["health"].moved -= 1
    schedule.looks.append(1)
    assert "has not run" in health_of(schedule).trouble()
    before = len(schedule.looks)
    await looking(health_of(schedule)).look()
    await until(lambda: len(schedule.looks) > before)


# ------------------------------------------------------------ the desk's own parts


@DIED
async def test_a_gateway_that_died_asks_for_the_order_it_had_in_hand_and_sends_the_next():
    venue, answers = Venue(), []
    place, died = venue.place, []

    def once(item):
        answer = place(item)
        if not died:
            died.append(1)
            raise KeyError("a bug after the venue took it")
        return answer

    venue.place = once
    door = Gateway(venue, answers.append, lambda: NOW)
    door.start()
    first, second = (order(leg, purpose="stop", action="sell", consent=None) for leg in (0, 1))
    door.on_record(record())
    for one in (first, second):
        door._waiting.put((one, False))
    await until(lambda: door.trouble() != "")
    await looking(Part("gateway", door.trouble, lambda: asyncio.to_thread(door.revive))).look()
    await until(lambda: len(answers) == 2)
    door.stop()
    assert sorted(venue.placed) == sorted([first.client_id, second.client_id]), "each once: the first was asked for"
    assert door.trouble() == ""


class Feed:
    """A live feed at the edge: its first `run` breaks, the next deliver what was missed meanwhile from history."""

    name, kind, has_prints = "fake", MarketKind.LIVE, True

    def __init__(self, past):
        self.clock, self.past, self.runs, self.sink = SystemClock(), past, 0, None

    async def prepare(self, symbols):
        return dict.fromkeys(symbols)

    async def warm_up(self, symbols, minutes):
        return {"BTC/USD": self.past}

    async def run(self, sink):
        self.runs, self.sink = self.runs + 1, sink
        if self.runs == 1:
            raise TypeError("a frame like no other")
        await asyncio.sleep(3600)

    def status(self):
        return FeedStatus(self.name, self.runs > 1, "")

    async def close(self):
        pass


@pytest.fixture
def supplied(tmp_path):
    """A function that builds the market side of a desk around a feed, with the parts to look at."""
    stops = []

    def build(feed):
        tasks, inbox = Tasks(), Inbox(feed.clock, QuoteBoard())

        async def found(_):
            pass

        supply = Supply(feed, inbox, load("ema"), ("BTC/USD",), found, lambda history: None)
        ledger = SqliteLedger(tmp_path / "ledger.sqlite")
        storage = Storage(tmp_path, "postgresql://nobody@127.0.0.1:9/none", ledger, lambda sentence: None)
        gateway = Gateway(Venue(), inbox.submit, feed.clock.now)
        supply.start()
        gateway.start()
        stops.extend((supply.stop, gateway.stop))
        return (
            tasks,
            supply,
            inbox,
            lambda: parts_of(tasks, supply, storage, Part("gateway", gateway.trouble)),
        )

    yield build
    for stop in stops:
        stop()


def said(inbox, kind):
    found = []
    while (entry := inbox.take(0)) is not None:
        found.append(entry.message)
    return [one for one in found if isinstance(one, kind)]


async def test_a_feed_that_broke_runs_again_with_what_was_missed_and_its_first_minute_lifts_its_hold(supplied):
    past = history([100.0] * 30)
    feed = Feed(past)
    tasks, supply, inbox, parts = supplied(feed)
    tasks.begin(FEED, lambda: supply.run(True, None))
    await until(lambda: supply.broken != "")
    supply.last = missed({"BTC/USD": past}, NOW - timedelta(days=9999))[-4].at
    urgent = {one.name for one in parts() if one.urgent}
    assert urgent >= {"database"}, "what orders and the ledger's copy wait for"
    found = await looking(*parts()).look()
    assert [(one.part, one.failed) for one in found] == [("feed", "")]
    await until(lambda: feed.runs == 2)
    messages = said(inbox, (Guarded, Minute))
    (held,) = [one for one in messages if isinstance(one, Guarded)]
    assert (held.code, held.active) == ("FEED", True)
    assert "started again at the next look" in held.note
    late = [one for one in messages if isinstance(one, Minute)]
    assert len(late) == 3
    assert all(one.caught_up for one in late), "they mark missed exits, and open nothing"
    for one in late:
        supply.analyse(record_of(one))
    assert said(inbox, Guarded) == [], "the past is no price, nor is a task that began"
    supply.analyse(record_of(minute(1, 100.0)))
    assert [(one.code, one.active) for one in said(inbox, Guarded)] == [("FEED", False)]
    supply.analyse(record_of(minute(2, 100.0)))
    assert said(inbox, Guarded) == []
    assert await looking(*parts()).look() == []
    await tasks.stop()


async def test_a_feed_that_is_up_and_silent_is_subscribed_anew(supplied, monkeypatch):
    async with KrakenServer(["BTC/USD"]) as venue:
        feed = KrakenFeed(SystemClock(), ws_url=venue.ws_url, rest_url=venue.rest_url)
        tasks, supply, inbox, parts = supplied(feed)
        await feed.prepare(["BTC/USD"])
        tasks.begin(FEED, lambda: supply.run(True, None))
        await until(lambda: feed.status().up and feed.status().symbols)
        assert await looking(*parts()).look() == []
        monkeypatch.setattr("engine.supply.PRICES_SILENT", timedelta(seconds=0.3))
        await until(lambda: supply.feed_trouble() != "")
        asked = len(venue.requests)
        assert [one.part for one in await looking(*parts()).look()] == ["feed"]
        monkeypatch.setattr("engine.supply.PRICES_SILENT", timedelta(seconds=30))
        await until(lambda: len(venue.requests) > asked and feed.status().up)
        await venue.trade_at_its_price("BTC/USD")
        await until(lambda: inbox.quotes.get("BTC/USD") is not None)
        assert supply.feed_trouble() == ""
        monkeypatch.setattr("engine.supply.MINUTES_SILENT", -1.0)
        assert "closed no minute" in supply.feed_trouble()
        await tasks.stop()


async def test_an_analyst_that_died_answers_again_as_one_that_saw_it_all(supplied):
    closes = falling(80)
    minutes = [minute(number, close) for number, close in enumerate(closes)]
    _, supply, inbox, parts = supplied(Feed(history([1.0])))
    bad = Minute(minutes[69].at, ("BTC/USD",), (), (), (), (), (), ())
    for one in (*minutes[:69], bad):
        supply.analyse(record_of(one))
    await until(lambda: supply.analyst_trouble() != "", 30)
    (found,) = await looking(*parts()).look()
    assert (found.part, found.failed) == ("analyst", "its keeper starts it again after a pause")
    assert supply.analyst_trouble() == found.why, "the hourly look does not cut its pause short"
    await supply.renew_analyst(lambda: minutes[:70])
    for one in minutes[70:]:
        supply.analyse(record_of(one))
    whole = Analyst(load("ema"), ("BTC/USD",))
    expected = [whole.on(one) for one in minutes][70:]
    answers = []

    def answered():
        answers.extend(said(inbox, (Analysis, Guarded)))
        return len([one for one in answers if isinstance(one, Analysis) and one.minute > minutes[69].at]) == 10

    await until(answered, 30)
    fresh = [one for one in answers if isinstance(one, Analysis) and one.minute > minutes[69].at]
    assert [(one.minute, one.signals, one.steps) for one in fresh] == [
        (one.minute, one.signals, one.steps) for one in expected
    ]
    holds = [(one.code, one.level, one.active) for one in answers if isinstance(one, Guarded)]
    assert holds == [("ANALYST", State.REDUCING, True), ("ANALYST", State.REDUCING, False)]


def record_of(message):
    return replace(record(), at=message.at, message=message)
