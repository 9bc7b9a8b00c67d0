"""/desk backfill and /desk backtest, and the Cancel button of whatever long work runs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import date, timedelta
from pathlib import Path

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


async def backtest(front: Front, ask: Ask) -> Rendered:
    """[SYMBOLS] [FROM] [TO]: the running playbook over the stored bars."""
    if front.jobs is None:
        return front.sentence("no_jobs")
    try:
        names, days = _sorted_out(ask.words[1:])
    except ValueError as error:
        usage = "[SYMBOLS] [FROM] [TO], dates as 2025-05-10; it trades the desk's playbook over the stored bars"
        return front.sentence("usage", command="/desk backtest", usage=usage, given=str(error), meant="")
    symbols = ",".join(_symbols(names[0]) if names else front.snapshot().symbols)
    folder = front.desk.terms.data / "backtests" / f"{SystemClock().now():%Y%m%dT%H%M%S}"
    await asyncio.to_thread(_lay_out, folder, front.desk.playbook.text)
    dates = [part for name, day in zip(("--from", "--to"), days, strict=False) for part in (name, f"{day}")]
    asked = ("--playbook", str(folder / "playbook.yaml"), "--symbols", symbols, *dates)
    where = ("--stored", "--data-dir", str(front.desk.terms.data), "--out", str(folder))
    text = " ".join([symbols, *(f"{day}" for day in days)])
    return await begin(
        front, ask, Plan("backtest", text, ("backtest", *asked, *where, "--progress", "json", "--gentle"))
    )


def _lay_out(folder: Path, playbook: str) -> None:
    """A folder for the results, with the playbook as it is in force now."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "playbook.yaml").write_text(playbook, encoding="utf-8")


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
    folder = str(front.desk.terms.data) if plan.kind == "backfill" else ""
    return front.sentence("job_started", kind=plan.kind, text=plan.text, folder=folder)


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
    source = words[0]
    names, days = _sorted_out(words[1:])
    own_files = source.startswith("files:")  # what is not narrowed down is all that they have
    symbols = _symbols(names[0]) if names else () if own_files else front.snapshot().symbols
    until = days[1] if len(days) > 1 else SystemClock().now().date() + timedelta(days=1)
    since = days[0] if days else until - timedelta(days=USUAL_DAYS)
    coins = ("--symbols", ",".join(symbols)) if symbols else ()
    bounds = (("--from", f"{since}"), ("--to", f"{until}"))[: len(days) if own_files else 2]
    span = [word for bound in bounds for word in bound]
    asked = ("--source", source, *coins, *span)
    where = ("--data-dir", str(front.desk.terms.data), "--progress", "json", "--gentle")
    shown = ",".join(symbols) if names else ""
    text = " ".join([source, *([shown] if shown else []), *span[1::2]])
    return Plan("backfill", text, ("backfill", *asked, *where))


def _sorted_out(words: list[str]) -> tuple[list[str], list[date]]:
    """At most one list of symbols and two days. Raises ValueError with the words when there is more."""
    days = [day for word in words if (day := _day(word)) is not None]
    names = [word for word in words if _day(word) is None]
    if len(names) > 1 or len(days) > 2:
        raise ValueError(" ".join(words))
    return names, days


def _symbols(word: str) -> tuple[Symbol, ...]:
    return tuple(dict.fromkeys(part.strip().upper() for part in word.split(",") if part.strip()))


def _day(word: str) -> date | None:
    try:
        return date.fromisoformat(word)
    except ValueError:
        return None
