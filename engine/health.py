"""Is the desk well? `Facts` in, a `Reading` a subject out, each with the sentence that a person reads. Pure.

Whoever wires the desk collects `Facts` every `CHECK_EVERY` real seconds and judges them; `engine.watch.Watch` turns
successive readings into alarms. What was not measured (None) gives no reading. Durations that follow the market
(silence, prices) are desk time and grow with the desk's speed; those of the machine are real.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.domain import Symbol
from engine.forecasting.drift import Drift
from engine.ports import PRICE_SILENCE
from engine.slots import LATE_AFTER

OK, WARNING, CRITICAL = "ok", "warning", "critical"
CHECK_EVERY = 10.0  # real seconds

SILENT_WARNING, SILENT_CRITICAL = timedelta(minutes=2), timedelta(minutes=10)
PRICE_JUMP = 0.5
DISK_WARNING, DISK_CRITICAL = 2 * 1024**3, 500 * 1024**2
MEMORY_WARNING, MEMORY_CRITICAL = 500 * 1024**2, 1024**3
LATENCY_WARNING_MS, LATENCY_CRITICAL_MS = 50.0, 1000.0
SETTLING = timedelta(minutes=5)  # real time after a start in which a machine is busy with it
LOOP_WARNING_MS, LOOP_CRITICAL_MS = 500.0, 3000.0
ENGINE_CRITICAL = timedelta(seconds=10)
INBOX_WARNING, INBOX_CRITICAL = 1_000, 20_000
LAG_WARNING, LAG_CRITICAL = timedelta(minutes=1), timedelta(minutes=10)
POST_WARNING, POST_CRITICAL = timedelta(minutes=2), timedelta(minutes=10)
CLOCK_WARNING, CLOCK_CRITICAL = timedelta(seconds=2), timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Reading:
    """One subject's state. `value` is what was measured, in `unit`; `mention` asks for @channel when it alarms."""

    name: str
    status: str  # ok, warning or critical
    value: float | None
    unit: str
    sentence: str
    mention: bool = False


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The playbook's model, measured: `champion` and `serving` are versions ("" for none); `accuracy` is the champion's
    live hit rate over `worth` independent cases, `surely` the upper end of its 95 % interval, `sure_below` what that
    is held against. `behind`: the constant rule, the lead over it and the upper end of that lead's interval.
    `drift` is the feature furthest from training."""

    name: str
    champion: str = ""
    serving: str = ""
    idle: str = ""
    silent: bool = False
    stopped: str = ""
    accuracy: float | None = None
    worth: float = 0.0
    surely: float = 1.0
    least: float = 0.5
    sure_below: float = 0.5
    fewest: int = 24
    behind: tuple[str, float, float] | None = None
    most_behind: float | None = None
    drift: Drift | None = None


@dataclass(frozen=True, slots=True)
class Upkept:
    """What the desk last did for itself: in a sentence, whether it came to a good end, and how often it had to act."""

    sentence: str
    well: bool = True
    acts: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What was measured at `now` (desk time). None: not measured, or not there in this set-up."""

    now: datetime
    speed: float = 1.0  # desk seconds per real second
    started: datetime | None = None
    feed: str = "feed"
    feed_up: bool | None = None
    feed_detail: str = ""
    last_data: datetime | None = None  # last frame or minute, desk time
    held: Mapping[Symbol, datetime | None] = field(default_factory=dict)  # held symbol → its last price's time
    jumps: Mapping[Symbol, float] = field(default_factory=dict)  # held symbol → last price ÷ last close − 1
    database_up: bool | None = None
    database_detail: str = ""
    database_behind: timedelta | None = None  # real age of the oldest row that is not projected yet
    posts_waiting: int | None = None
    oldest_post: timedelta | None = None  # real age of the oldest undelivered post
    posts_failed: int = 0  # posts given up: Slack would not take them
    post_detail: str = ""  # what Slack said of the posts that wait
    rows_unread: int | None = None  # ledger rows that delivery has not read
    unread_for: timedelta = timedelta(0)  # real time for which it has not
    outbox_trouble: str = ""  # why delivery's own file cannot be read
    slack_up: bool | None = None
    slack_detail: str = ""
    latency_p99_ms: float | None = None  # message received → record durable
    engine_alive: bool | None = None
    oldest_message: timedelta | None = None  # real age of the oldest message that waits for the engine
    inbox_depth: int | None = None
    loop_lag_ms: float | None = None
    disk_free: int | None = None  # bytes
    memory: int | None = None  # resident bytes of the desk's own process
    misfires: int | None = None  # scheduled jobs that were missed since the start
    broker_up: bool | None = None
    broker_detail: str = ""
    models: ModelFacts | None = None  # where the playbook has a model
    report_due: datetime | None = None  # the last report slot that fell due since the start
    report_key: str = ""
    report_done: bool | None = None  # that slot's report stands in Slack
    clock_skew: timedelta | None = None  # against the feed's or the venue's clock
    maintained: Upkept | None = None  # None: never yet
    recovered: Upkept | None = None  # the last look for what is stuck
    second_path: str = ""  # what went wrong on the second alert path, "" if nothing


def judge(facts: Facts) -> tuple[Reading, ...]:
    """Every reading, in the order in which `/health` shows them."""
    return tuple(reading for check in _CHECKS for reading in check(facts))


def worst(readings: tuple[Reading, ...]) -> str:
    """The overall state: the strictest of all readings."""
    order = (OK, WARNING, CRITICAL)
    return max((reading.status for reading in readings), key=order.index, default=OK)


def _level(value: float, warning: float, critical: float) -> str:
    return CRITICAL if value >= critical else WARNING if value >= warning else OK


def _data_flow(facts: Facts) -> Iterator[Reading]:
    if facts.feed_up is None:
        return
    since = facts.last_data or facts.started
    silent = (facts.now - since) if since else timedelta(0)
    status = _level(silent / facts.speed / SILENT_WARNING, 1, SILENT_CRITICAL / SILENT_WARNING)
    if not facts.feed_up and status == OK:
        status = WARNING
    spoken = _span(silent)
    detail = f": {facts.feed_detail}" if facts.feed_detail and status != OK else ""
    if status == OK:
        sentence = f"{facts.feed} delivers, last data {spoken} ago."
    elif facts.last_data is None:
        sentence = f"{facts.feed} has delivered nothing in {spoken} since the start{detail}."
    else:
        sentence = f"{facts.feed} has delivered nothing for {spoken}{detail}."
    yield Reading("data flow", status, silent.total_seconds(), "s", sentence, mention=status == CRITICAL)


def _prices(facts: Facts) -> Iterator[Reading]:
    """A position without prices has no working stop: critical at once (the Trader raises that alarm itself)."""
    limit = PRICE_SILENCE * facts.speed
    heard = {name: at or facts.started or facts.now for name, at in facts.held.items()}
    blind = sorted(name for name, at in heard.items() if facts.now - at > limit)
    if blind:
        sentence = f"Positions without prices: {', '.join(blind)}. Their stops cannot act until prices return."
    else:
        sentence = f"{_count(len(heard), 'open position')}, all with fresh prices." if heard else "No open positions."
    yield Reading("prices", CRITICAL if blind else OK, float(len(blind)), "count", sentence)
    strange = sorted(name for name, jump in facts.jumps.items() if abs(jump) > PRICE_JUMP)
    if strange:
        names = ", ".join(strange)
        sentence = f"Doubtful prices of open positions: {names} moved more than 50 % since the last minute."
        yield Reading("price sanity", WARNING, float(len(strange)), "count", sentence)


def _database(facts: Facts) -> Iterator[Reading]:
    if facts.database_up is None:
        return
    behind = facts.database_behind or timedelta(0)
    status = _level(behind / LAG_WARNING, 1, LAG_CRITICAL / LAG_WARNING)
    if not facts.database_up:
        status = max(status, WARNING, key=(OK, WARNING, CRITICAL).index)
        detail = f" ({facts.database_detail})" if facts.database_detail else ""
        sentence = f"The database cannot be reached{detail}; the desk trades on and writes what is missing later."
    elif status == OK:
        sentence = f"The database is {_span(behind)} behind the ledger."
    else:
        sentence = f"The database is {_span(behind)} behind the ledger; nothing is lost, it catches up by itself."
    yield Reading("database", status, behind.total_seconds(), "s", sentence)


def _slack(facts: Facts) -> Iterator[Reading]:
    if facts.slack_up is not None:
        detail = f": {facts.slack_detail}" if facts.slack_detail else ""
        sentence = "Slack is connected." if facts.slack_up else f"Slack is not connected{detail}. The desk trades on."
        yield Reading("slack", OK if facts.slack_up else WARNING, None, "", sentence)
    if facts.posts_waiting is not None:
        yield from _delivery(facts, facts.posts_waiting)
    if facts.second_path:
        yield Reading("second path", WARNING, None, "", f"The second alert path failed: {facts.second_path}.")


def _delivery(facts: Facts, waiting: int) -> Iterator[Reading]:
    """What waits for Slack, and whether delivery has read what the ledger says is to be said."""
    if facts.outbox_trouble:
        yield Reading("outbox", CRITICAL, None, "", f"Nothing is delivered: {facts.outbox_trouble}.")
        return
    behind = facts.unread_for >= 2 * timedelta(seconds=CHECK_EVERY)
    yield _outbox(facts, waiting, behind)
    if (rows := facts.rows_unread) is not None:
        level = _level(facts.unread_for / POST_WARNING, 1, POST_CRITICAL / POST_WARNING)
        unread = f"Delivery has not read the ledger's last {_count(rows, 'row')} for {_span(facts.unread_for)}."
        words = unread if behind else "Delivery has read the ledger to its end."
        yield Reading("delivery", level if behind else OK, float(rows), "count", words)


def _outbox(facts: Facts, waiting: int, behind: bool) -> Reading:
    age = facts.oldest_post or timedelta(0)
    status = _level(age / POST_WARNING, 1, POST_CRITICAL / POST_WARNING) if waiting else OK
    because = f" ({facts.post_detail})" if facts.post_detail else ""
    if waiting:
        sentence = f"Waiting for delivery: {_count(waiting, 'message')}, the oldest for {_span(age)}{because}."
    elif behind:
        sentence = "No message waits of those that delivery knows."
    else:
        sentence = "Every message is delivered."
    if facts.posts_failed:
        sentence += f" Given up, because Slack would not take them: {_count(facts.posts_failed, 'message')} so far."
    return Reading("outbox", status, float(waiting), "count", sentence)


def _engine(facts: Facts) -> Iterator[Reading]:
    """Whether decisions are made at all: the one thing that no other reading would miss."""
    if facts.engine_alive is None:
        return
    age = facts.oldest_message or timedelta(0)
    status = OK if facts.engine_alive and age <= ENGINE_CRITICAL else CRITICAL
    if not facts.engine_alive:
        sentence = "The engine has ended: no stop acts and no button works. Restart the desk now."
    elif status == CRITICAL:
        sentence = f"The engine has not answered for {_span(age)}: stops may not act. See the error log."
    else:
        sentence = "The engine decides."
    yield Reading("engine", status, age.total_seconds(), "s", sentence, mention=status == CRITICAL)


def _pace(facts: Facts) -> Iterator[Reading]:
    """How fast messages become records, and whether the loop and the inbox keep up."""
    if (p99 := facts.latency_p99_ms) is not None:
        level = _level(p99, LATENCY_WARNING_MS, LATENCY_CRITICAL_MS)
        young = facts.started is not None and facts.now - facts.started < SETTLING * facts.speed
        why = (
            "the start is not over, and a machine is busy then"
            if young
            else "this machine is busy, or its disk is slow"
        )
        slow = f"; more than {LATENCY_WARNING_MS:.0f} ms is slow: {why}"
        status, aim = (OK if young else level), ("" if level == OK else slow)
        yield Reading("ledger", status, p99, "ms", f"99 of 100 messages are on record within {p99:.0f} ms{aim}.")
    if (depth := facts.inbox_depth) is not None:
        status = _level(depth, INBOX_WARNING, INBOX_CRITICAL)
        yield Reading("inbox", status, float(depth), "count", f"Waiting for the engine: {_count(depth, 'message')}.")
    if (lag := facts.loop_lag_ms) is not None:
        status = _level(lag, LOOP_WARNING_MS, LOOP_CRITICAL_MS)
        yield Reading("event loop", status, lag, "ms", f"The event loop answers within {lag:.0f} ms.")


def _machine(facts: Facts) -> Iterator[Reading]:
    if (free := facts.disk_free) is not None:
        status = CRITICAL if free <= DISK_CRITICAL else WARNING if free <= DISK_WARNING else OK
        more = "; new entries are refused, exits are still recorded" if status == CRITICAL else ""
        yield Reading("disk", status, float(free), "bytes", f"{_size(free)} of disk are free{more}.")
    if (used := facts.memory) is not None:
        status = _level(used, MEMORY_WARNING, MEMORY_CRITICAL)
        more = "" if status == OK else f"; more than {_size(MEMORY_WARNING)} is unusual, even with 100 coins"
        yield Reading("memory", status, float(used), "bytes", f"The desk uses {_size(used)} of memory{more}.")
    if (skew := facts.clock_skew) is not None:
        status = _level(abs(skew) / CLOCK_WARNING, 1, CLOCK_CRITICAL / CLOCK_WARNING)
        apart = abs(skew).total_seconds()
        which = "ahead of" if skew > timedelta(0) else "behind"
        sentence = f"The clock is right, to within {apart:.1f} s of the market's stamps."
        if status != OK:
            sentence = f"This machine's clock is {apart:.1f} s {which} the market's; set it right (NTP)."
        yield Reading("clock", status, skew.total_seconds(), "s", sentence)


def _work(facts: Facts) -> Iterator[Reading]:
    if (missed := facts.misfires) is not None:
        sentence = (
            f"Missed since the start: {_count(missed, 'scheduled job')}." if missed else "Every scheduled job has run."
        )
        yield Reading("scheduler", WARNING if missed else OK, float(missed), "count", sentence)
    for name, done in (("maintenance", facts.maintained), ("recovery", facts.recovered)):
        if done is not None:
            yield Reading(name, OK if done.well else WARNING, float(done.acts), "count", done.sentence)
    if facts.broker_up is not None:
        detail = f": {facts.broker_detail}" if facts.broker_detail else ""
        sentence = f"The broker answers{detail}." if facts.broker_up else f"The broker does not answer{detail}."
        yield Reading("broker", OK if facts.broker_up else CRITICAL, None, "", sentence)


def _models(facts: Facts) -> Iterator[Reading]:
    """Whether forecasts come, whether they are right, and whether the world still looks as in training."""
    model = facts.models
    if model is None:
        return
    yield _serving(model)
    if model.accuracy is not None and model.worth >= model.fewest:
        yield _accuracy(model, model.accuracy)
        yield from _lead(model)
    if model.drift is not None:
        far = model.drift
        status = CRITICAL if far.psi >= far.act else WARNING if far.psi >= far.watch else OK
        then = " Train anew." if far.psi >= far.act else " Watch it." if status == WARNING else ""
        sentence = f"Furthest from training: {far.feature}, PSI {far.psi:.2f} (watched from {far.watch:.2f}).{then}"
        yield Reading("model drift", status, far.psi, "PSI", sentence)


def _accuracy(model: ModelFacts, accuracy: float) -> Reading:
    """A warning below the limit, which becomes an alert when it stands; an alert at once when it is no chance."""
    low, sure = accuracy < model.least, accuracy < model.least and model.surely < model.sure_below
    cases = f"in what is worth {model.worth:,.0f} independent cases"
    sentence = f"{model.champion} is right {accuracy:.1%} of the time live, {cases}"
    if low:
        certain = f"surely below {model.sure_below:.0%}" if sure else f"maybe by chance (95 %: to {model.surely:.0%})"
        sentence += f": below {model.least:.0%}, {certain}"
    status = CRITICAL if sure else WARNING if low else OK
    return Reading("model accuracy", status, accuracy, "fraction", f"{sentence}.", mention=sure)


def _lead(model: ModelFacts) -> Iterator[Reading]:
    """Three classes: whether always saying the commonest would have been right oftener."""
    if model.behind is None or model.most_behind is None:
        return
    rule, lead, most = model.behind
    low = lead < -model.most_behind and most < 0
    sentence = f"{model.champion} is {lead * 100:+.1f} points from {rule} live{', surely behind it' if low else ''}."
    yield Reading("model lead", WARNING if low else OK, lead, "fraction", sentence.replace("-", "−"))


def _serving(model: ModelFacts) -> Reading:
    if not model.champion:
        return Reading("models", OK, 0.0, "count", f"No version of {model.name} is promoted: nothing is entered.")
    if not model.serving and not model.idle:
        return Reading("models", OK, 0.0, "count", f"{model.champion} is being loaded.")
    if not model.serving:
        return Reading("models", CRITICAL, 0.0, "count", model.idle)
    if model.silent:
        words = f"{model.serving} has forecast nothing for 30 minutes; it is loaded anew."
        return Reading("models", CRITICAL, 0.0, "count", words)
    stopped = f", but is stopped: {model.stopped}" if model.stopped else ""
    return Reading("models", WARNING if stopped else OK, 1.0, "count", f"{model.serving} forecasts{stopped}.")


def _report_named(key: str) -> str:
    """`evening report of 2026-11-20` for the slot `evening:2026-11-20`."""
    return key.replace(":", " report of ", 1)


def _report(facts: Facts) -> Iterator[Reading]:
    """The report is the heartbeat: its absence must be noticed."""
    if facts.report_due is None or facts.report_done is None:
        return
    overdue = facts.now - facts.report_due
    if facts.report_done or overdue <= LATE_AFTER * facts.speed:
        yield Reading("report", OK, None, "", f"The last report due was the {_report_named(facts.report_key)}.")
    else:
        sentence = f"The {_report_named(facts.report_key)} was due {_span(overdue)} ago and has not been posted."
        yield Reading("report", CRITICAL, overdue.total_seconds(), "s", sentence)


_CHECKS = (_data_flow, _prices, _database, _slack, _engine, _pace, _machine, _work, _models, _report)


def _span(span: timedelta) -> str:
    seconds = max(0, round(span.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GB" if count >= 1024**3 else f"{count / 1024**2:.0f} MB"
