"""The schedule: missed slots are made good once, the next ones come in desk time, whatever the speed."""

import asyncio
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.schedule import Schedule, missed
from engine.clock import ScaledClock
from engine.slots import slot_of
from tests.days.desk import NOW, FakeDesk

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
HOUR = timedelta(hours=1)


async def nothing():
    return None


def schedule_of(desk, last_known, check=nothing):
    return Schedule(desk, LOS_ANGELES, last_known, check, lambda: None)


def keys(desk):
    return [message.key for message in desk.submitted]


async def until(true):
    """Wait for something that a busy machine may do late."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)


@pytest.fixture
async def started():
    running = []

    def start(desk, last_known, check=nothing):
        schedule = schedule_of(desk, last_known, check)
        schedule.start()
        running.append(schedule)
        return schedule

    yield start
    for schedule in running:
        schedule.stop()


def test_a_desk_that_never_ran_has_missed_nothing():
    assert missed(None, NOW, LOS_ANGELES) == []


def test_the_latest_of_each_missed_report_is_made_good_in_order():
    sunday = slot_of("week:2026-11-22", LOS_ANGELES).due
    found = missed(sunday - timedelta(days=2, hours=1), sunday + HOUR, LOS_ANGELES)
    assert [slot.key for slot in found] == ["morning:2026-11-22", "evening:2026-11-22", "week:2026-11-22"]


async def test_at_the_start_a_missed_report_is_submitted_once_with_its_own_due_time(started):
    desk = FakeDesk()
    started(desk, NOW - 2 * HOUR)
    assert keys(desk) == ["evening:2026-11-20"]
    assert desk.submitted[0].due == NOW
    again = FakeDesk()
    started(again, NOW)
    assert keys(again) == []


async def test_a_slot_is_submitted_when_desk_time_reaches_it_and_never_again(started):
    desk = FakeDesk()
    schedule = started(desk, NOW)
    desk.clock.set(slot_of("morning:2026-11-21", LOS_ANGELES).due - timedelta(seconds=1))
    await schedule.reach()
    assert keys(desk) == []
    desk.clock.advance(timedelta(seconds=1))
    await schedule.reach()
    await schedule.reach()
    assert keys(desk) == ["morning:2026-11-21"]


async def test_a_machine_that_slept_through_a_day_submits_every_slot_it_passed(started):
    desk = FakeDesk()
    schedule = started(desk, NOW)
    desk.clock.advance(timedelta(days=2))
    await schedule.reach()
    assert keys(desk) == [
        "morning:2026-11-21",
        "evening:2026-11-21",
        "morning:2026-11-22",
        "evening:2026-11-22",
        "week:2026-11-22",
    ]


async def test_across_a_clock_change_each_report_comes_once(started):
    desk = FakeDesk()
    desk.clock = type(desk.clock)(slot_of("evening:2027-03-13", LOS_ANGELES).due)
    schedule = started(desk, desk.clock.now())
    for _ in range(4 * 24):
        desk.clock.advance(timedelta(minutes=15))
        await schedule.reach()
    assert keys(desk) == ["morning:2027-03-14", "evening:2027-03-14", "week:2027-03-14"]


async def test_a_fast_desk_waits_the_real_difference_divided_by_its_speed(started):
    due = slot_of("morning:2026-11-21", LOS_ANGELES).due
    desk = FakeDesk()
    desk.clock = ScaledClock(due - timedelta(seconds=60), 600.0)  # due in a tenth of a real second
    started(desk, desk.clock.now())
    assert keys(desk) == []
    await until(lambda: keys(desk))
    assert keys(desk) == ["morning:2026-11-21"]


async def test_after_a_slot_the_wait_for_the_next_begins(started):
    start = slot_of("morning:2026-11-21", LOS_ANGELES).due - timedelta(minutes=10)
    desk = FakeDesk()
    desk.clock = ScaledClock(start, 200_000.0)  # twelve hours in about a fifth of a second
    started(desk, start)
    await until(lambda: len(keys(desk)) >= 2)
    assert keys(desk)[:2] == ["morning:2026-11-21", "evening:2026-11-21"]


async def test_the_slot_that_should_be_on_record_is_known_even_if_the_schedule_did_nothing(started):
    desk = FakeDesk()
    schedule = started(desk, NOW - 2 * HOUR)
    assert schedule.last_slot.key == "evening:2026-11-20"
    desk.clock.advance(timedelta(hours=13))
    assert keys(desk) == ["evening:2026-11-20"]
    assert schedule.last_slot.key == "morning:2026-11-21"


async def test_a_job_that_the_end_of_the_desk_interrupts_is_no_error(caplog):
    begun = asyncio.Event()

    async def long_look() -> None:
        begun.set()
        await asyncio.sleep(3600)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bot.schedule.health.CHECK_EVERY", 0.01)
        schedule = Schedule(FakeDesk(), LOS_ANGELES, None, long_look, lambda: None)
        schedule.start()
        await asyncio.wait_for(begun.wait(), 10)
        schedule.stop()
        await asyncio.sleep(0.05)
    assert not [line for line in caplog.records if line.levelname == "ERROR"]
