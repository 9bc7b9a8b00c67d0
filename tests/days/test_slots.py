"""Report slots: local days of 23, 24 and 25 hours, each slot exactly once."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.slots import SlotKeyError, local_instant, next_slot, slot_of, slots

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
BERLIN = ZoneInfo("Europe/Berlin")
SAMOA = ZoneInfo("Pacific/Apia")


def keys(start: datetime, end: datetime, zone: ZoneInfo) -> list[str]:
    return [slot.key for slot in slots(start, end, zone)]


def test_a_week_has_seven_mornings_seven_evenings_and_one_week():
    start = datetime(2026, 11, 16, 12, tzinfo=UTC)
    found = keys(start, start + timedelta(days=7), LOS_ANGELES)
    assert len(found) == len(set(found)) == 15
    assert [key.split(":")[0] for key in found].count("week") == 1


def test_sunday_evening_posts_the_day_and_then_the_week():
    start = datetime(2026, 11, 22, 16, tzinfo=UTC)
    assert keys(start, start + timedelta(hours=20), LOS_ANGELES) == ["evening:2026-11-22", "week:2026-11-22"]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (LOS_ANGELES, date(2026, 3, 8), 23),
        (LOS_ANGELES, date(2026, 11, 1), 25),
        (BERLIN, date(2026, 3, 29), 23),
        (BERLIN, date(2026, 10, 25), 25),
        (BERLIN, date(2026, 7, 1), 24),
    ],
)
def test_an_evening_covers_nineteen_to_nineteen_however_long_that_day_was(zone, day, hours):
    evening = slot_of(f"evening:{day.isoformat()}", zone)
    assert evening.covers_to == evening.due
    assert evening.covers_to - evening.covers_from == timedelta(hours=hours)
    assert {at.astimezone(zone).hour for at in (evening.covers_from, evening.covers_to)} == {19}


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 8), 11), (date(2026, 11, 1), 13), (date(2026, 6, 1), 12)])
def test_a_morning_covers_twelve_hours_of_the_wall_clock(day, hours):
    morning = slot_of(f"morning:{day.isoformat()}", LOS_ANGELES)
    assert morning.due.astimezone(LOS_ANGELES).hour == 7
    assert morning.due - morning.covers_from == timedelta(hours=hours)


def test_the_week_runs_from_sunday_to_sunday_across_a_clock_change():
    week = slot_of("week:2026-03-08", LOS_ANGELES)
    assert week.covers_to - week.covers_from == timedelta(days=7) - timedelta(hours=1)


def test_a_local_time_that_does_not_exist_runs_at_the_next_that_does():
    assert local_instant(date(2026, 3, 8), time(2, 30), LOS_ANGELES) == datetime(2026, 3, 8, 10, tzinfo=UTC)
    assert local_instant(date(2026, 3, 29), time(2, 15), BERLIN) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    skipped_day = local_instant(date(2011, 12, 30), time(7), SAMOA)
    assert skipped_day.astimezone(SAMOA).replace(tzinfo=None) == datetime(2011, 12, 31)  # noqa: DTZ001


def test_a_local_time_that_comes_twice_runs_the_first_time():
    assert local_instant(date(2026, 11, 1), time(1, 30), LOS_ANGELES) == datetime(2026, 11, 1, 8, 30, tzinfo=UTC)


@given(
    start=st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    steps=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    zone=st.sampled_from([LOS_ANGELES, BERLIN, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("UTC")]),
)
def test_however_time_is_cut_each_slot_comes_exactly_once(start, steps, zone):
    cuts = [start]
    for hours in steps:
        cuts.append(cuts[-1] + timedelta(hours=hours))
    pieces = [slot for a, b in itertools.pairwise(cuts) for slot in slots(a, b, zone)]
    assert pieces == slots(cuts[0], cuts[-1], zone)
    assert all(slot_of(slot.key, zone) == slot for slot in pieces)


def test_the_next_slot_is_strictly_after_the_asked_instant():
    due = slot_of("morning:2026-11-20", BERLIN).due
    assert next_slot(due, BERLIN).key == "evening:2026-11-20"
    assert next_slot(due - timedelta(microseconds=1), BERLIN).key == "morning:2026-11-20"


@pytest.mark.parametrize("key", ["noon:2026-11-20", "morning:20th", "morning"])
def test_a_wrong_key_is_refused_with_its_value(key):
    with pytest.raises(SlotKeyError, match=key):
        slot_of(key, BERLIN)
