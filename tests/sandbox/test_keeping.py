"""What the workspace keeps, and whom it lets in."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from slack_sdk.web import WebClient
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from bot.sandbox import SANDBOX_ROLES, Sandbox
from tests.sandbox.conftest import SIGNALS, Drive

RUN = """
import asyncio, sys
from pathlib import Path
from bot.sandbox import Sandbox

async def main() -> None:
    sandbox = Sandbox(Path(sys.argv[1]), 0)
    await sandbox.start()
    print(sandbox.api_url, sandbox.bot_token, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def run(folder: Path) -> tuple[subprocess.Popen[str], WebClient]:
    command = [sys.executable, "-c", RUN, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    url, token = process.stdout.readline().split()
    process.stdout.close()
    return process, WebClient(token=token, base_url=url)


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    process, client = run(tmp_path)
    head = client.chat_postMessage(channel=SIGNALS, text="kept")["ts"]
    gone = client.chat_postMessage(channel=SIGNALS, text="deleted")["ts"]
    client.chat_delete(channel=SIGNALS, ts=gone)
    client.chat_update(channel=SIGNALS, ts=head, text="kept and changed")
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process, again = run(tmp_path)
    try:
        assert again.token == client.token
        messages = again.conversations_history(channel=SIGNALS)["messages"]
        assert [(one["ts"], one["text"]) for one in messages] == [(head, "kept and changed")]
        assert again.chat_postMessage(channel=SIGNALS, text="next")["ts"] > gone
    finally:
        process.kill()
        process.wait(10)


async def test_an_id_is_never_given_twice_even_when_the_clock_goes_back(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    class Fixed:
        def now(self) -> datetime:
            return datetime(2026, 1, 1, tzinfo=UTC)

    seen = []
    for _start in range(2):
        sandbox = Sandbox(tmp_path, 0, Fixed())
        await sandbox.start()
        client = AsyncWebClient(token=sandbox.bot_token, base_url=sandbox.api_url)
        seen.append((await client.chat_postMessage(channel=SIGNALS, text="x"))["ts"])
        last = (await client.chat_postMessage(channel=SIGNALS, text="y"))["ts"]
        await client.chat_delete(channel=SIGNALS, ts=last)
        seen.append(last)
        await sandbox.stop()
    assert seen == sorted(set(seen))


async def test_the_address_file_is_private_and_true(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "data" / "sandbox.json"
    told = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (told["url"], told["token"], told["port"]) == (sandbox.address, sandbox.token, sandbox.port)
    assert told["pid"] == os.getpid()
    assert [one.name for one in path.parent.glob(".sandbox-*")] == []


async def test_a_given_port_that_is_taken_is_an_error_and_a_default_one_moves_on(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        given = Sandbox(tmp_path / "a", port)
        with pytest.raises(OSError, match=f"port {port} is taken"):
            await given.start()
        await given.stop()
    first, second = Sandbox(tmp_path / "b"), Sandbox(tmp_path / "c")
    await first.start()
    await second.start()
    assert second.port > first.port >= 8484
    await first.stop()
    await second.stop()


@pytest.mark.parametrize(
    "path", ["/_drive/messages?channel=ml-signals", "/_page/state?user=U_ADMIN", "/_page/stream", "/"]
)
async def test_nothing_is_read_without_the_token(drive: Drive, path: str) -> None:
    for headers in ({}, {"X-Sandbox-Token": "guess"}):
        async with drive.session.get(drive.root + path, headers=headers) as response:
            assert response.status == 401


async def test_other_sites_and_other_names_are_refused(drive: Drive) -> None:
    token = {"X-Sandbox-Token": drive.sandbox.token}
    for bad in (
        {"Origin": "http://evil.example"},
        {"Host": "evil.example:80"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        async with drive.session.post(f"{drive.root}/_drive/fault", json={}, headers={**token, **bad}) as response:
            assert response.status == 403


async def test_the_token_moves_from_the_address_into_a_strict_cookie(drive: Drive) -> None:
    async with drive.session.get(drive.sandbox.address, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "/")
        cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    held = {"Cookie": cookie.split(";")[0]}
    async with drive.session.get(f"{drive.root}/", headers=held) as response:
        assert response.status == 200
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert "unsafe" not in response.headers["Content-Security-Policy"]


async def test_the_page_s_door_leads_to_the_page_s_files_only(drive: Drive) -> None:
    headers = {"X-Sandbox-Token": drive.sandbox.token}
    for name, status in (("app.js", 200), ("..%2Fserver.py", 404), ("%2e%2e/server.py", 404), ("absent.js", 404)):
        address = URL(f"{drive.root}/page/{name}", encoded=True)
        async with drive.session.get(address, headers=headers) as response:
            assert response.status == status


def test_it_listens_on_this_machine_only(tmp_path: Path) -> None:
    process, client = run(tmp_path)
    try:
        port = client.base_url.split(":")[2].split("/")[0]
        with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
            urllib.request.urlopen(f"http://127.0.0.2:{port}/", timeout=2)
    finally:
        process.kill()
        process.wait(10)


async def test_wrong_calls_of_the_drive_say_what_is_wrong(drive: Drive) -> None:
    path, good = "/_drive/command", {"user": "U_TRADER", "channel": "ml-signals", "command": "/positions", "text": ""}
    for field, value, status, code in (
        ("user", "U_BOT", 404, "user_not_found"),
        ("channel", "nowhere", 404, "channel_not_found"),
        ("command", "/nope", 404, "unknown_command"),
        ("command", "positions", 404, "unknown_command"),
        ("text", 5, 400, "invalid_arguments"),
    ):
        answer = await drive.post(path, status, **{**good, field: value})
        assert (answer["ok"], answer["error"]) == (False, code)
        assert answer["message"]
    assert (await drive.post("/_drive/fault", 400, kind="fire", seconds=1))["error"] == "unknown_fault"
    assert (await drive.post("/_drive/fault", 400, kind="refresh", seconds=-1))["error"] == "invalid_arguments"
    press = {"user": "U_TRADER", "channel": "ml-signals", "ts": "1.0", "action_id": "go"}
    assert (await drive.post("/_drive/press", 404, **press))["error"] == "message_not_found"


def test_the_roles_name_everybody_but_the_stranger_and_the_bot() -> None:
    assert set(SANDBOX_ROLES) == {"U_ADMIN", "U_RISK", "U_TRADER", "U_TRADER2", "U_VIEWER"}
    assert SANDBOX_ROLES["U_ADMIN"] == "admin"


async def test_a_bookmark_lives_on_across_restarts(tmp_path: Path) -> None:
    first = Sandbox(tmp_path)
    address = await first.start()
    await first.stop()
    again = Sandbox(tmp_path)
    assert await again.start() == address
    async with aiohttp.ClientSession() as session, session.get(address, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "/")
        assert "Max-Age=" in response.headers["Set-Cookie"], "the next visit needs no token in the address"
    await again.stop()


async def test_the_page_is_told_the_desk_s_own_time(drive: Drive) -> None:
    class Clock:
        speed = 60.0

        def now(self) -> datetime:
            return datetime(2026, 11, 20, 3, 35, tzinfo=UTC)

    assert (await drive.get("/_page/clock"))["clock"] is None
    drive.sandbox.show_clock(Clock(), "America/Los_Angeles")
    told = (await drive.get("/_page/state", user="U_ADMIN"))["clock"]
    assert told == {"now": Clock().now().timestamp() * 1000, "speed": 60.0, "zone": "America/Los_Angeles"}
