"""The health check: measures every few seconds, judges, tells the desk what changed, and writes the health file."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from bot.outbox_store import Backlog
from bot.schedule import Schedule
from bot.second_path import SecondPath
from bot.upkeep import maintenance_times, overdue
from engine import Desk, Recovery, clock, health, live_record, maintenance, vitals, watch
from engine.domain import Alarm, State
from engine.messages import HealthSeen
from engine.snapshot import Snapshot

log = logging.getLogger(__name__)


class SlackState(Protocol):
    """The Slack side, as far as health looks at it."""

    @property
    def up(self) -> bool: ...

    def status(self) -> str: ...

    def backlog(self) -> Backlog: ...

    def is_reported(self, slot: str) -> bool:
        """Whether the report of a slot stands in Slack."""
        ...


class Unread:
    """For how long delivery has not read rows that the ledger has. One `see` a check."""

    def __init__(self) -> None:
        self._mark, self._since = 0, clock.monotonic()

    def see(self, head: int, read: int) -> timedelta:
        """Real time since what is unread was first seen; `head`, `read`: last sequence of the ledger, of delivery."""
        now = clock.monotonic()
        if read >= self._mark:
            self._mark, self._since = head, now
        return timedelta(seconds=now - self._since)


class Checkup:
    """Collects `Facts`, keeps the watch on alarms, and publishes both."""

    def __init__(self, desk: Desk, slack: SlackState, lag: vitals.LoopLag, second: SecondPath) -> None:
        self._desk = desk
        self._slack = slack
        self._second = second
        self._lag = lag
        self._unread = Unread()
        self._watch = watch.Watch.resumed(desk.snapshot().alarms, desk.clock.speed)
        self.schedule: Schedule | None = None
        self.recovery: Recovery | None = None

    async def look(self) -> None:
        """One check. The blocking parts run beside the loop."""
        facts = await asyncio.to_thread(self._facts)
        readings = (*health.judge(facts), *self._desk.data_health())
        self._desk.readings = readings
        news = self._watch.see(readings, facts.now)
        if news is not None:
            self._desk.submit(HealthSeen(facts.now, news))
        snapshot = self._desk.snapshot()
        standing = (*self._watch.alarms(), *snapshot.alarms, *halts(snapshot))
        self._second.alarms(standing)  # also what the ledger could not record
        await asyncio.to_thread(self._write, vitals.health_status(snapshot, readings, self._watch.alarms()))
        self._measure(facts)

    def _write(self, status: dict[str, object]) -> None:
        try:
            vitals.write_health(self._desk.terms.data, status)
        except OSError as error:
            log.error("the health file could not be written: %s", error)

    def _facts(self) -> health.Facts:
        return self._with_upkeep(self._with_database(self._with_reports(self._measured())))

    def _measured(self) -> health.Facts:
        desk, snapshot = self._desk, self._desk.snapshot()
        feed = desk.feed_status()
        latency = desk.latency()
        backlog = self._slack.backlog()
        broker_up, broker_detail = broker_facts(desk)
        return health.Facts(
            now=desk.clock.now(),
            speed=desk.clock.speed,
            started=snapshot.started,
            feed=feed.name,
            feed_up=feed.up,
            feed_detail=feed.detail,
            last_data=feed.last_frame,
            held={position.symbol: feed.symbols.get(position.symbol) for position in snapshot.positions},
            jumps=self._jumps(),
            posts_waiting=backlog.waiting,
            oldest_post=timedelta(seconds=backlog.oldest),
            posts_failed=backlog.failed,
            post_detail=backlog.why,
            rows_unread=max(0, snapshot.seq - (backlog.read or 0)),
            unread_for=self._unread.see(snapshot.seq, backlog.read or 0),
            outbox_trouble=backlog.trouble,
            slack_up=self._slack.up,
            slack_detail=self._slack.status(),
            latency_p99_ms=latency.p99 * 1000 if latency else None,
            engine_alive=desk.engine_lives(),
            oldest_message=timedelta(seconds=desk.waited()),
            inbox_depth=desk.waiting(),
            loop_lag_ms=self._lag.take_ms(),
            disk_free=vitals.disk_free(desk.terms.data),
            memory=vitals.resident_bytes(),
            misfires=self.schedule.misfires if self.schedule else 0,
            broker_up=broker_up,
            broker_detail=broker_detail,
            models=model_facts(desk),
            clock_skew=feed.skew,
            recovered=self.recovery.status() if self.recovery else None,
            second_path=self._second.trouble,
        )

    def _jumps(self) -> dict[str, float]:
        """Held symbol → its last quote against its last close, as a fraction."""
        closes = self._desk.snapshot().closes
        found = {}
        for position in self._desk.snapshot().positions:
            quote = self._desk.quote(position.symbol)
            if quote is not None and position.symbol in closes:
                found[position.symbol] = quote.mid / closes[position.symbol][1] - 1
        return found

    def _with_database(self, facts: health.Facts) -> health.Facts:
        status = self._desk.storage.status()
        if status is None:
            return replace(facts, database_up=False, database_detail=self._desk.storage.problem)
        return replace(
            facts,
            database_up=not status.stuck and (status.connected or status.last_error is None),  # None: about to connect
            database_detail=status.last_error or "",
            database_behind=timedelta(seconds=status.lag_seconds),
        )

    def _with_reports(self, facts: health.Facts) -> health.Facts:
        schedule = self.schedule
        if schedule is None or schedule.last_slot is None:
            return facts
        slot = schedule.last_slot
        return replace(
            facts,
            report_due=slot.due,
            report_key=slot.key,
            report_done=self._slack.is_reported(slot.key),
        )

    def _with_upkeep(self, facts: health.Facts) -> health.Facts:
        account = maintenance.last_account(self._desk.terms.data)
        at = datetime.fromisoformat(account.at) if account is not None else None
        late = None
        if facts.speed == 1.0 and facts.started is not None:
            late = overdue(self._desk, at, facts.started, facts.now)
        missed = f" That of {late:%Y-%m-%d %H:%M} UTC has not come; `/desk maintain` does it now." if late else ""
        if account is not None:
            removed = sum(account.removed.values())
            done = maintenance.sentence(account)
            return replace(facts, maintained=health.Upkept(done + missed, not (account.problems or late), removed))
        due = next(iter(maintenance_times(self._desk, facts.now, facts.now + timedelta(days=8))), None)
        when = f"; the first is due on {due:%Y-%m-%d %H:%M} UTC" if due and not late else ""
        return replace(facts, maintained=health.Upkept(f"There was none yet{when}.{missed}", not late))

    def _measure(self, facts: health.Facts) -> None:
        projections = self._desk.storage.projections
        if projections is None:
            return
        for reading in self._desk.readings:
            if reading.value is not None:
                projections.notes.put_metric(facts.now, reading.name, reading.value, reading.status)


def halts(snapshot: Snapshot) -> tuple[Alarm, ...]:
    """What halts the desk, as the second path tells it: whoever must mend that may not be looking at Slack."""
    held = [hold for hold in snapshot.holds if hold.level is State.HALTED]
    return tuple(
        Alarm(f"hold:{hold.code}", "critical", f"HALTED by {hold.by} ({hold.code}): {hold.note}", hold.since)
        for hold in held
    )


def broker_facts(desk: Desk) -> tuple[bool, str]:
    """Whether orders leave and are answered, and in words why not, or how."""
    if trouble := desk.gateway_trouble():
        return False, f"orders wait in the gateway, {trouble}"
    return True, desk.notice or "paper orders are filled by the desk's own model"


def model_facts(desk: Desk) -> health.ModelFacts | None:
    """The playbook's model as health looks at it; None where it has none."""
    serving = desk.serving
    if serving is None:
        return None
    status, watch_terms = serving.status(), serving.forecaster.terms.watch
    state = desk.snapshot().models.get(serving.name)
    champion = state.champion if state else None
    record = live_record(state.live.get(champion.version, ())) if state and champion else None
    lead = record.beside[0] if record and record.beside else None
    return health.ModelFacts(
        name=serving.name,
        champion=champion.version if champion else "",
        serving=status.serving,
        idle=status.idle,
        silent=status.silent,
        stopped=state.stopped if state else "",
        accuracy=record.rate.value if record else None,
        worth=record.effective_n if record else 0.0,
        surely=record.interval.high if record else 1.0,
        least=watch_terms.alert_accuracy,
        sure_below=serving.forecaster.terms.sure_below,
        behind=(lead.name, lead.value, lead.interval.high) if lead else None,
        most_behind=watch_terms.alert_behind,
        fewest=watch_terms.fewest_settled,
        drift=status.drift[0] if status.drift else None,
    )
