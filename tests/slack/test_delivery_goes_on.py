"""Delivery outlives what breaks under it: a disk, a token, a permission. Only a message at fault is given up."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

import bot.outbox
import bot.slack_side
from bot.app import front_desk
from bot.connection import NotReached
from bot.posts import announce
from bot.render import Words
from bot.reports import Reporter
from bot.sandbox import Sandbox
from bot.settings import Settings
from bot.slack_side import SlackSide
from engine import LedgerError
from engine.messages import Stopped
from engine.outcomes import AlarmRaised, ProposalOpened, ReportDue
from tests.days.desk import NOW
from tests.sandbox.conftest import Drive
from tests.slack.box import Box
from tests.slack.desk import FakeDesk
from tests.slack.test_outbox import ALARM, CARD

REPORT = ReportDue("evening", "evening:2026-11-20", NOW - timedelta(hours=12), NOW, late=False)


async def until(question: Callable[[], Any], within: float = 6.0) -> None:
    async with asyncio.timeout(within):
        while not question():
            await asyncio.sleep(0.02)


def refusing(box: Box, monkeypatch: pytest.MonkeyPatch, code: str) -> list[str]:
    """Slack answers every post with this code; what was tried."""
    tried: list[str] = []

    async def post(**about: Any) -> Any:
        tried.append(about["text"])
        raise SlackApiError(code, {"ok": False, "error": code})

    monkeypatch.setattr(box.client, "chat_postMessage", post)
    monkeypatch.setattr(bot.outbox, "BACK_OFF", (0.02,))
    return tried


@pytest.mark.parametrize("fault", [sqlite3.OperationalError("database or disk is full"), OSError(28, "No space left")])
async def test_a_fault_under_the_follower_is_survived(
    box: Box, drive: Drive, monkeypatch: pytest.MonkeyPatch, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bot.outbox, "FOLLOW_AGAIN", 0.05)
    take = box.store.take

    def broken(*_: Any) -> int:
        raise fault

    monkeypatch.setattr(box.store, "take", broken)
    box.write(ProposalOpened(CARD))
    box.outbox.wake()
    await until(lambda: "could not be followed" in caplog.text)
    monkeypatch.setattr(box.store, "take", take)

    await until(lambda: box.store.is_out("proposal:P1"))  # nobody wakes it again
    assert len(await drive.messages()) == 1


@pytest.mark.parametrize(
    "code", ["account_inactive", "token_expired", "missing_scope", "restricted_action", "access_denied", "new_code"]
)
async def test_what_people_can_mend_is_waited_for(
    box: Box, drive: Drive, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    tried = refusing(box, monkeypatch, code)
    box.write(ProposalOpened(CARD))
    box.outbox.wake()
    await until(lambda: len(tried) > bot.outbox.REFUSALS_MOST + 3)

    backlog = box.store.backlog(time.time())
    assert (backlog.waiting, backlog.failed, backlog.why) == (1, 0, code)
    monkeypatch.delattr(box.client, "chat_postMessage")  # Slack takes posts again; the back-off stays short
    await until(lambda: box.store.is_out("proposal:P1"))
    assert len(await drive.messages()) == 1


@pytest.mark.parametrize(
    "code", ["msg_too_long", "no_text", "invalid_arguments", "invalid_blocks", "metadata_too_large"]
)
async def test_a_message_at_fault_is_given_up_and_the_next_one_goes_out(
    box: Box, drive: Drive, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    refusing(box, monkeypatch, code)
    box.write(ProposalOpened(CARD))
    box.outbox.wake()
    await until(lambda: box.outbox.status().failed == 1)
    monkeypatch.delattr(box.client, "chat_postMessage")  # Slack takes posts again; the back-off stays short

    await box.say(AlarmRaised(ALARM))
    assert len(await drive.messages("system-alerts")) == 1


async def test_a_history_that_may_not_be_read_is_the_reason_that_is_told(
    box: Box, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def denied(**_: Any) -> Any:
        raise SlackApiError("missing_scope", {"ok": False, "error": "missing_scope"})

    monkeypatch.setattr(box.client, "conversations_history", denied)
    await drive.fault("lost_response", 0.5)
    box.write(ProposalOpened(CARD))
    box.outbox.wake()

    await until(lambda: "history could not be read: missing_scope" in box.store.backlog(time.time()).why)


async def test_a_report_counts_as_posted_when_slack_has_it(box: Box, drive: Drive) -> None:
    await drive.fault("slack_down", 1.0)
    box.write(REPORT)
    box.outbox.wake()
    await asyncio.sleep(0.4)
    assert (box.reported, box.store.is_out(f"report:{REPORT.slot}")) == (0, False)

    assert await box.outbox.flush(10.0)
    assert (box.reported, box.store.is_out(f"report:{REPORT.slot}")) == (1, True)


async def test_the_slack_side_tells_who_asked_that_a_report_is_out(
    sandbox: Sandbox, client: AsyncWebClient, desk: FakeDesk, settings: Settings, words: Words, tmp_path: Path
) -> None:
    pings: list[str] = []
    reporter = Reporter(desk, words)
    front = front_desk(desk, settings, client, reports=reporter)
    workspace: Any = SimpleNamespace(settings=settings, app_token=sandbox.app_token)
    side = SlackSide(front, workspace, tmp_path, reporter, time.time, lambda: pings.append("ping"))
    await side.open()
    assert not side.is_reported(REPORT.slot)

    message = Stopped(NOW, "test")
    desk.record(message, (REPORT,), announce(message, (REPORT,), desk.snapshot()))
    side.wake()
    await until(lambda: pings)
    assert side.is_reported(REPORT.slot)
    assert side.backlog().read == 1
    await side.close()
    assert pings == ["ping"]
    assert "cannot be read" in side.backlog().trouble


async def test_a_joining_that_breaks_off_is_begun_again(
    sandbox: Sandbox,
    client: AsyncWebClient,
    desk: FakeDesk,
    settings: Settings,
    words: Words,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Slack is away at the start, and once it is back the first try meets a fault of its own."""
    reporter = Reporter(desk, words)
    front = front_desk(desk, settings, client, reports=reporter)
    workspace: Any = SimpleNamespace(settings=settings, app_token=sandbox.app_token)
    monkeypatch.setattr(bot.slack_side, "JOIN_AGAIN", 0.05)
    side = SlackSide(front, workspace, tmp_path, reporter, time.time, lambda: None)
    opening, tries = bot.slack_side.Connection.open, []

    async def stumbling(connection: Any, within: float = 15.0) -> None:
        tries.append(connection)
        if len(tries) == 1:
            raise OSError(24, "Too many open files")
        await opening(connection, within)

    async def away(*_: Any) -> Any:
        raise NotReached("Slack cannot be reached")

    monkeypatch.setattr(bot.slack_side.Connection, "open", stumbling)
    monkeypatch.setattr(bot.slack_side, "check", away)
    await side.open()
    await until(lambda: side.up, 15.0)

    assert len(tries) == 2
    await side.close()


async def test_a_start_over_a_ledger_that_cannot_be_read_yet_delivers_once_it_can(
    box: Box, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.outbox, "FOLLOW_AGAIN", 0.05)
    await box.stop()
    box.write(ProposalOpened(CARD))
    records = box.desk.records

    def broken(after: int = 0) -> Any:
        raise LedgerError("the ledger cannot be read: disk I/O error")

    monkeypatch.setattr(box.desk, "records", broken)
    await box.start()
    monkeypatch.setattr(box.desk, "records", records)

    await until(lambda: box.store.is_out("proposal:P1"))
    assert len(await drive.messages()) == 1
