"""Readings and alarms: each subject, @channel after ten silent minutes, escalation, recovery."""

import json
import stat
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.checkup import Unread
from engine.domain import Alarm
from engine.health import Facts, ModelFacts, judge, worst
from engine.vitals import LoopLag, disk_free, health_status, resident_bytes, write_health
from engine.watch import CLEAR_AFTER, Watch
from tests.days.desk import NOW, snapshot

WELL = Facts(
    now=NOW,
    started=NOW - timedelta(hours=1),
    feed="kraken",
    feed_up=True,
    last_data=NOW - timedelta(seconds=1),
    held={"BTC/USD": NOW},
    database_up=True,
    database_behind=timedelta(seconds=1),
    posts_waiting=0,
    slack_up=True,
    latency_p99_ms=5.0,
    engine_alive=True,
    oldest_message=timedelta(0),
    inbox_depth=0,
    loop_lag_ms=1.0,
    disk_free=10**11,
    memory=2 * 10**8,
    misfires=0,
    broker_up=True,
    models=ModelFacts("direction", "v1", "v1"),
    report_due=NOW - timedelta(hours=1),
    report_key="evening:2026-11-20",
    report_done=True,
    clock_skew=timedelta(milliseconds=20),
)


def reading(facts, name):
    return next(item for item in judge(facts) if item.name == name)


def minutes(count):
    return timedelta(minutes=count)


def test_a_well_desk_has_only_good_readings():
    assert worst(judge(WELL)) == "ok"
    assert len({item.name for item in judge(WELL)}) == len(judge(WELL)) >= 14


@pytest.mark.parametrize(
    ("change", "name", "status"),
    [
        ({"engine_alive": False}, "engine", "critical"),
        ({"oldest_message": timedelta(seconds=11)}, "engine", "critical"),
        ({"rows_unread": 40, "unread_for": minutes(3)}, "delivery", "warning"),
        ({"rows_unread": 40, "unread_for": minutes(11)}, "delivery", "critical"),
        ({"outbox_trouble": "the outbox file cannot be read (disk I/O error)"}, "outbox", "critical"),
        ({"last_data": NOW - minutes(3)}, "data flow", "warning"),
        ({"last_data": NOW - minutes(10)}, "data flow", "critical"),
        ({"last_data": None}, "data flow", "critical"),
        ({"feed_up": False, "feed_detail": "connection refused"}, "data flow", "warning"),
        ({"held": {"BTC/USD": NOW - minutes(2)}}, "prices", "critical"),
        ({"held": {"BTC/USD": None}}, "prices", "critical"),
        ({"jumps": {"BTC/USD": -0.6}}, "price sanity", "warning"),
        ({"database_up": False}, "database", "warning"),
        ({"database_up": False, "database_behind": minutes(11)}, "database", "critical"),
        ({"database_behind": minutes(2)}, "database", "warning"),
        ({"slack_up": False}, "slack", "warning"),
        ({"posts_waiting": 3, "oldest_post": minutes(3)}, "outbox", "warning"),
        ({"posts_waiting": 3, "oldest_post": minutes(11)}, "outbox", "critical"),
        ({"second_path": "the webhook answered 500"}, "second path", "warning"),
        ({"latency_p99_ms": 60.0}, "ledger", "warning"),
        ({"inbox_depth": 2_000}, "inbox", "warning"),
        ({"inbox_depth": 30_000}, "inbox", "critical"),
        ({"loop_lag_ms": 900.0}, "event loop", "warning"),
        ({"disk_free": 10**9}, "disk", "warning"),
        ({"disk_free": 10**8}, "disk", "critical"),
        ({"memory": 6 * 10**8}, "memory", "warning"),
        ({"clock_skew": timedelta(seconds=-40)}, "clock", "critical"),
        ({"misfires": 1}, "scheduler", "warning"),
        ({"broker_up": False}, "broker", "critical"),
        ({"report_done": False}, "report", "critical"),
    ],
)
def test_each_trouble_is_seen_and_nothing_else(change, name, status):
    bad = {item.name: item.status for item in judge(replace(WELL, **change)) if item.status != "ok"}
    assert bad == {name: status}


def test_only_ten_minutes_without_data_may_call_everyone():
    assert reading(replace(WELL, last_data=NOW - minutes(10)), "data flow").mention
    assert not reading(replace(WELL, last_data=NOW - minutes(9)), "data flow").mention
    troubled = replace(WELL, held={"BTC/USD": None}, disk_free=1, broker_up=False, report_done=False)
    assert not any(item.mention for item in judge(troubled))


def test_silence_is_measured_in_desk_time_that_runs_faster():
    fast = replace(WELL, speed=60.0, last_data=NOW - minutes(60), held={"BTC/USD": NOW - minutes(30)})
    assert worst(judge(fast)) == "ok"
    assert reading(replace(fast, last_data=NOW - minutes(600)), "data flow").status == "critical"


def test_what_was_not_measured_is_not_spoken_of():
    names = {item.name for item in judge(Facts(now=NOW))}
    assert not names & {"database", "slack", "disk", "broker", "report", "data flow"}


# ------------------------------------------------------------ the watch


def checks(watch, facts, count=1, every=timedelta(seconds=10), start=NOW):
    """Show the same facts `count` times; what each check said."""
    return [watch.see(judge(facts), start + every * index) for index in range(count)]


def test_a_warning_needs_two_checks_and_a_critical_one():
    assert [bool(said) for said in checks(Watch(), replace(WELL, database_up=False), 4)] == [False, True, False, False]
    (alarms,) = checks(Watch(), replace(WELL, broker_up=False))
    assert [(alarm.key, alarm.level) for alarm in alarms] == [("broker", "critical")]


def test_a_busy_minute_of_the_machine_is_no_alarm_but_a_lasting_one_is():
    said = checks(Watch(), replace(WELL, latency_p99_ms=5_000.0), 7)
    assert [bool(alarms) for alarms in said] == [False] * 5 + [True, False]


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_a_slow_ledger_is_said_at_once_and_alarms_only_when_the_start_is_over(speed):
    slow = replace(WELL, latency_p99_ms=266.0, speed=speed)
    young = reading(replace(slow, started=NOW - minutes(4) * speed), "ledger")
    later = reading(replace(slow, started=NOW - minutes(6) * speed), "ledger")
    assert (young.status, later.status) == ("ok", "warning")
    assert "more than 50 ms is slow: the start is not over" in young.sentence
    assert "more than 50 ms is slow: this machine is busy, or its disk is slow" in later.sentence


def test_positions_without_prices_are_read_here_and_told_by_the_trader():
    facts = replace(WELL, held={"BTC/USD": NOW - minutes(5)})
    assert worst(judge(facts)) == "critical"
    assert checks(Watch(), facts, 5) == [None] * 5


def test_a_position_whose_prices_have_not_come_yet_gets_a_minute_from_the_start():
    fresh = replace(WELL, held={"BTC/USD": None}, started=NOW - timedelta(seconds=50))
    assert reading(fresh, "prices").status == "ok"


def test_an_alarm_clears_by_itself_after_three_good_checks():
    watch = Watch()
    checks(watch, replace(WELL, broker_up=False))
    said = checks(watch, WELL, CLEAR_AFTER, start=NOW + minutes(1))
    assert said == [None, None, ()]


def test_a_flapping_trouble_is_one_alarm():
    watch = Watch()
    checks(watch, replace(WELL, broker_up=False))
    for turn in range(10):
        facts = replace(WELL, broker_up=turn % 2 == 0)
        assert checks(watch, facts, start=NOW + timedelta(seconds=10 * turn)) == [None]
    assert len(watch.alarms()) == 1


def test_a_growing_silence_escalates_and_then_calls_everyone():
    watch = Watch()
    checks(watch, replace(WELL, last_data=NOW - minutes(3)), 2)
    (alarms,) = checks(watch, replace(WELL, last_data=NOW - minutes(12)), start=NOW + minutes(9))
    assert [(one.level, one.mention, one.count, one.since) for one in alarms] == [
        ("critical", True, 2, NOW + timedelta(seconds=10))
    ]


def test_a_warning_that_stands_half_an_hour_becomes_critical():
    watch = Watch()
    facts = replace(WELL, database_up=False)
    checks(watch, facts, 2)
    assert checks(watch, facts, start=NOW + minutes(29)) == [None]
    (alarms,) = checks(watch, facts, start=NOW + minutes(31))
    assert alarms[0].level == "critical"


def test_a_standing_alarm_is_counted_once_an_hour_and_not_posted_as_new():
    watch = Watch()
    facts = replace(WELL, broker_up=False)
    said = checks(watch, facts, 360 * 2 + 2)
    news = [alarms for alarms in said if alarms is not None]
    assert [alarms[0].count for alarms in news] == [1, 2, 3]
    assert {alarms[0].since for alarms in news} == {NOW}


def test_alarms_of_the_run_before_can_clear():
    old = Alarm("broker", "critical", "The broker does not answer.", NOW - minutes(9))
    watch = Watch.resumed([old], 1.0)
    assert checks(watch, WELL, CLEAR_AFTER)[-1] == ()


# ------------------------------------------------------------ the machine


def test_the_health_file_is_whole_and_readable_by_everyone(tmp_path):
    alarm = Alarm("broker", "critical", "The broker does not answer.", NOW)
    path = write_health(tmp_path, health_status(snapshot(), judge(replace(WELL, broker_up=False)), [alarm]))
    told = json.loads(path.read_text())
    assert (told["status"], told["state"], told["seq"]) == ("critical", "ACTIVE", 4711)
    assert told["alarms"][0]["since"] == NOW.isoformat()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [item.name for item in tmp_path.iterdir()] == ["health_status.json"]


async def test_a_blocked_event_loop_shows_as_lag():
    import asyncio
    import time

    lag = LoopLag(every=0.01)
    task = asyncio.create_task(lag.watch())
    await asyncio.sleep(0.02)
    time.sleep(0.1)
    await asyncio.sleep(0.03)
    task.cancel()
    assert lag.take_ms() > 50
    assert lag.take_ms() == 0


def test_the_machine_is_measured(tmp_path):
    assert resident_bytes() > 10**6
    assert disk_free(tmp_path) > 0


def test_a_post_that_waits_says_why_and_one_given_up_is_not_forgotten():
    waiting = replace(WELL, posts_waiting=2, oldest_post=minutes(1), post_detail="account_inactive", posts_failed=1)
    assert "(account_inactive)" in reading(waiting, "outbox").sentence
    assert "1 message so far" in reading(waiting, "outbox").sentence


def test_nobody_says_that_everything_is_delivered_while_the_ledger_is_not_read():
    assert reading(replace(WELL, rows_unread=3), "outbox").sentence == "Every message is delivered."
    behind = replace(WELL, rows_unread=40, unread_for=timedelta(seconds=30))
    assert "Every message" not in reading(behind, "outbox").sentence
    assert "last 40 rows for 30 s" in reading(behind, "delivery").sentence


def test_what_delivery_has_not_read_grows_old_until_it_is_read(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("engine.clock.monotonic", lambda: now[0])
    unread = Unread()
    ages = []
    for head, read in ((5, 5), (9, 5), (12, 5), (14, 11)):
        now[0] += 10
        ages.append(unread.see(head, read).total_seconds())
    assert ages == [0, 0, 10, 0]
