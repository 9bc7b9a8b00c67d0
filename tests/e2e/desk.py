"""A real desk in a process of its own, driven through the sandbox as a person would."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
SIGNALS = "ml-signals"


def environment(home: Path, **extra: str) -> dict[str, str]:
    """This process's environment without its settings, with a home of its own (the compile cache is shared)."""
    hidden = ("SLACK_", "DESK_", "DATABASE_URL", "PLAYBOOK", "TIMEZONE", "KRAKEN_", "MASSIVE_", "POLYGON_")
    hidden += ("HTTP_PROXY", "HTTPS_PROXY")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(hidden)}
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    return {**kept, "XDG_DATA_HOME": str(home), "XDG_CACHE_HOME": cache, "PYTHONUNBUFFERED": "1", **extra}


def command(*args: str, home: Path, timeout: float = 120, **extra: str) -> subprocess.CompletedProcess[str]:
    """`nightdesk ARGS`, to its end."""
    line = [sys.executable, "-m", "bot", *args]
    return subprocess.run(
        line, cwd=ROOT, env=environment(home, **extra), capture_output=True, text=True, timeout=timeout, check=False
    )


class Driver:
    """Drives a desk's sandbox over HTTP, by the address in its data folder."""

    data: Path

    def still_there(self) -> None:
        """Raise when there is no use in waiting any longer."""

    def output(self) -> str:
        """What the desk has printed."""
        return ""

    def wait(self, question: Callable[[], T], within: float, what: str) -> T:
        """Ask until the answer is true; fails with the desk's own words when it takes too long."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            self.still_there()
            try:
                if answer := question():
                    return answer
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            time.sleep(0.2)
        raise AssertionError(f"no {what} within {within:.0f} s:\n{self.output()}")

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        at = json.loads((self.data / "sandbox.json").read_text())
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"http://127.0.0.1:{at['port']}{path}", data)
        request.add_header("X-Sandbox-Token", at["token"])
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found

    def messages(self, thread: str | None = None, channel: str = SIGNALS) -> list[dict[str, Any]]:
        more = f"&thread_ts={thread}" if thread else ""
        found: list[dict[str, Any]] = self.ask(f"/_drive/messages?channel={channel}{more}")["messages"]
        return found

    def run(self, command: str, text: str = "", user: str = "U_ADMIN") -> str:
        """A slash command's answer in words."""
        body = {"user": user, "channel": SIGNALS, "command": command, "text": text}
        return words(self.ask("/_drive/command", body))

    def press(self, message: dict[str, Any], action: str, user: str = "U_TRADER", channel: str = SIGNALS) -> str:
        body = {"user": user, "channel": channel, "ts": message["ts"], "action_id": action}
        return words(self.ask("/_drive/press", body))

    def card(self, within: float = 90) -> dict[str, Any]:
        """A proposal card that can be approved."""
        return self.wait(lambda: next(iter(self.cards()), None), within, "proposal card")

    def cards(self) -> list[dict[str, Any]]:
        return [message for message in self.messages() if "proposal_approve" in json.dumps(message["blocks"])]

    def fault(self, kind: str, seconds: float) -> None:
        """Let the sandbox misbehave for a while."""
        self.ask("/_drive/fault", {"kind": kind, "seconds": seconds})

    def rows(self) -> list[dict[str, Any]]:
        """Every ledger row's content, read as any tool could."""
        with closing(sqlite3.connect(f"file:{self.data / 'ledger.sqlite'}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT body FROM records ORDER BY seq").fetchall()
        return [json.loads(zlib.decompress(body)) for (body,) in rows]

    def outcomes(self, kind: str) -> list[dict[str, Any]]:
        """Every recorded outcome of one kind, in order."""
        return [outcome for row in self.rows() for outcome in row["outcomes"] if outcome["is"] == kind]


class RunningDesk(Driver):
    """Starts `nightdesk run`; `stop` ends it as a service manager would, `kill` as a power cut would."""

    def __init__(self, data: Path, home: Path, *args: str, **extra: str) -> None:
        self.data = data
        self.home = home
        self._log = (home / "desk.log").open("a+")
        line = [sys.executable, "-m", "bot", "run", "--data-dir", str(data), "--port", "0", *args]
        env = environment(home, **extra)
        self.process = subprocess.Popen(line, cwd=ROOT, env=env, stdout=self._log, stderr=subprocess.STDOUT)

    def still_there(self) -> None:
        assert self.process.poll() is None, f"the desk ended {self.process.returncode}:\n{self.output()}"

    def output(self) -> str:
        self._log.flush()
        return (self.home / "desk.log").read_text()

    def ready(self, within: float = 120) -> RunningDesk:
        """Wait until the greeting of this start is in the signals channel."""
        self.wait(self._mine, within, "an address")
        self.wait(lambda: self.messages(), within, "a greeting")
        return self

    def _mine(self) -> bool:
        path = self.data / "sandbox.json"
        return path.exists() and json.loads(path.read_text())["pid"] == self.process.pid

    # ------------------------------------------------------------ ending

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            if self.process.poll() is None:
                self.kill()
            self._log.close()


def words(answer: dict[str, Any]) -> str:
    """All text of an answer."""
    return "\n".join(json.dumps([reply["text"], reply["blocks"]], ensure_ascii=False) for reply in answer["replies"])
