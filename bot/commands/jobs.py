"""/desk backfill, and the Cancel button of whatever long work runs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

from bot.blocks import Rendered
from bot.front import Ask, Front
from bot.ids import pressed
from bot.jobs import Plan
from engine import SystemClock
from engine.domain import Symbol

USUAL_DAYS = 30


async def backfill(front: Front, ask: Ask) -> Rendered:
    """SOURCE [SYMBOLS] [FROM] [TO]: history into the store, in a process of its own."""
    from engine import backfill as room

    if front.jobs is None:
        return front.sentence("no_jobs")
    usage = f"SOURCE [SYMBOLS] [FROM] [TO], dates as 2025-05-10; sources: {', '.join(room.SOURCES)}"
    try:
        plan = plan_of(front, ask.words[1:], {name.partition(":")[0] for name in room.SOURCES})
    except ValueError as error:
        return front.sentence("usage", command="/desk backfill", usage=usage, given=str(error), meant="")
    return await begin(front, ask, plan)


async def begin(front: Front, ask: Ask, plan: Plan) -> Rendered:
    """Start a job, or say what runs already."""
    if front.jobs is None:
        return front.sentence("no_jobs")
    try:
        started = await front.jobs.start(plan, ask.user)
    except OSError as error:
        return front.sentence("job_failed", kind=plan.kind, why=error.strerror or str(error))
    if started is None:
        busy = front.jobs.running
        return front.sentence("job_busy", busy=busy.plan if busy else None, by=busy.by if busy else "")
    return front.sentence("job_started", kind=plan.kind, text=plan.text)


async def cancel_job(front: Front, ask: Ask) -> Rendered:
    at = pressed(ask.value)
    if at is None or front.jobs is None or not front.jobs.cancel(at.id, ask.user):
        return front.sentence("job_gone")
    return front.sentence("job_cancelling")


def plan_of(front: Front, words: list[str], sources: Collection[str]) -> Plan:
    """The command line for what was typed, made complete: the desk's symbols, the last thirty days. Raises ValueError
    with the word that is none of these."""
    if not words or words[0].partition(":")[0] not in sources:
        raise ValueError(words[0] if words else "")
    source, rest = words[0], words[1:]
    days = [day for word in rest if (day := _day(word)) is not None]
    names = [word for word in rest if _day(word) is None]
    if len(names) > 1 or len(days) > 2:
        raise ValueError(" ".join(rest))
    symbols = _symbols(names[0]) if names else front.snapshot().symbols
    until = days[1] if len(days) > 1 else SystemClock().now().date() + timedelta(days=1)
    since = days[0] if days else until - timedelta(days=USUAL_DAYS)
    asked = ("--source", source, "--symbols", ",".join(symbols), "--from", f"{since}", "--to", f"{until}")
    where = ("--data-dir", str(front.desk.terms.data), "--progress", "json", "--gentle")
    shown = ",".join(symbols) if names else ""
    text = " ".join(part for part in (source, shown, f"{since}", f"{until}") if part)
    return Plan("backfill", text, ("backfill", *asked, *where))


def _symbols(word: str) -> tuple[Symbol, ...]:
    return tuple(dict.fromkeys(part.strip().upper() for part in word.split(",") if part.strip()))


def _day(word: str) -> date | None:
    try:
        return date.fromisoformat(word)
    except ValueError:
        return None
