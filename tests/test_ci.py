"""The script that every change must pass never passes by leaving something out."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "run"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the script alone, and a machine with few programs; `pip` and `uv` note what they were asked."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "dirname", "ls"):
        (programs / name).symlink_to(str(shutil.which(name)))
    for name in ("pip", "uv"):
        program(programs / name, f'echo {name} "$@" >> "{tmp_path}/asked"')
    (tmp_path / "repo" / ".ci").mkdir(parents=True)
    shutil.copy(SCRIPT, tmp_path / "repo" / ".ci" / "run")
    return tmp_path


def program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def run(checkout: Path, **variables: str) -> tuple[int, str, str]:
    env = {"PATH": str(checkout / "bin"), **variables}
    line = [str(shutil.which("bash")), str(checkout / "repo" / ".ci" / "run")]
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=30, check=False)
    asked = checkout / "asked"
    return done.returncode, done.stderr, asked.read_text() if asked.exists() else ""


def test_it_stops_where_the_browser_tests_would_be_skipped(checkout: Path) -> None:
    code, said, asked = run(checkout)

    assert (code, asked) == (1, "")
    assert "browser tests would be skipped" in said


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_with_a_browser_it_runs_everything_and_runs_again(checkout: Path, name: str) -> None:
    program(checkout / "bin" / name, "exit 0")

    assert run(checkout)[0] == 0
    assert run(checkout)[0] == 0
    asked = run(checkout)[2].splitlines()[:6]
    assert asked == ["pip install --quiet uv", "uv run ruff check .", "uv run ruff format --check .", "uv run mypy",
                     "pip install --quiet uv", "uv run pytest"]  # fmt: skip


@pytest.mark.parametrize("where", ["", "nowhere", "empty"])
def test_it_stops_where_the_data_that_were_promised_are_not_there(checkout: Path, where: str) -> None:
    program(checkout / "bin" / "chromium", "exit 0")
    (checkout / "empty" / "bars").mkdir(parents=True)

    code, said, asked = run(checkout, MARKET_DATA_DIR=str(checkout / where) if where else "")

    assert (code, asked) == (1, "")
    assert "MARKET_DATA_DIR" in said


def test_data_beside_the_checkout_are_used(checkout: Path) -> None:
    program(checkout / "bin" / "chromium", "exit 0")
    program(checkout / "bin" / "uv", f'echo "$MARKET_DATA_DIR" >> "{checkout}/asked"')
    (checkout / "shared" / "data" / "bars").mkdir(parents=True)
    (checkout / "shared" / "data" / "bars" / "made.csv").touch()

    assert str(checkout / "shared" / "data") in run(checkout)[2]
