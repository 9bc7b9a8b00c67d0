"""The report is the heartbeat: who watches from outside hears of it when people can read it, and not before."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from engine import feed_named
from engine.clock import ScaledClock
from engine.domain import MarketKind
from engine.messages import Timer
from engine.outcomes import ReportDue
from tests.e2e.house import HouseThread

SEVEN = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # 07:00 in Los Angeles


class DeadMan(BaseHTTPRequestHandler):
    """Counts its calls."""

    calls = 0

    def do_GET(self) -> None:
        type(self).calls += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def dead_man() -> Iterator[str]:
    DeadMan.calls = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), DeadMan)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/ping"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_dead_man_is_called_when_the_report_is_in_slack(tmp_path: Path, dead_man: str) -> None:
    clock = ScaledClock(SEVEN.replace(hour=16), 1.0)
    feed = feed_named("simulated", clock=clock)
    with HouseThread(tmp_path / "desk", feed, MarketKind.SIMULATED, dead_man_url=dead_man) as desk:
        desk.wait(desk.messages, 15, "greeting")
        desk.fault("slack_down", 3)
        slot = Timer(clock.now(), "report", "morning:2026-11-20", SEVEN)
        record = desk.house.desk.submit(slot).result(10)
        assert any(isinstance(outcome, ReportDue) for outcome in record.outcomes)
        time.sleep(1)
        assert DeadMan.calls == 0

        desk.wait(lambda: DeadMan.calls, 30, "call")
        assert len([m for m in desk.messages(channel="daily-reports") if m.get("metadata")]) == 1
    assert DeadMan.calls == 1
