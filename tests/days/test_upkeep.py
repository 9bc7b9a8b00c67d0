"""Maintenance by the clock: when it is due, what was missed, once a slot; and how people see it."""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from bot import upkeep as room
from bot.cards import render_post
from bot.checkup import Checkup
from bot.jobs import Jobs
from bot.posts import announce
from bot.render import Words
from bot.slack_limits import check_message
from bot.upkeep import Upkeep, maintain_plan, maintenance_times
from engine.clock import ManualClock
from engine.health import Facts, judge
from engine.maintenance.account import Account, keep
from engine.messages import JobEnded, JobStarted, Stopped
from engine.outcomes import JobClosed, JobOpened
from engine.playbook import PlaybookError, load, parse
from tests.days.desk import NOW
from tests.days.desk import snapshot as shot
from tests.models.test_retraining import Desk as Training

SUNDAY = datetime(2026, 3, 8, 2, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DOES = """
import json, sys
from datetime import datetime
from pathlib import Path
asked = dict(zip(sys.argv[2::1], sys.argv[3::1]))
account = {"at": "2026-03-08T02:00:05+00:00", "slot": asked.get("--slot", "")}
Path(asked["--data-dir"], "maintenance.json").write_text(json.dumps(account))
print(json.dumps({"result": {"fate": "done", "removed": {}}}))
"""
GOOD = (sys.executable, "-c", DOES)
KILLED = (sys.executable, "-c", "import os; os._exit(9)")


class Desk(Training):
    def __init__(self, folder, now=SUNDAY + HOUR, text=None):
        super().__init__(folder, text or load("trend"))
        self.clock = ManualClock(now)


async def looked(desk, born, command=GOOD, times=3):
    """Start `Upkeep` anew, look a few times, and wait for what began; the slots that were asked for."""
    jobs = Jobs(desk, lambda subject, data: None, command)
    upkeep = Upkeep(desk, jobs, born)
    for _ in range(times):
        await upkeep.reach()
        async with asyncio.timeout(20):
            while jobs.running is not None:
                await asyncio.sleep(0.02)
    await jobs.close()
    return [one.text for one in desk.of(JobStarted)]


def test_the_playbook_says_when_and_how_often():
    trend, ema = load("trend").schedule, load("ema").schedule
    assert (trend.maintenance.at, trend.maintenance.zone, trend.maintenance.day) == ("02:00", "utc", "sunday")
    assert trend == ema, "what is left out is the same for every desk"
    assert trend.recovery == HOUR
    daily = parse(load("ema").text.replace("day: sunday", "day: every").replace("zone: utc", "zone: desk"))
    assert daily.hash == load("ema").hash, "it decides nothing about trades"
    desk = SimpleNamespace(playbook=daily, terms=SimpleNamespace(timezone="America/Los_Angeles"))
    due = maintenance_times(desk, SUNDAY, SUNDAY + 2 * DAY)
    assert due == [SUNDAY + 8 * HOUR, SUNDAY + DAY + 7 * HOUR], "clocks go forward that night"
    with pytest.raises(PlaybookError, match="every 5 min to 24 h"):
        parse(load("ema").text.replace("recovery: 1h", "recovery: 10s"))


async def test_a_slot_begins_one_maintenance_however_often_one_looks_and_restarts(tmp_path):
    desk = Desk(tmp_path)
    assert await looked(desk, SUNDAY - DAY) == ["of 2026-03-08 02:00 UTC"]
    assert {one.by for one in desk.of(JobStarted)} == {"rule:maintenance"}
    assert [one.fate for one in desk.of(JobEnded)] == ["done"]
    assert await looked(Desk(tmp_path), SUNDAY - DAY) == []
    later = Desk(tmp_path, SUNDAY + 7 * DAY)
    assert await looked(later, SUNDAY - DAY) == ["of 2026-03-15 02:00 UTC"]


async def test_one_that_was_killed_half_way_is_begun_again_at_the_next_start_and_not_at_once(tmp_path):
    assert len(await looked(Desk(tmp_path), SUNDAY - DAY, KILLED)) == 1
    assert len(await looked(Desk(tmp_path), SUNDAY - DAY)) == 1
    assert await looked(Desk(tmp_path), SUNDAY - DAY) == []


async def test_one_that_was_killed_is_begun_again_an_hour_later_and_three_times_in_all(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(room, "APART", 0.0)
    desk = Desk(tmp_path)
    assert len(await looked(desk, SUNDAY - DAY, KILLED, times=6)) == 3
    assert len([one for one in caplog.records if "given up" in one.message]) == 1
    assert len(await looked(Desk(tmp_path), SUNDAY - DAY, times=6)) == 1, "and once it came to its end, no more"


async def test_one_that_a_person_cancelled_is_not_begun_again(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "APART", 0.0)
    desk = Desk(tmp_path)
    jobs = Jobs(desk, lambda subject, data: None, (sys.executable, "-c", "import sys; sys.stdin.read()"))
    upkeep = Upkeep(desk, jobs, SUNDAY - DAY)
    await upkeep.reach()
    assert jobs.cancel(jobs.running.job, "U_ADMIN")
    async with asyncio.timeout(20):
        while jobs.running is not None:
            await asyncio.sleep(0.02)
    await upkeep.reach()
    assert len(desk.of(JobStarted)) == 1


@pytest.mark.parametrize(("late", "begun"), [(timedelta(hours=23), 1), (timedelta(hours=25), 0)])
async def test_what_was_missed_is_made_good_within_a_day_and_else_waits_for_the_next(tmp_path, late, begun):
    assert len(await looked(Desk(tmp_path, SUNDAY + late), SUNDAY - 30 * DAY)) == begun


async def test_a_desk_that_was_born_after_the_slot_has_missed_nothing(tmp_path):
    assert await looked(Desk(tmp_path), SUNDAY + timedelta(minutes=1)) == []


async def test_a_fast_desk_with_many_sundays_does_it_once_an_hour_of_real_time(tmp_path, monkeypatch):
    desk = Desk(tmp_path)
    jobs = Jobs(desk, lambda subject, data: None, GOOD)
    upkeep = Upkeep(desk, jobs, SUNDAY - DAY)
    for _ in range(3):
        await upkeep.reach()
        while jobs.running is not None:
            await asyncio.sleep(0.02)
        desk.clock.advance(7 * DAY)
    assert len(desk.of(JobStarted)) == 1
    monkeypatch.setattr(room, "APART", 0.0)
    desk.clock.set(SUNDAY + 28 * DAY)
    await upkeep.reach()
    assert len(desk.of(JobStarted)) == 2
    await jobs.close()


async def test_it_waits_for_long_work_that_runs_already(tmp_path):
    desk = Desk(tmp_path)
    jobs = Jobs(desk, lambda subject, data: None, (sys.executable, "-c", "import sys; sys.stdin.read()"))
    upkeep = Upkeep(desk, jobs, SUNDAY - DAY)
    await jobs.start(maintain_plan(desk), "U_ADMIN")
    await upkeep.reach()
    assert [one.by for one in desk.of(JobStarted)] == ["U_ADMIN"]
    await jobs.close()
    await upkeep.reach()
    assert [one.by for one in desk.of(JobStarted)] == ["U_ADMIN", "rule:maintenance"]
    await jobs.close()


# ------------------------------------------------------------ what people see


def reading(desk, **more):
    facts = Checkup._with_upkeep(SimpleNamespace(_desk=desk), Facts(now=desk.clock.now(), **more))
    return next(one for one in judge(facts) if one.name == "maintenance")


def test_health_says_when_the_last_one_was_and_what_it_did(tmp_path):
    desk = Desk(tmp_path)
    assert reading(desk).sentence == "There was none yet; the first is due on 2026-03-15 02:00 UTC."
    account = Account("2026-03-08T02:00:05+00:00", removed={"log files": 2}, backup=str(tmp_path / "backups" / "B"))
    account.ledger_rows, account.tables, account.vacuum = 4711, 30, 2.6
    keep(tmp_path, account)
    said = reading(desk)
    assert said.status == "ok"
    assert said.sentence == (
        "Done on 2026-03-08 02:00 UTC: 2 log files removed; 4,711 ledger rows copied and proven (B); "
        "30 tables vacuumed in 3 s."
    )
    account.problems.append("Back-up: no back-up was made: the disk is full.")
    keep(tmp_path, account)
    assert reading(desk).status == "warning"
    assert "the disk is full" in reading(desk).sentence


@pytest.mark.parametrize(
    ("age", "up", "more", "status"),
    [
        (8 * DAY - HOUR, 30 * DAY, {}, "ok"),
        (8 * DAY + HOUR, 30 * DAY, {}, "warning"),
        (8 * DAY + HOUR, 30 * DAY, {"speed": 60.0}, "ok"),  # there, desk time says nothing of real days
        (30 * DAY, HOUR / 2, {}, "ok"),  # it was down, and what it missed waits for the next
        (None, 8 * DAY, {}, "warning"),
        (None, 23 * HOUR, {}, "ok"),
    ],
)
def test_maintenance_that_no_longer_comes_is_a_warning(tmp_path, age, up, more, status):
    desk = Desk(tmp_path, SUNDAY + 8 * DAY + HOUR)  # a slot was due a day and an hour ago
    now = desk.clock.now()
    if age is not None:
        keep(tmp_path, Account((now - age).isoformat()))
    said = reading(desk, started=now - up, **more)
    assert said.status == status
    assert ("has not come; `/desk maintain` does it now." in said.sentence) == (status == "warning")


def test_its_message_says_what_went_where_the_copy_is_and_how_long_it_took():
    account = Account("2026-03-08T02:00:05+00:00", removed={"log files": 2, "drafts": 1}, freed=3 * 1024**2)
    opened = JobOpened("ab12", "maintenance", "of 2026-03-08 02:00 UTC", "rule:maintenance", NOW)

    def card(result, fate="done"):
        closed = JobClosed(opened, NOW, "desk", fate, result.get("why", ""), result)
        (post,) = announce(Stopped(NOW, "x"), [opened], shot())
        (after,) = announce(Stopped(NOW, "x"), [closed], shot())
        made = render_post(Words(ZoneInfo("UTC")), "job", {**post.data, **after.data})
        shown = {"text": made.text, "blocks": made.blocks}
        assert check_message(shown) == []
        return json.dumps(shown, ensure_ascii=False)

    bare = card(account.as_json())
    assert "2 log files, 1 drafts" in bare
    assert "3 MiB" in bare
    assert "Back-up" not in bare
    assert "vacuumed" not in bare
    account.backup, account.backup_bytes, account.ledger_rows, account.head = "DATA/backups/B", 2**20, 4711, "ab" * 32
    account.tables, account.vacuum = 30, 12.2
    whole = card(account.as_json())
    assert "DATA/backups/B" in whole
    assert "4,711 ledger rows" in whole
    assert "30 tables vacuumed in 12 s" in whole
    account.problems.append("Database: it does not answer.")
    assert "it does not answer" in card(account.as_json(), "incomplete")
