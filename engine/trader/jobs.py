"""Long work beside the desk: what began, and how it ended. It decides nothing about trades."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from engine.messages import JobEnded, JobStarted
from engine.outcomes import JobClosed, JobOpened
from engine.trader.memory import Memory

KEPT = 50


def on_job_started(desk: Memory, message: JobStarted) -> None:
    opened = JobOpened(message.job, message.kind, message.text, message.by, message.at)
    desk.jobs[message.job] = opened
    desk.say(opened)


def on_job_ended(desk: Memory, message: JobEnded) -> None:
    """The end of a job, once: whoever reports it later has nothing to add."""
    opened = desk.jobs.pop(message.job, None)
    if opened is not None:
        _close(desk, JobClosed(opened, message.at, message.by, message.fate, message.sentence, message.result))


def interrupt(desk: Memory, at: datetime) -> None:
    """A new process took over: the old one's jobs died with it."""
    for opened in desk.jobs.values():
        _close(desk, JobClosed(opened, at, "desk", "interrupted"))
    desk.jobs.clear()


def _close(desk: Memory, closed: JobClosed) -> None:
    """Say it, and remember that it ended and how: whoever begins work by the clock asks for that."""
    desk.ended = (*desk.ended[1 - KEPT :], replace(closed, result={}))
    desk.say(closed)
