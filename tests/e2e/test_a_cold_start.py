"""What makes a start impossible is said at once, though nothing is compiled yet; a person need not wait for it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.store.folder import lock_folder
from tests.e2e.desk import ROOT, command, environment

COMPILING = "Compiling the trading core"


@pytest.fixture
def cold(tmp_path: Path) -> dict[str, str]:
    """An empty compile cache: compiling takes far longer than `AT_ONCE`."""
    return {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}


def refused(sentence: str, *args: str, home: Path, **extra: str) -> None:
    done = command("run", *args, home=home, timeout=60, **extra)
    assert (done.returncode, COMPILING in done.stdout) == (1, False), done
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_record_that_cannot_be_replayed(tmp_path: Path, cold: dict[str, str]) -> None:
    (tmp_path / "bars.parquet").write_bytes(b"no parquet at all")
    refused("bars.parquet", "--feed", f"replay:{tmp_path / 'bars.parquet'}", "--port", "0", home=tmp_path, **cold)


def test_a_folder_that_another_desk_has(tmp_path: Path, cold: dict[str, str]) -> None:
    with lock_folder(tmp_path / "desk"):
        where = ("--data-dir", str(tmp_path / "desk"))
        refused(f"in use by process {os.getpid()}", "--feed", "simulated", *where, home=tmp_path, **cold)


@pytest.mark.parametrize("feed", [("--feed", "simulated"), ()])
def test_a_taken_port(tmp_path: Path, cold: dict[str, str], feed: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        nowhere = {"KRAKEN_REST_URL": "http://127.0.0.1:9", "KRAKEN_WS_URL": "ws://127.0.0.1:9"}
        refused(f"port {port} is taken", *feed, "--port", port, home=tmp_path, **cold, **nowhere)


def test_the_address_is_there_before_the_compiling_ends_and_an_interrupt_does_not_wait_for_it(
    tmp_path: Path, cold: dict[str, str]
) -> None:
    line = [sys.executable, "-m", "bot", "run", "--feed", "simulated", "--port", "0", "--data-dir", str(tmp_path / "d")]
    env = environment(tmp_path, **cold)
    with subprocess.Popen(line, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as desk:
        try:
            assert desk.stdout is not None
            assert desk.stdout.readline().startswith("open this page: http://127.0.0.1:")
            said = [desk.stdout.readline() for _ in range(2)]
            assert any(COMPILING in text for text in said), f"it is said while the feed is asked, not {said}"
            time.sleep(1)  # within the first of its steps
            desk.send_signal(signal.SIGINT)
            began = time.monotonic()
            _, errors = desk.communicate(timeout=60)
        finally:
            desk.kill()
        assert desk.returncode == 130, errors
        assert "Traceback" not in errors
        assert time.monotonic() - began < 3
