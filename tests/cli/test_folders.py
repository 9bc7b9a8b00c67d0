"""Which desk a command means: the one named, else the running one's, else the one last used."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from bot import folders
from bot.cli.errors import CliError


@pytest.fixture(autouse=True)
def _own_home(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(folders, "home", lambda: tmp_path / "share")


def presence(pid: int) -> folders.Presence:
    return folders.Presence(pid=pid, socket="none.sock", playbook="ema", kind="live")


def make(name: str):
    path = folders.folder_for(name, "live")
    path.mkdir(parents=True)
    return path


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_without_any_desk_the_error_says_how_to_start_one() -> None:
    with pytest.raises(CliError, match="start one with `nightdesk`"):
        folders.find(None)


def test_a_named_folder_must_exist(tmp_path) -> None:
    with pytest.raises(CliError, match="does not exist"):
        folders.find(tmp_path / "nowhere")


def test_the_running_desk_comes_before_the_one_last_used() -> None:
    running, last = make("ema"), make("other")
    folders.announce(running, presence(os.getpid()))
    folders.announce(last, presence(dead_pid()))
    assert folders.find(None) == (running, "the running desk's")


def test_with_none_running_the_last_used_is_meant() -> None:
    make("ema")
    last = make("other")
    folders.announce(last, presence(dead_pid()))
    assert folders.find(None) == (last, "the one last used")


def test_two_running_desks_must_be_told_apart() -> None:
    for name in ("ema", "other"):
        folders.announce(make(name), presence(os.getpid()))
    with pytest.raises(CliError, match="--data-dir"):
        folders.find(None)


def test_a_desk_withdraws_only_its_own_announcement() -> None:
    path = make("ema")
    folders.announce(path, presence(os.getppid()))
    folders.withdraw(path)
    assert folders.presence(path) is not None
    folders.announce(path, presence(os.getpid()))
    folders.withdraw(path)
    assert folders.presence(path) is None


def test_a_desk_that_stops_takes_its_socket_folder_along(tmp_path) -> None:
    place = folders.private_folder(tmp_path)
    folders.announce(tmp_path, folders.Presence(os.getpid(), str(place / "desk.sock"), "ema", "simulated"))
    (place / "pg.sock").touch()
    folders.withdraw(tmp_path)
    assert place.exists(), "somebody still uses it"
    (place / "pg.sock").unlink()
    folders.announce(tmp_path, folders.Presence(os.getpid(), str(place / "desk.sock"), "ema", "simulated"))
    folders.withdraw(tmp_path)
    assert not place.exists()


def test_sockets_live_in_a_short_private_folder(tmp_path) -> None:
    deep = tmp_path / ("a" * 100) / ("b" * 100)
    path = folders.private_folder(deep)
    assert len(str(path)) < 90
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_running_desk_on_a_folder_elsewhere_is_found_after_another_one_has_stopped(tmp_path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folders.announce(elsewhere, presence(os.getpid()))
    folders.announce(make("ema"), presence(dead_pid()))
    assert folders.find(None) == (elsewhere, "the running desk's")
