"""The desk's Slack side on a real socket: a sandbox workspace, the real Bolt app, a fake engine behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.access import ClaimCode
from bot.app import build_app, front_desk, slack_client
from bot.connection import Connection
from bot.front import Front
from bot.home import HomeTabs
from bot.render import Words
from bot.reports import Reporter
from bot.sandbox import Sandbox
from bot.settings import Settings
from tests.sandbox.conftest import Drive
from tests.slack.box import Box
from tests.slack.desk import FakeDesk

CHANNELS = {"signals": "ml-signals", "reports": "daily-reports", "alerts": "system-alerts"}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings of the machine that runs the tests have no say in them."""
    monkeypatch.chdir(tmp_path)
    for name in ("DESK_ADMINS", "DESK_RISK", "DESK_TRADERS", "DESK_VIEWERS", "TIMEZONE", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def words() -> Words:
    return Words(ZoneInfo("America/Los_Angeles"))


@pytest.fixture
def settings() -> Settings:
    return Settings(
        _env_file=None,
        desk_admins=("U_ADMIN",),
        desk_risk=("U_RISK",),
        desk_traders=("U_TRADER", "U_TRADER2"),
        desk_viewers=("U_VIEWER",),
    )


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(tmp_path / "data", 0)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def drive(sandbox: Sandbox) -> AsyncIterator[Drive]:
    async with aiohttp.ClientSession() as session:
        yield Drive(session, sandbox)


@pytest.fixture
def client(sandbox: Sandbox) -> AsyncWebClient:
    return slack_client(sandbox.bot_token, sandbox.api_url)


@dataclass
class Room:
    """Everything that one test talks to."""

    desk: FakeDesk
    drive: Drive
    front: Front
    tabs: HomeTabs
    connection: Connection


@pytest.fixture
def claim() -> ClaimCode | None:
    return None


@pytest.fixture
async def room(
    desk: FakeDesk,
    settings: Settings,
    client: AsyncWebClient,
    sandbox: Sandbox,
    drive: Drive,
    words: Words,
    claim: ClaimCode | None,
) -> AsyncIterator[Room]:
    front = front_desk(desk, settings, client, claim=claim, reports=Reporter(desk, words))
    tabs = HomeTabs(front)
    connection = Connection(build_app(front, tabs), sandbox.app_token)
    await connection.open()
    watching = asyncio.create_task(tabs.watch())
    yield Room(desk, drive, front, tabs, connection)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await connection.close()


@pytest.fixture
async def box(desk: FakeDesk, client: AsyncWebClient, words: Words, tmp_path: Path) -> AsyncIterator[Box]:
    box = Box(desk, client, words, tmp_path / "outbox.sqlite")
    await box.start()
    yield box
    await box.stop()
