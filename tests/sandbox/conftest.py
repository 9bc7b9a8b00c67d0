"""A sandbox on a free port and a real Bolt app connected to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox import Sandbox

MANIFEST = Path(__file__).parent / "manifest.yml"
SIGNALS = "C0SIGNALS01"


@dataclass
class Drive:
    """A script's side: /_drive over HTTP."""

    session: aiohttp.ClientSession
    sandbox: Sandbox

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.sandbox.port}"

    async def post(self, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        headers = {"X-Sandbox-Token": self.sandbox.token}
        async with self.session.post(f"{self.root}{path}", json=body, headers=headers) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def get(self, path: str, status: int = 200, **query: str) -> dict[str, Any]:
        headers = {"X-Sandbox-Token": self.sandbox.token}
        async with self.session.get(f"{self.root}{path}", params=query, headers=headers) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def command(self, command: str, text: str = "", user: str = "U_TRADER", **more: Any) -> dict[str, Any]:
        where = {"user": user, "channel": "ml-signals"}
        return await self.post("/_drive/command", **{**where, "command": command, "text": text, **more})

    async def press(self, message: dict[str, Any], action: str, user: str = "U_TRADER", **more: Any) -> dict[str, Any]:
        where = {"user": user, "channel": message["channel"], "ts": message["ts"], "action_id": action}
        return await self.post("/_drive/press", **where, **more)

    async def fault(self, kind: str, seconds: float) -> dict[str, Any]:
        return await self.post("/_drive/fault", kind=kind, seconds=seconds)

    async def messages(self, channel: str = "ml-signals", **query: str) -> list[dict[str, Any]]:
        return (await self.get("/_drive/messages", channel=channel, **query))["messages"]


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(tmp_path / "data", 0, manifest=MANIFEST)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def drive(sandbox: Sandbox) -> AsyncIterator[Drive]:
    async with aiohttp.ClientSession() as session:
        yield Drive(session, sandbox)


@pytest.fixture
def client(sandbox: Sandbox) -> AsyncWebClient:
    return AsyncWebClient(token=sandbox.bot_token, base_url=sandbox.api_url, retry_handlers=[])


async def connected(handler: AsyncSocketModeHandler, seconds: float = 5.0) -> None:
    """Return when the handler's socket is up."""
    async with asyncio.timeout(seconds):
        while not await handler.client.is_connected():
            await asyncio.sleep(0.01)


@pytest.fixture
def app(client: AsyncWebClient) -> AsyncApp:
    return AsyncApp(client=client)


@pytest.fixture
async def handler(app: AsyncApp, sandbox: Sandbox) -> AsyncIterator[AsyncSocketModeHandler]:
    handler = AsyncSocketModeHandler(app, sandbox.app_token, ping_interval=0.5)
    await handler.connect_async()
    await connected(handler)
    yield handler
    await handler.close_async()
