"""/desk backfill and backtest on a whole desk: a message that moves, a Cancel that works, a kill without an orphan."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.backfill.made import bars_of
from tests.backfill.test_the_command import flat_files
from tests.e2e.desk import RunningDesk
from tests.servers.kraken import KrakenServer
from tests.servers.venue_thread import VenueThread

SLOW = "kraken BTC/USD 2024-01-01 2024-12-01"  # a request a second, and 335 days


def job_message(desk: RunningDesk, says: str) -> dict[str, Any] | None:
    """The newest message about a job, once it says so."""
    about = [one for one in desk.messages() if "Asked for by" in json.dumps(one["blocks"])]
    shown = json.dumps(about[-1]["blocks"], ensure_ascii=False) if about else ""
    return about[-1] if says in shown else None


def job_process(desk: RunningDesk) -> psutil.Process | None:
    children = psutil.Process(desk.process.pid).children()
    return next((one for one in children if "backfill" in one.cmdline()), None)


def test_a_job_from_slack_runs_beside_the_desk_and_dies_with_it(
    start: Callable[..., RunningDesk], tmp_path: Path
) -> None:
    truth = {symbol: bars_of(symbol, 2 * 1440) for symbol in ("BTC/USD", "ETH/USD")}
    folder = flat_files(tmp_path / "files", truth)
    with VenueThread(KrakenServer(["BTC/USD"])) as venue:
        where = {"KRAKEN_REST_URL": venue.server.rest_url}
        desk = start("--feed", "simulated", **where).ready()

        said = desk.run("/desk", f"backfill massive-files:{folder} BTC/USD,ETH/USD 2024-03-01 2024-03-03")
        assert "Started" in said
        done = desk.wait(lambda: job_message(desk, "Backfill done"), 60, "closing card")
        assert "5,760" in json.dumps(done["blocks"])

        assert "Started" in desk.run("/desk", "backtest BTC/USD,ETH/USD 2024-03-01 2024-03-03")
        tried = desk.wait(lambda: job_message(desk, "Backtest done"), 60, "the backtest's card")
        assert "Sharpe" in json.dumps(tried["blocks"])
        chart = desk.wait(lambda: [one for one in desk.messages(tried["ts"]) if one.get("files")], 20, "chart")
        assert "backtest BTC/USD,ETH/USD" in json.dumps(chart)

        _start(desk)
        moving = desk.wait(lambda: job_message(desk, "pieces"), 60, "progress")
        process = job_process(desk)
        assert process is not None
        assert process.nice() == 19
        _acks_at_once(desk)
        assert "Cancelling" in desk.press(moving, "job_cancel", "U_ADMIN")
        over = desk.wait(lambda: job_message(desk, "Cancelled by"), 30, "the end of a cancelled job")
        assert over["ts"] == moving["ts"]
        assert "job_cancel" not in json.dumps(over["blocks"])
        assert [one["fate"] for one in desk.outcomes("JobClosed")] == ["done", "done", "cancelled"]
        assert "cancelling a job" in desk.run("/desk", "audit 5")

        _start(desk)
        running = desk.wait(lambda: job_message(desk, "pieces"), 60, "progress")
        orphan = job_process(desk)
        assert orphan is not None
        desk.kill()
        orphan.wait(20)
        again = start("--feed", "simulated", **where).ready()
        said_so = again.wait(lambda: job_message(again, "The desk stopped"), 30, "word of the interrupted job")
        assert said_so["ts"] == running["ts"]
        assert [one["fate"] for one in again.outcomes("JobClosed")][-1] == "interrupted"
        _start(again)
        again.wait(lambda: job_message(again, "pieces"), 60, "progress")
        assert again.stop() == 0
        assert [one["fate"] for one in again.outcomes("JobClosed")][-1] == "interrupted"


def _start(desk: RunningDesk) -> None:
    assert "Started" in desk.wait(lambda: desk.run("/desk", f"backfill {SLOW}"), 20, "start")


def _acks_at_once(desk: RunningDesk) -> None:
    """Not a measurement: that the desk answers while the job runs."""
    begun = time.monotonic()
    assert "Nothing was started" in desk.run("/desk", f"backfill {SLOW}")
    assert time.monotonic() - begun < 10
