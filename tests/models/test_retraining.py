"""Trainings by the clock: when they fall due, what runs in which order, and what was missed."""

import asyncio
import sys
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.jobs import Jobs
from bot.retraining import Retraining, download_plan, next_training, train_plan, training_times
from engine.clock import ManualClock
from engine.domain import MarketKind
from engine.messages import Attempted, JobEnded, JobStarted
from tests.days.desk import snapshot
from tests.models.forged import DIRECTION, playbook

NOON = datetime(2026, 3, 7, 20, tzinfo=UTC)  # the day before clocks go forward in Los Angeles
UTC_RULES = playbook(DIRECTION + '  retrain: {at: "00:30", zone: utc, day: every}\n')
SUNDAYS = playbook(DIRECTION + '  retrain: {at: "02:00", zone: desk, day: sunday}\n')
GOOD = (sys.executable, "-c", "import sys, json; print(json.dumps({'result': {'fate': 'done'}}))")
BAD = (sys.executable, "-c", "import sys; sys.exit('nightdesk: no network')")


class Desk:
    """The desk as far as trainings look at it."""

    def __init__(self, folder, rules=None, kind=MarketKind.LIVE):
        self.playbook = rules or playbook()
        self.clock = ManualClock(NOON)
        self.terms = SimpleNamespace(data=folder, timezone="America/Los_Angeles", kind=kind)
        self.submitted = []

    def snapshot(self):
        return snapshot()

    def submit(self, message):
        self.submitted.append(message)
        done = Future()
        done.set_result(None)
        return done

    def of(self, kind):
        return [one for one in self.submitted if isinstance(one, kind)]


def test_two_in_the_night_is_local_and_survives_the_change_of_clocks(tmp_path):
    due = training_times(Desk(tmp_path), NOON, NOON + timedelta(days=3))
    assert due == [
        datetime(2026, 3, 8, 10, tzinfo=UTC),  # 02:00 does not exist: the next that does
        datetime(2026, 3, 9, 9, tzinfo=UTC),
        datetime(2026, 3, 10, 9, tzinfo=UTC),
    ]


def test_a_playbook_may_train_by_utc_or_on_sundays_or_never(tmp_path):
    assert next_training(Desk(tmp_path, UTC_RULES)) == datetime(2026, 3, 8, 0, 30, tzinfo=UTC)
    assert next_training(Desk(tmp_path, SUNDAYS)) == datetime(2026, 3, 8, 10, tzinfo=UTC)
    by_rule = Desk(tmp_path)
    by_rule.playbook = SimpleNamespace(model=None)
    assert next_training(by_rule) is None


def test_the_command_line_trains_the_playbook_in_force_on_the_desk_s_own_folder(tmp_path):
    desk = Desk(tmp_path)
    plan = train_plan(desk)
    asked = dict(zip(plan.arguments[1::2], plan.arguments[2::2], strict=False))
    assert plan.arguments[0] == "train"
    assert asked["--data-dir"] == str(tmp_path)
    assert Path(asked["--playbook"]).read_text() == desk.playbook.text
    assert "--gentle" in plan.arguments


async def ran(desk, last_known, source="", command=GOOD, until=None):
    """Look at the clock until nothing is due; returns the kinds of the jobs in order."""
    jobs = Jobs(desk, lambda _subject, _data: None, command)
    again = Retraining(desk, jobs, last_known, source)
    for _ in range(until or 2):
        await again.reach()
        for _ in range(200):
            await asyncio.sleep(0.05)
            if jobs.running is None and (again._chaining is None or again._chaining.done()):
                break
    again.stop()
    await jobs.close()
    return [one.kind for one in desk.of(JobStarted)]


async def test_what_was_missed_while_the_desk_was_down_runs_once(tmp_path):
    assert await ran(Desk(tmp_path), NOON - timedelta(days=4)) == ["train"]


async def test_nothing_is_due_on_a_desk_that_has_just_begun(tmp_path):
    assert await ran(Desk(tmp_path), None) == []


async def test_download_comes_before_training_and_each_is_on_record(tmp_path):
    desk = Desk(tmp_path)
    assert await ran(desk, NOON - timedelta(days=1), "massive") == ["backfill", "train"]
    assert [one.fate for one in desk.of(JobEnded)] == ["done", "done"]
    assert {one.by for one in desk.of(JobStarted)} == {"rule:retrain"}


async def test_a_download_that_fails_ends_the_chain_and_says_so(tmp_path):
    desk = Desk(tmp_path)
    assert await ran(desk, NOON - timedelta(days=1), "massive", BAD) == ["backfill"]
    (said,) = desk.of(Attempted)
    assert not said.allowed
    assert "download" in said.detail


async def test_an_invented_market_downloads_nothing(tmp_path):
    assert await ran(Desk(tmp_path, kind=MarketKind.SIMULATED), NOON - timedelta(days=1), "massive") == ["train"]


@pytest.mark.parametrize("days", [1, 2])
def test_a_download_asks_for_the_days_that_are_whole_by_now(tmp_path, days):
    plan = download_plan(Desk(tmp_path), "massive", NOON + timedelta(days=days))
    asked = dict(zip(plan.arguments[1::2], plan.arguments[2::2], strict=False))
    assert asked["--to"] == f"{(NOON + timedelta(days=days)).date()}"
    assert asked["--from"] == f"{(NOON + timedelta(days=days - 2)).date()}"
