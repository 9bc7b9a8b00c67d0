"""Trainings by the clock: when they fall due, what runs in which order, and what was missed."""

import asyncio
import json
import sys
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.downloads import FARTHEST, download_plan, looked_through, sources_of, span_of
from bot.jobs import Jobs
from bot.retraining import PAUSE, TRIES, Retraining, next_training, train_plan, training_times
from bot.settings import Settings
from engine.clock import ManualClock
from engine.domain import MarketKind
from engine.market.histories import history_named
from engine.market.massive_access import MassiveAccess
from engine.messages import Attempted, JobEnded, JobStarted
from engine.store.errors import DatabaseDown
from engine.store.gaps import Unhealed
from engine.trader import jobs as room
from engine.trader.memory import Memory
from tests.days.desk import snapshot
from tests.models.forged import DIRECTION, playbook

NOON = datetime(2026, 3, 7, 20, tzinfo=UTC)  # the day before clocks go forward in Los Angeles
UTC_RULES = playbook(DIRECTION + '  retrain: {at: "00:30", zone: utc, day: every}\n')
SUNDAYS = playbook(DIRECTION + '  retrain: {at: "02:00", zone: desk, day: sunday}\n')
DAY = timedelta(days=1)
BORN = NOON - 10 * DAY
REPORT = {"fate": "done", "gaps": {"venue outage": {"bars": 7}, "no trades": {"bars": 90}}, "outliers": {"count": 1}}
GOOD = f"print('{json.dumps({'result': REPORT})}')"
BAD = "sys.exit('nightdesk: no network')"
REFUSED = """print('{"result": {"fate": "refused", "why": "too few rows"}}'); sys.exit(1)"""


class Desk:
    """The desk as far as trainings look at it; what began and ended is remembered as the Trader does."""

    def __init__(self, folder, rules=None, kind=MarketKind.LIVE, holes=(), now=NOON):
        self.playbook = rules or playbook()
        self.clock = ManualClock(now)
        self.terms = SimpleNamespace(data=folder, timezone="America/Los_Angeles", kind=kind)
        self.storage = SimpleNamespace(unhealed=lambda: [Unhealed("BTC/USD", at, at + DAY, "") for at in holes])
        self.memory = Memory()
        self.submitted = []

    def snapshot(self):
        return replace(snapshot(), jobs=self.memory.ended, closes={"BTC/USD": (NOON, 100.0)})

    def submit(self, message):
        self.submitted.append(message)
        if isinstance(message, JobStarted):
            room.on_job_started(self.memory, message)
        elif isinstance(message, JobEnded):
            room.on_job_ended(self.memory, message)
        done = Future()
        done.set_result(None)
        return done

    def of(self, kind):
        return [one for one in self.submitted if isinstance(one, kind)]

    def restarts(self):
        room.interrupt(self.memory, self.clock.now())

    def passes(self, span):
        self.clock.set(self.clock.now() + span)


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


def job(**ends):
    """A command line that ends, by the kind of its work, as `ends` says; well where it says nothing."""
    code = f"import sys; exec({ends!r}.get(sys.argv[1], {GOOD!r}))"
    return (sys.executable, "-c", code)


async def ran(desk, sources=(), *, born=BORN, down_since=None, looks=2, **ends):
    """Look at the clock again and again; returns the kinds of the jobs in order."""
    jobs = Jobs(desk, lambda _subject, _data: None, job(**ends))
    again = Retraining(desk, jobs, born, sources, down_since)
    for _ in range(looks):
        await again.reach()
        while again._chaining is not None and not again._chaining.done():
            await asyncio.sleep(0.02)
    again.stop()
    await jobs.close()
    return [one.kind for one in desk.of(JobStarted)]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("bot.retraining._LOOK_AGAIN", 0.02)


async def test_however_many_were_missed_one_is_made_good(tmp_path):
    desk = Desk(tmp_path)
    assert await ran(desk) == ["train"]
    desk.passes(DAY)
    assert await ran(desk) == ["train", "train"]


async def test_nothing_is_due_on_a_desk_that_has_just_begun(tmp_path):
    assert await ran(Desk(tmp_path), born=NOON - timedelta(hours=1)) == []


async def test_a_training_that_a_restart_cut_short_is_made_good(tmp_path):
    desk = Desk(tmp_path)
    desk.submit(JobStarted(NOON, "rule:retrain", "j1", "train", "kit"))
    desk.passes(timedelta(minutes=5))
    desk.restarts()
    assert await ran(desk) == ["train"]  # it waits before it tries again
    assert next_training(desk) == desk.clock.now() + PAUSE
    desk.passes(PAUSE)
    assert await ran(desk) == ["train", "train"]
    assert desk.of(JobStarted)[-1].text == "kit; try 2 of 3"
    assert desk.of(JobEnded)[-1].fate == "done"


async def test_one_that_fails_is_tried_three_times_and_each_is_seen(tmp_path):
    desk = Desk(tmp_path)
    for _ in range(TRIES + 2):
        await ran(desk, train=BAD)
        desk.passes(PAUSE)
    assert [one.text for one in desk.of(JobStarted)] == ["kit", "kit; try 2 of 3", "kit; try 3 of 3"]
    (said,) = desk.of(Attempted)
    assert not said.allowed
    assert "tried 3 times and given up; the next is due at 2026-03-08 10:00 UTC" in said.detail
    desk.passes(DAY)
    assert await ran(desk) == ["train"] * 4


async def test_a_chain_that_breaks_is_said_and_tried_again_after_a_pause_and_given_up_aloud(tmp_path, caplog):
    desk = Desk(tmp_path)
    (tmp_path / "training").write_text("a file in the way")
    jobs = Jobs(desk, lambda _subject, _data: None, job())
    again = Retraining(desk, jobs, BORN)

    async def looks():
        for _ in range(4):
            await again.reach()
            if again._chaining is not None:
                await asyncio.wait([again._chaining])

    for number in range(1, TRIES + 1):
        await looks()
        told = [one.message for one in caplog.records if "broke off" in one.message]
        assert told[-1].startswith(f"try {number} of 3 of the training")
        assert len(told) == number
        assert len(desk.of(Attempted)) == (number == TRIES)
        desk.passes(PAUSE)
    await looks()
    (said,) = desk.of(Attempted)
    assert "tried 3 times and given up; the next is due at 2026-03-08 10:00 UTC" in said.detail
    (tmp_path / "training").unlink()
    desk.passes(DAY)
    await looks()
    assert [one.kind for one in desk.of(JobStarted)] == ["train"]


@pytest.mark.parametrize("how", ["refused", "cancelled"])
async def test_an_answer_is_not_asked_for_again_on_the_same_day(tmp_path, how):
    desk = Desk(tmp_path)
    if how == "cancelled":
        desk.submit(JobStarted(NOON, "rule:retrain", "j1", "train", "kit"))
        desk.submit(JobEnded(NOON, "U_ADMIN", "j1", "cancelled"))
    else:
        await ran(desk, train=REFUSED)
    desk.passes(2 * PAUSE)
    assert await ran(desk) == ["train"]


async def test_a_training_by_hand_that_ended_well_will_do(tmp_path):
    desk = Desk(tmp_path)
    desk.submit(JobStarted(NOON, "U_ADMIN", "j1", "train", "kit"))
    desk.submit(JobEnded(NOON, "desk", "j1", "done"))
    assert await ran(desk) == ["train"]
    assert next_training(desk) > NOON


async def test_download_comes_before_training_and_its_report_is_looked_at(tmp_path):
    desk = Desk(tmp_path)
    assert await ran(desk, ("kraken",)) == ["backfill", "train"]
    assert [one.fate for one in desk.of(JobEnded)] == ["done", "done"]
    assert {one.by for one in desk.of(JobStarted)} == {"rule:retrain"}
    told = desk.of(JobStarted)[-1].text
    assert told == "kit; history checked: 7 bars missing (venue outage), 1 outlier"


async def test_a_download_that_fails_is_said_and_the_training_goes_on_with_what_is_stored(tmp_path):
    desk = Desk(tmp_path)
    assert await ran(desk, ("kraken",), backfill=BAD) == ["backfill", "train"]
    assert desk.of(JobStarted)[-1].text.endswith(
        "learning from what is stored until 2026-03-07 20:00 UTC: the download from kraken did not succeed"
    )


async def test_days_whose_flat_file_is_not_there_yet_come_from_the_next_source(tmp_path):
    desk = Desk(tmp_path)  # at 20:00 UTC on the 7th: the file of the 6th came at 16:00
    await ran(desk, ("massive-files", "massive"))
    assert next(one.text for one in desk.of(JobStarted)) == "massive-files 2026-03-05 2026-03-07"
    early = Desk(tmp_path)
    early.passes(timedelta(hours=14))  # and that of the 7th comes at 16:00 on the 8th
    await ran(early, ("massive-files", "massive"))
    asked = [one.text for one in early.of(JobStarted)][:2]
    assert asked == ["massive-files 2026-03-06 2026-03-07", "massive 2026-03-07 2026-03-08"]


async def test_where_the_files_cannot_be_had_the_next_source_brings_it_all(tmp_path):
    desk = Desk(tmp_path)
    files = f"import sys; sys.exit(1) if 'massive-files' in sys.argv else {GOOD}"
    await ran(desk, ("massive-files", "massive"), backfill=files)
    told = [one.text for one in desk.of(JobStarted)]
    assert told[:2] == ["massive-files 2026-03-05 2026-03-07", "massive 2026-03-05 2026-03-07"]
    assert "did not succeed" not in told[2]


async def test_an_invented_market_downloads_nothing(tmp_path):
    assert await ran(Desk(tmp_path, kind=MarketKind.SIMULATED), ("kraken",)) == ["train"]


@pytest.mark.parametrize(
    ("holes", "down_since", "days"),
    [
        ((), None, 2),
        ((NOON - timedelta(hours=1),), None, 2),
        ((NOON - 6 * DAY,), None, 6),
        ((), NOON - 8 * DAY, 8),
        ((NOON - 400 * DAY,), None, FARTHEST // DAY),
    ],
)
def test_a_download_reaches_back_to_the_oldest_hole_at_most_a_month(tmp_path, holes, down_since, days):
    since, until = span_of(Desk(tmp_path, holes=holes), NOON, down_since)
    assert until == datetime(2026, 3, 7, tzinfo=UTC)
    assert until - since == days * DAY
    plan = download_plan(Desk(tmp_path), "kraken", since, until)
    asked = dict(zip(plan.arguments[1::2], plan.arguments[2::2], strict=False))
    assert (asked["--source"], asked["--from"], asked["--to"]) == ("kraken", f"{since.date()}", "2026-03-07")


def test_a_database_that_is_away_leaves_the_usual_two_days(tmp_path):
    desk = Desk(tmp_path)

    def away():
        raise DatabaseDown("it is not there")

    desk.storage.unhealed = away
    since, until = span_of(desk, NOON, None)
    assert until - since == 2 * DAY


@pytest.mark.parametrize(
    ("feed", "keys", "named", "sources"),
    [
        ("kraken", (), "auto", ("kraken",)),
        ("massive", ("key",), "auto", ("massive",)),
        ("kraken", ("key",), "auto", ("kraken",)),
        ("kraken", ("files",), "auto", ("massive-files", "kraken")),
        ("kraken", ("files", "key"), "auto", ("massive-files", "massive", "kraken")),
        ("kraken", (), "ccxt:binance", ("ccxt:binance",)),
        ("massive", ("files", "key"), "massive-files", ("massive-files", "massive")),
        ("kraken", ("files", "key"), "off", ()),
        ("simulated", (), "auto", ()),
    ],
)
def test_history_comes_from_the_feed_s_own_unless_files_are_there_or_another_is_named(feed, keys, named, sources):
    known = {"polygon_api_key": "k"} if "key" in keys else {}
    known |= {"massive_files_key": "k", "massive_files_secret": "s"} if "files" in keys else {}
    assert sources_of(Settings(_env_file=None, history_source=named, **known), feed) == sources


@pytest.mark.parametrize("named", ["kraken", "massive", "massive-files", "ccxt:binance", "ccxt-trades:kraken"])
def test_every_source_that_may_be_set_is_one_that_a_backfill_knows(named):
    (source,) = sources_of(Settings(_env_file=None, history_source=named), "kraken")
    access = MassiveAccess(key="k", files_key="k", files_secret="s")
    assert history_named(source, ManualClock(NOON), massive=access).name


def test_what_downloads_found_is_added_up_and_quiet_minutes_are_no_fault():
    clean = {"gaps": {"no trades": {"bars": 9}}, "outliers": {"count": 0}, "rejected": {}}
    assert looked_through([clean]) == "history checked: no bar missing, no outliers"
    poor = {"gaps": {"venue outage": {"bars": 1200}}, "outliers": {"count": 2}, "rejected": {"ORDER": 3}}
    assert looked_through([clean, poor, poor]) == (
        "history checked: 2,400 bars missing (venue outage), 4 outliers, 6 rows turned away"
    )
