"""A running desk, and everything that comes beside it: a second desk, commands, a lost database, a signal."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from engine.store.embedded import EmbeddedPostgres
from tests.e2e.desk import RunningDesk, command

FAST = ("--feed", "simulated", "--speed", "150")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    home = tmp_path_factory.mktemp("two")
    running = RunningDesk(home / "desk", home, *FAST).ready()
    yield running
    running.stop()


def beside(desk: RunningDesk, *args: str, **extra: str):
    return command(*args, "--data-dir", str(desk.data), home=desk.home, **extra)


def test_a_second_desk_on_the_same_folder_is_told_who_the_first_is(desk) -> None:
    second = beside(desk, "run", *FAST, "--port", "0")
    assert second.returncode == 1
    assert f"is in use by process {desk.process.pid} on" in second.stderr
    assert "since" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_second_desk_on_the_same_database_is_told_who_the_first_is(desk) -> None:
    url = database_of(desk)
    second = command(
        "run", *FAST, "--port", "0", "--data-dir", str(desk.home / "other"), home=desk.home, DATABASE_URL=url
    )
    assert second.returncode == 1
    assert f"is in use by another desk: process {desk.process.pid} on" in second.stderr
    assert str(desk.data) in second.stderr
    assert "Traceback" not in second.stderr


def test_a_folder_keeps_the_kind_of_market_it_was_born_with(desk) -> None:
    second = beside(desk, "run", "--feed", "kraken")
    assert second.returncode == 1
    assert "was born simulated for playbook ema and never changes" in second.stderr


def test_the_console_commands_answer_in_words(desk) -> None:
    assert "ema on a simulated market" in beside(desk, "status").stdout
    assert "PAUSE placed" in beside(desk, "pause", "for", "lunch").stdout
    assert "for lunch" in beside(desk, "status").stdout
    assert "state is ACTIVE" in beside(desk, "resume").stdout
    nothing = beside(desk, "close", "NOPE")
    assert (nothing.returncode, "no open position in 'NOPE'" in nothing.stdout) == (1, True)
    assert "nothing was done" in beside(desk, "panic").stderr


def test_the_checks_work_beside_the_desk(desk) -> None:
    for words, *args in (("rows checked", "verify"), ("all equal", "replay"), ("nothing to do", "migrate")):
        done = beside(desk, *args)
        assert (done.returncode, words in done.stdout) == (0, True), done
    assert f"process {desk.process.pid} runs" in beside(desk, "doctor", KRAKEN_REST_URL="http://127.0.0.1:9").stdout


def test_a_database_that_dies_costs_nothing(desk) -> None:
    pid = EmbeddedPostgres(desk.data).pid()
    assert pid
    rows = len(desk.rows())
    os.kill(pid, signal.SIGKILL)
    desk.wait(lambda: len(desk.rows()) > rows + 20, 30, "rows while the database is dead")
    again = desk.wait(lambda: EmbeddedPostgres(desk.data).pid(), 40, "new server")
    assert again != pid
    desk.wait(lambda: "database is 0 s behind" in desk.run("/health"), 40, "database that has caught up")


def test_the_console_closes_one_position_and_a_panic_closes_all(desk) -> None:
    symbol = desk.wait(lambda: an_open_position(desk), 90, "position")
    done = beside(desk, "close", symbol)
    assert done.returncode == 0, done
    desk.wait(lambda: (symbol, "manual") in ends(desk), 30, "end by hand")

    desk.wait(lambda: an_open_position(desk), 90, "another position")
    assert beside(desk, "panic", "--yes").returncode == 0
    desk.wait(lambda: "HALTED" in beside(desk, "status").stdout, 10, "halted desk")
    desk.wait(lambda: not re.search(r"[A-Z]+/USD (long|short)", desk.run("/positions")), 30, "end of every position")
    assert beside(desk, "resume").returncode == 1, "a script does not lift a panic by accident"
    assert "state is ACTIVE" in beside(desk, "resume", "--yes").stdout


def test_a_signal_ends_the_desk_in_order_and_names_what_stays_open(desk) -> None:
    desk.wait(lambda: an_open_position(desk), 90, "position")
    postgres = EmbeddedPostgres(desk.data).pid()
    theirs = psutil.Process(desk.process.pid).children(recursive=True)
    assert theirs
    began = time.monotonic()
    desk.process.send_signal(signal.SIGINT)
    assert desk.process.wait(20) == 0
    assert time.monotonic() - began < 15
    last = desk.output().splitlines()[-1]
    left = still_open(desk)  # at 150 times the speed of life its stop may have been faster than the signal
    assert last.startswith("stopped; open positions stay as they are:" if left else "stopped; no position is open"), (
        last
    )
    assert all(symbol in last for symbol in left)
    assert not psutil.pid_exists(postgres)
    assert not [child for child in theirs if child.is_running()]
    assert "Traceback" not in desk.output()


def an_open_position(desk: RunningDesk) -> str:
    for card in desk.cards():
        desk.press(card, "proposal_approve")
    found = re.search(r"([A-Z]+/USD) (long|short)", desk.run("/positions"))
    return found[1] if found else ""


def still_open(desk: RunningDesk) -> set[str]:
    """Symbols of the trades that were opened and not closed."""
    closed = {o["trade"]["trade_id"] for o in desk.outcomes("PositionClosed")}
    opened = [o["position"] for o in desk.outcomes("PositionOpened")]
    return {position["symbol"] for position in opened if position["trade_id"] not in closed}


def ends(desk: RunningDesk) -> list[tuple[str, str]]:
    """Symbol and reason of every closed trade."""
    return [(o["trade"]["symbol"], o["trade"]["exit_reason"]) for o in desk.outcomes("PositionClosed")]


def database_of(desk: RunningDesk) -> str:
    """The embedded server's address, for another desk."""
    parts = dict(part.split("=", 1) for part in EmbeddedPostgres(desk.data).conninfo.split())
    return f"postgresql://{parts['user']}@/{parts['dbname']}?host={parts['host']}"
