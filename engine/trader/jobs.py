"""Long work beside the desk: what began, and how it ended. It decides nothing about trades."""

from __future__ import annotations

from datetime import datetime

from engine.messages import JobEnded, JobStarted
from engine.outcomes import JobClosed, JobOpened
from engine.trader.memory import Memory


def on_job_started(desk: Memory, message: JobStarted) -> None:
    opened = JobOpened(message.job, message.kind, message.text, message.by, message.at)
    desk.jobs[message.job] = opened
    desk.say(opened)


def on_job_ended(desk: Memory, message: JobEnded) -> None:
    """The end of a job, once: whoever reports it later has nothing to add."""
    opened = desk.jobs.pop(message.job, None)
    if opened is not None:
        desk.say(JobClosed(opened, message.at, message.by, message.fate, message.sentence, message.result))


def interrupt(desk: Memory, at: datetime) -> None:
    """A new process took over: the old one's jobs died with it."""
    for opened in desk.jobs.values():
        desk.say(JobClosed(opened, at, "desk", "interrupted"))
    desk.jobs.clear()
