"""The desk with everything around it: Slack, reports by the clock, health, logs and the console."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from bot import folders, logs
from bot.access import ClaimCode
from bot.annals import Annals
from bot.app import front_desk, slack_client
from bot.checkup import Checkup
from bot.console import Console
from bot.downloads import sources_of
from bot.jobs import Jobs
from bot.market_choice import massive_access
from bot.narration import Narrator
from bot.outbox_tidying import going_on
from bot.posts import Announce, announcer
from bot.posts import Terms as News
from bot.progress import Progress
from bot.render import Words
from bot.reports import Reporter
from bot.retraining import Retraining
from bot.schedule import Schedule
from bot.second_path import SecondPath
from bot.settings import Settings
from bot.slack_side import SlackSide
from bot.upkeep import Upkeep
from bot.workspace import Workspace
from engine import Desk, PriceSource, Recovery, SystemClock, Tasks, Terms, price_source, vitals
from engine.domain import Instrument, MarketKind, Role, Symbol
from engine.ports import Feed
from engine.records import Record
from engine.snapshot import Snapshot


class House:
    """Builds one running desk; `open` and `close` once each, on the running loop."""

    def __init__(self, feed: Feed, terms: Terms, workspace: Workspace, debug: bool) -> None:
        settings = workspace.settings
        self._workspace = workspace
        self._settings = settings
        self._data = terms.data
        secrets = (*settings.secrets(), workspace.bot_token, workspace.app_token)
        self._handlers = logs.set_up(terms.data / "logs", settings.log_level, settings.zone, secrets, debug=debug)
        self.desk = Desk(terms, feed, _announcer(terms, settings))
        if (source := _second_source(settings, feed)) is not None:
            self.desk.compare_with(source, settings.second_source_limit)
        self._second = SecondPath(_secret(settings.slack_webhook_url), _secret(settings.dead_man_url))
        self._console = Console(self.desk, folders.private_folder(terms.data) / "desk.sock")
        self._lag = vitals.LoopLag()
        self._tasks = Tasks()  # what looks at the desk from outside
        self._slack: SlackSide | None = None
        self._jobs = Jobs(self.desk, self._show)
        self._schedule: Schedule | None = None
        self._retraining: Retraining | None = None

    async def open(self, instruments: Mapping[Symbol, Instrument] | None, progress: Progress) -> None:
        """Start the desk, then Slack, then what looks after both. Raises what makes a start impossible."""
        self._loop = asyncio.get_running_loop()
        self.desk.on_record(Narrator().tell)
        self.desk.on_record(self._recorded)
        await self.desk.start(instruments, progress.say)
        if changed := _rules_changed(self.desk.snapshot()):
            progress.say(changed)
        if self.desk.notice:
            progress.say(self.desk.notice)
        await self._console.start()
        self._announce()
        annals = Annals(self._data / "annals.json")
        self._slack = slack = self._slack_side(annals, progress)
        await slack.open()
        if self._workspace.sandbox is not None and self.desk.terms.label:
            self._workspace.sandbox.show_clock(self.desk.clock, self._settings.zone.key)
        checkup = Checkup(self.desk, slack, self._lag, self._second)
        zone = self._settings.zone
        sources = sources_of(self._settings, self.desk.feed.name)
        born, known = self.desk.born(), self.desk.last_known
        self._retraining = again = Retraining(self.desk, self._jobs, born, sources, known)
        upkeep = Upkeep(self.desk, self._jobs, born)
        self._schedule = schedule = Schedule(
            self.desk, zone, known, checkup.look, self._tidy, again.reach, upkeep.reach
        )
        every = self.desk.playbook.schedule.recovery.total_seconds()
        recovery = Recovery(lambda: [*self.desk.parts(), *schedule.parts()], self.desk.clock, every)
        checkup.schedule, checkup.recovery = schedule, recovery
        schedule.start()
        self._tasks.keep("recovery", recovery.run)
        self._tasks.keep("loop-lag", self._lag.watch)
        await checkup.look()
        vitals.keep_pauses_short()

    async def close(self, why: str) -> list[Symbol]:
        """Stop in reverse, every part whatever another one does; the symbols of the positions that stay open."""
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(logs.take_down, self._handlers)
            stack.callback(folders.withdraw, self._data)
            stack.push_async_callback(self.desk.close)
            stack.push_async_callback(self._second.close)
            if self._slack is not None:
                stack.push_async_callback(self._slack.close)
            stack.push_async_callback(self.desk.stop, why)
            stack.push_async_callback(self._jobs.close)
            stack.push_async_callback(self._console.stop)
            await self._tasks.stop()
            if self._retraining is not None:
                self._retraining.stop()
            if self._schedule is not None:
                self._schedule.stop()
        return self.desk.held()

    def _slack_side(self, annals: Annals, progress: Progress) -> SlackSide:
        client = slack_client(self._workspace.bot_token, self._workspace.api_url)
        reporter = Reporter(self.desk, Words(self._settings.zone), annals, self._written)
        claim = self._claim(progress)
        front = front_desk(self.desk, self._settings, client, claim=claim, reports=reporter, jobs=self._jobs)
        return SlackSide(front, self._workspace, self._data, reporter, _real_now, self._second.report_posted)

    def _written(self) -> float | None:
        """The share of the ledger's rows that the database has, apart from those of the last minute."""
        status = self.desk.storage.status()
        if status is None or not status.seq:
            return None
        return 1.0 if status.lag_seconds < 60 else status.seq / (status.seq + status.lag_rows)

    def _claim(self, progress: Progress) -> ClaimCode | None:
        """A one-time code for the first admin, where nobody is named yet."""
        if self._settings.desk_admins or Role.ADMIN in self.desk.snapshot().roles.values():
            return None
        claim = ClaimCode()
        progress.say(f"no admin is named yet; in Slack, type  /desk claim {claim.code}  to become the first")
        return claim

    def _announce(self) -> None:
        terms = self.desk.terms
        path = str(self._console.path)
        folders.announce(self._data, folders.Presence(os.getpid(), path, terms.playbook.name, str(terms.kind)))

    def _recorded(self, record: Record) -> None:
        self._loop.call_soon_threadsafe(self._tell, record)

    def _tell(self, record: Record) -> None:
        """What follows a durable record on the loop: delivery."""
        if self._slack is not None:
            self._slack.wake(record)

    def _show(self, subject: str, data: Mapping[str, Any]) -> None:
        if self._slack is not None:
            self._slack.retouch(subject, data)

    def _tidy(self) -> None:
        logs.tidy(self._data / "logs", _now())
        if self._slack is not None:
            self._slack.tidy(going_on(self.desk.snapshot()))


def _rules_changed(snapshot: Snapshot) -> str:
    """One line when this start brought other rules than the last one had; "" otherwise."""
    if snapshot.rules_since is None or snapshot.rules_since != snapshot.started:
        return ""
    return f"the rules changed since the last run: {snapshot.rules_before} → {snapshot.rules} (playbook or strategy)"


def _announcer(terms: Terms, settings: Settings) -> Announce:
    notices = terms.playbook.notices
    return announcer(News(notices.big_win, notices.big_loss, notices.daily_goal, settings.zone))


def _second_source(settings: Settings, feed: Feed) -> PriceSource | None:
    """What a live feed's prices are held against: by default Kraken's free REST ticker."""
    name = settings.second_source
    if name == "auto":
        name = "kraken-rest"
    if name == "off" or feed.kind is not MarketKind.LIVE:
        return None
    return price_source(name, feed.clock, getattr(feed, "rest_url", settings.kraken_rest_url), massive_access(settings))


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None


def _now() -> datetime:
    return SystemClock().now()


def _real_now() -> float:
    return _now().timestamp()
