"""Long work asked for in Slack: a command line in a process of its own, at low priority, that dies with the desk.

Its beginning and its end go through the inbox into the ledger, and from there into one message; in between that
message is edited as the work moves. A desk that is killed takes the job with it: the job reads its standard input,
which ends then. The next start says so in the same message.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from bot.posts import job_subject
from engine import Clock, clock
from engine.messages import JobEnded, JobStarted, Message
from engine.records import Record

log = logging.getLogger(__name__)

SHOW_EVERY = 3.0  # seconds between two edits of a job's message
END_WITHIN = 15.0  # seconds that a cancelled job has to finish what it is writing
LEAVE_WITHIN = 3.0  # the same when the desk itself ends
LONGEST_LINE = 1 << 24
COMMAND = (sys.executable, "-m", "bot")

Show = Callable[[str, Mapping[str, Any]], None]


class Recorder(Protocol):
    """The part of the desk that jobs need."""

    clock: Clock

    def submit(self, message: Message) -> Future[Record]: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """`text` is what a person typed after the kind's word, made complete: the same words go on where it ended."""

    kind: str
    text: str
    arguments: tuple[str, ...]


@dataclass(slots=True)
class Running:
    """A job and its process; `cancelled_by` once somebody asked for its end."""

    job: str
    plan: Plan
    by: str
    process: asyncio.subprocess.Process
    cancelled_by: str = ""
    leaving: bool = False
    result: Mapping[str, Any] | None = None
    last_words: str = ""
    shown: float = 0.0
    recorded: Future[Record] | None = None  # its end, once that is on its way into the ledger


class Jobs:
    """One job at a time: two would only wait for each other's rate limits and disk."""

    def __init__(self, desk: Recorder, show: Show, command: Sequence[str] = COMMAND) -> None:
        """`show` lays newer data over the message of a subject; `command` runs the command line."""
        self._desk = desk
        self._show = show
        self._command = tuple(command)
        self._watching: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self.running: Running | None = None

    async def start(self, plan: Plan, by: str) -> Running | None:
        """Begin; None when another job runs. Raises `OSError` when no process can be started."""
        async with self._starting:
            if self.running is not None:
                return None
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *plan.arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=LONGEST_LINE,
                start_new_session=True,  # an interrupt at the desk's terminal is the desk's to pass on
            )
            self.running = job = Running(secrets.token_hex(4), plan, by, process)
            self._desk.submit(JobStarted(self._desk.clock.now(), by, job.job, plan.kind, plan.text))
            self._watching = asyncio.create_task(self._watch(job), name=f"job-{job.job}")
            return job

    def cancel(self, job: str, by: str) -> bool:
        """Ask the job to end; False when it is not the one that runs."""
        running = self.running
        if running is None or running.job != job:
            return False
        if not running.cancelled_by:
            running.cancelled_by = by
            self._show(job_subject(job), {"stopping": True})
            self._interrupt(running, END_WITHIN)
        return True

    async def close(self) -> None:
        """End what runs: the desk stops."""
        running, watching = self.running, self._watching
        if running is not None and watching is not None:
            running.leaving = True
            self._interrupt(running, LEAVE_WITHIN)
            await watching

    # ------------------------------------------------------------ the process

    def _interrupt(self, running: Running, within: float) -> None:
        _send(running.process, signal.SIGINT)
        asyncio.get_running_loop().call_later(within, _send, running.process, signal.SIGKILL)

    async def _watch(self, running: Running) -> None:
        process = running.process
        try:
            await asyncio.gather(self._read(running), self._listen(running), process.wait())
        finally:
            _send(process, signal.SIGKILL)  # a job that nobody listens to any more must not go on
            self.running = None
            fate, sentence = _fate(running)
            by = running.cancelled_by or "desk"
            result = running.result or {}
            ended = JobEnded(self._desk.clock.now(), by, running.job, fate, sentence, result)
            running.recorded = self._desk.submit(ended)
            log.info("job %s (%s %s) ended: %s %s", running.job, running.plan.kind, running.plan.text, fate, sentence)

    async def _read(self, running: Running) -> None:
        """One JSON object a line: `progress`, and at last `result`."""
        assert running.process.stdout is not None
        async for line in running.process.stdout:
            try:
                told = json.loads(line)
            except ValueError:
                log.warning("job %s printed what is no JSON: %.200r", running.job, line)
                continue
            if "result" in told:
                running.result = told["result"]
            elif "progress" in told and clock.monotonic() - running.shown >= SHOW_EVERY:
                running.shown = clock.monotonic()
                self._show(job_subject(running.job), {"progress": told["progress"]})

    async def _listen(self, running: Running) -> None:
        """What it says of trouble goes to the log; its last line is why it failed."""
        assert running.process.stderr is not None
        async for line in running.process.stderr:
            running.last_words = line.decode(errors="replace").strip() or running.last_words
            log.debug("job %s: %s", running.job, running.last_words)


def _send(process: asyncio.subprocess.Process, sign: signal.Signals) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(sign)


def _fate(running: Running) -> tuple[str, str]:
    """How it ended, and why where there is a why."""
    result, code = running.result or {}, running.process.returncode
    if running.leaving:
        return "interrupted", ""
    if running.cancelled_by:
        return "cancelled", ""
    if result:
        return str(result.get("fate", "done")), str(result.get("why", ""))
    words = running.last_words.removeprefix("nightdesk: ").replace("`nightdesk backfill`", "`/desk backfill`")
    return "failed", words or f"its process ended with code {code}"
