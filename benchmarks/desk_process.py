"""A real desk in a process of its own for a benchmark: started, asked, driven through its sandbox, weighed, stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).resolve().parent.parent
SIGNALS = "ml-signals"
_HIDDEN = ("SLACK_", "DESK_", "DATABASE_URL", "PLAYBOOK", "TIMEZONE", "KRAKEN_", "HTTP_PROXY", "HTTPS_PROXY")


class DeskProcess:
    """`nightdesk run` on a data folder in `home`. Use as `async with`; it is stopped at the end, whatever happens."""

    def __init__(self, home: Path, *args: str, **settings: str) -> None:
        self.data = home / "data"
        self.log = home / "desk.log"
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_HIDDEN)}
        self._env = {**kept, "XDG_DATA_HOME": str(home), "PYTHONUNBUFFERED": "1", **settings}
        self._line = [sys.executable, "-m", "bot", "run", "--data-dir", str(self.data), "--port", "0", *args]

    async def __aenter__(self) -> DeskProcess:
        with self.log.open("w") as log:
            self.process = subprocess.Popen(self._line, cwd=ROOT, env=self._env, stdout=log, stderr=subprocess.STDOUT)
        self.began = time.monotonic()
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self.process.wait, 30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    async def greeting(self, within: float = 120) -> float:
        """Wait for the first message in the signals channel; returns seconds since the start."""
        while time.monotonic() < self.began + within:
            self._must_run()
            if (self.data / "desk.json").exists() and await self.messages():
                return time.monotonic() - self.began
            await asyncio.sleep(0.1)
        raise SystemExit(f"no greeting within {within:.0f} s: {self.log.read_text()[-800:]}")

    # ------------------------------------------------------------ driving

    async def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One call of the sandbox's `/_drive`."""
        self._must_run()
        at = json.loads((self.data / "sandbox.json").read_text())
        url, token = f"http://127.0.0.1:{at['port']}/_drive/{path}", {"X-Sandbox-Token": at["token"]}
        async with self._http.request("POST" if body is not None else "GET", url, json=body, headers=token) as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.ask(f"messages?channel={SIGNALS}"))["messages"]
        return found

    def numbers(self) -> dict[str, Any]:
        """How the desk keeps up, as its console socket tells."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(15)
            link.connect(json.loads((self.data / "desk.json").read_text())["socket"])
            link.sendall(b'{"command":"status"}\n')
            with link.makefile() as lines:
                found: dict[str, Any] = json.loads(lines.readline())["numbers"]
                return found

    def _must_run(self) -> None:
        if self.process.poll() is not None:
            raise SystemExit(f"the desk ended with {self.process.returncode}: {self.log.read_text()[-800:]}")

    # ------------------------------------------------------------ weighing

    def memory_mb(self) -> float:
        """Resident memory of the desk's own process."""
        return _field(self.process.pid, "status", "VmRSS:")

    def database_mb(self) -> float:
        """Memory of the embedded PostgreSQL's processes, shared pages counted once (PSS)."""
        from engine.store.embedded import EmbeddedPostgres

        postmaster = EmbeddedPostgres(self.data).pid()
        family = {postmaster, *_children(postmaster)} if postmaster else set()
        return sum(_field(pid, "smaps_rollup", "Pss:") for pid in family)

    def cpu_seconds(self) -> float:
        """Processor time that the desk's own process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _field(pid: int, name: str, key: str) -> float:
    """A figure in kB of /proc as MB; 0 for a process that is gone."""
    try:
        text = Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return 0.0
    return int(text.split(key)[1].split()[0]) / 1024
