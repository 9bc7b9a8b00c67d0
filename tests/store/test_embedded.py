"""The embedded PostgreSQL: as root and as anybody, found again after every kind of death, nobody's folders opened."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from engine.clock import monotonic
from engine.store.away import move, moved
from engine.store.database import embedded
from engine.store.embedded import EmbeddedPostgres
from engine.store.errors import EmbeddedError
from engine.store.wheel import public_package
from tests.store.conftest import place_of

ROOT = Path(__file__).resolve().parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can try being somebody else")

_START_AND_WAIT = """
import sys, threading
from pathlib import Path
from engine.store.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2] else None)
server.start()
print(server.pid(), flush=True)
threading.Event().wait(60)
"""
_START_AND_ASK = """
import os, sys
from pathlib import Path
import psycopg
from engine.store.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
with psycopg.connect(server.conninfo) as connection:
    print(connection.execute("SELECT current_user, count(*) FROM pg_class").fetchone()[0])
server.stop()
"""


def _ask(server: EmbeddedPostgres, query: str) -> object:
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchone() if cursor.description else None


@pytest.fixture
def closed_home(tmp_path: Path) -> Iterator[Path]:
    """A home folder as many systems have it: its owner's alone."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    yield home
    assert home.stat().st_mode & 0o777 == 0o700


def test_it_starts_listens_to_nobody_else_and_stops(server: EmbeddedPostgres) -> None:
    assert _ask(server, "SHOW listen_addresses") == ("",)
    assert _ask(server, "SHOW fsync") == ("on",)
    socket = place_of(server).socket
    assert socket.stat().st_mode & 0o777 == 0o700
    assert len(str(socket / ".s.PGSQL.5432")) < 100
    begun = monotonic()
    server.stop()
    assert monotonic() - begun < 5.0
    assert server.pid() is None
    assert not socket.exists()


def test_another_user_name_is_not_let_in(server: EmbeddedPostgres) -> None:
    _ask(server, "CREATE ROLE somebody LOGIN SUPERUSER")
    with pytest.raises(psycopg.OperationalError, match="Peer authentication failed"):
        psycopg.connect(server.conninfo, user="somebody")


def test_what_was_written_is_there_after_a_stop_and_after_a_kill(server: EmbeddedPostgres) -> None:
    _ask(server, "CREATE TABLE kept (n int)")
    _ask(server, "SET synchronous_commit = on; INSERT INTO kept VALUES (1)")
    server.stop()
    server.start()
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    server.start()
    assert server.pid() not in (None, pid)
    assert _ask(server, "SELECT n FROM kept") == (1,)


def test_a_server_that_a_killed_desk_left_is_adopted_and_can_be_stopped(base: Path | None, tmp_path: Path) -> None:
    data = tmp_path / "data"
    desk = subprocess.Popen(
        [sys.executable, "-c", _START_AND_WAIT, str(data), str(base or "")], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert desk.stdout is not None
    left = int(desk.stdout.readline())
    desk.kill()
    desk.communicate()
    server = EmbeddedPostgres(data, base)
    server.start()
    assert (server.pid(), server.adopted) == (left, True)
    server.stop()
    assert server.pid() is None


def test_two_starts_at_once_share_one_server(base: Path | None, tmp_path: Path) -> None:
    servers = [EmbeddedPostgres(tmp_path / "data", base) for _ in range(2)]
    threads = [threading.Thread(target=server.start) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert servers[0].pid() == servers[1].pid() is not None
    assert sorted(server.adopted for server in servers) == [False, True]
    next(server for server in servers if not server.adopted).stop()


def test_a_pid_that_is_somebody_elses_now_does_not_stop_a_start(server: EmbeddedPostgres) -> None:
    server.stop()
    leftover = place_of(server).cluster / "postmaster.pid"
    leftover.write_text(f"{os.getpid()}\n{place_of(server).cluster}\n1\n5432\n\n\n0 0\nready\n")
    server.start()
    assert server.pid() != os.getpid()


def test_looking_for_a_server_makes_nothing_and_finds_a_running_one(
    server: EmbeddedPostgres, victim: Path, tmp_path: Path, base: Path | None
) -> None:
    assert EmbeddedPostgres(victim, base).pid() == server.pid()
    with psycopg.connect(EmbeddedPostgres(victim, base).conninfo) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert EmbeddedPostgres(tmp_path / "elsewhere", base).pid() is None
    assert not (tmp_path / "elsewhere").exists()


def test_a_half_made_cluster_is_made_again(base: Path | None, tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", base)
    server.start()
    server.stop()
    cluster = place_of(server).cluster
    fresh = cluster.with_name(f"{cluster.name}.new")
    cluster.rename(fresh)
    (fresh / "PG_VERSION").unlink()
    server.start()
    assert _ask(server, "SELECT 1") == (1,)
    server.stop()


def test_a_server_that_does_not_start_says_why(server: EmbeddedPostgres) -> None:
    server.stop()
    settings = place_of(server).cluster / "postgresql.conf"
    settings.write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedError, match=r"did not start: .*contains errors .*server\.log"):
        server.start()
    settings.write_text("")


def test_a_server_whose_socket_was_cleaned_away_is_started_again_with_all_it_held(server: EmbeddedPostgres) -> None:
    _ask(server, "CREATE TABLE kept AS SELECT 7 AS x")
    shutil.rmtree(place_of(server).socket)
    with embedded(server).connect() as connection:
        assert connection.execute("SELECT x FROM kept").fetchone() == (7,)


def test_a_server_that_lost_the_file_that_names_it_is_ended_and_replaced(server: EmbeddedPostgres) -> None:
    orphan = server.pid()
    (place_of(server).cluster / "postmaster.pid").unlink()
    with embedded(server).connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert server.pid() != orphan
    assert not psutil.pid_exists(orphan)


def test_a_stopped_server_stays_stopped(server: EmbeddedPostgres) -> None:
    server.stop()
    server.revive()
    assert server.pid() is None


def test_a_closed_home_stays_closed(closed_home: Path, base: Path | None) -> None:
    server = EmbeddedPostgres(closed_home / "desk", base)
    server.start()
    assert _ask(server, "SELECT 1") == (1,)
    again = EmbeddedPostgres(closed_home / "desk", base)
    again.start()
    assert again.adopted
    server.stop()


@as_root
def test_the_cluster_of_a_temporary_data_folder_goes_with_it(programs: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    homes = [tmp_path / name / "pg" for name in ("one", "two", "three")]
    for home in homes:
        home.mkdir(parents=True)
    move(homes[0], None)
    move(homes[1], None)
    first, second = moved(homes[0]), moved(homes[1])
    assert first is not None
    assert second is not None
    shutil.rmtree(homes[0])
    move(homes[2], None)
    assert not first.exists()
    assert second.is_dir()
    for home in homes[1:]:
        shutil.rmtree(moved(home) or home)


@as_root
def test_root_keeps_the_programs_copy_to_itself_and_mends_it(programs: Path, base: Path) -> None:
    copy = public_package(programs, base)
    assert copy.parent.stat().st_uid == 0
    assert all(not path.lstat().st_mode & 0o022 for path in copy.rglob("*"))
    broken = copy / "pginstall18" / "bin" / "initdb"
    broken.write_bytes(b"short")
    assert public_package(programs, base) == copy
    assert broken.stat().st_size > 1000


@as_root
def test_a_container_that_forbids_changing_users_gets_a_sentence(
    server: EmbeddedPostgres, tmp_path: Path, base: Path
) -> None:
    script = (
        "import sys; from pathlib import Path; from engine.store.embedded import EmbeddedPostgres\n"
        "try: EmbeddedPostgres(Path(sys.argv[1]), Path(sys.argv[2])).start()\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    dropped = ["setpriv", "--bounding-set=-setuid,-setgid,-chown", "--inh-caps=-all"]
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed here")
    done = subprocess.run(
        [*dropped, sys.executable, "-c", script, str(tmp_path / "d"), str(base)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert "EmbeddedError cannot start the embedded PostgreSQL: it does not run as root" in done.stdout, done


@as_root
def test_a_normal_user_runs_it_from_a_closed_home(programs: Path) -> None:
    home = Path(tempfile.mkdtemp(prefix="nightdesk-home-"))
    try:
        shutil.copytree(ROOT / "engine", home / "engine", ignore=shutil.ignore_patterns("__pycache__"))
        for path in (home, *home.rglob("*")):
            os.chown(path, 65534, 65534)
        home.chmod(0o700)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{home}:{programs.parent}", "HOME": str(home)}
        words = [_python_for_all(environment), "-c", _START_AND_ASK, str(home / "data")]
        done = _as_nobody(words, environment)
        assert done.stdout == "nobody\n", done.stderr
        assert home.stat().st_mode & 0o777 == 0o700
        assert (home / "data" / "pg" / "18" / "PG_VERSION").is_file()
    finally:
        shutil.rmtree(home)


def _python_for_all(environment: dict[str, str]) -> str:
    """A Python of this version that `nobody` can run with this environment's packages."""
    for python in dict.fromkeys([sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin") or ""]):
        script = "import sys, psycopg; print(sys.version_info[:2])"
        try:
            if _as_nobody([python, "-c", script], environment).stdout == f"{sys.version_info[:2]}\n":
                return python
        except PermissionError:
            continue
    pytest.skip("this Python or its packages lie in a folder that other users cannot enter")


def _as_nobody(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, user=65534, group=65534, extra_groups=[], cwd="/", env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
