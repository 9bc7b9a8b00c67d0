"""PostgreSQL as a part of the desk: made on first use, started with it, found again after a crash, stopped with it.

One server per data folder, reached through a Unix socket that only its starter can open. A server that a killed desk
left behind is adopted. Nothing here changes the mode of a folder that was there before, adds a user or listens on a
network.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import psycopg

from engine.clock import monotonic
from engine.store.account import SOCKET_FILE, Place, own, place_of, server_programs, settle_in, spawn
from engine.store.errors import EmbeddedError
from engine.store.folder import FileLock
from engine.store.postmaster import Postmaster, find_postmaster, forget_reused_pid

_log = logging.getLogger(__name__)

# A desk is a small tenant: one writer, a few readers. Projections can be rebuilt, so commits need not wait for the
# disk, but fsync stays on: a torn database would have to be rebuilt each time.
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_connections": "40",
    "max_wal_size": "512MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "synchronous_commit": "off",
    "dynamic_shared_memory_type": "mmap",  # /dev/shm is tiny in containers and emptied at log-out elsewhere
    "max_parallel_workers": "0",
    "jit": "off",
    "io_method": "sync",  # no worker processes for input and output
    "autovacuum_max_workers": "1",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_BURY_SECONDS = 3.0


class EmbeddedPostgres:
    """The server of one data folder. `start` is idempotent and may be called again when the server has died."""

    def __init__(self, data_dir: Path, base: Path | None = None) -> None:
        self._data_dir = data_dir
        self._base = base
        self._place: Place | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()
        self._stopped = False
        self.adopted = False

    @property
    def conninfo(self) -> str:
        """What psycopg connects with."""
        place = self._where()
        return psycopg.conninfo.make_conninfo(
            host=str(place.socket), user=place.client, dbname="postgres", connect_timeout=5
        )

    @property
    def made(self) -> bool:
        """Whether there is a server in this data folder, running or not; looks only."""
        return os.name != "nt" and (self._where().cluster / "PG_VERSION").is_file()

    def start(self) -> None:
        """Return when the server answers: the one that runs already, or a new one. Raises `EmbeddedError`."""
        self._stopped = False
        self._bring_up()

    def revive(self) -> None:
        """Start again a server that died; a server that was stopped on purpose stays stopped."""
        if self._place is not None and not self._stopped:
            self._bring_up()

    def stop(self) -> None:
        """Shut down and wait; harmless when nothing runs. Takes no lock, so a signal handler may call it."""
        self._stopped = True
        if self._place is None:
            return
        running = find_postmaster(self._place.cluster)
        if running is not None:
            self._end(running)
        self._bury()
        shutil.rmtree(self._place.socket, ignore_errors=True)

    def pid(self) -> int | None:
        """The postmaster's process id, if one runs; also before `start`, and then nothing is made."""
        running = find_postmaster(self._where().cluster) if os.name != "nt" else None
        return running.pid if running else None

    def reachable(self) -> bool:
        """Whether a server runs and its socket is where it was put: a cleaner of temp folders may have taken it."""
        return self.pid() is not None and (self._where().socket / SOCKET_FILE).exists()

    def _where(self) -> Place:
        return self._place or place_of(self._data_dir)

    def _start(self, place: Place) -> None:
        running = find_postmaster(place.cluster)
        if running is not None:
            if self._adopt(running):
                return
            self._end(running)
        self._bury()
        shutil.rmtree(place.socket, ignore_errors=True)  # its lock file may name a pid that is somebody else's now
        own(place.socket, place.account)
        if not (place.cluster / "PG_VERSION").is_file():
            _make_cluster(place, self._programs())
        forget_reused_pid(place.cluster)
        until = monotonic() + _STOP_SECONDS
        while not self._launch(place):
            if monotonic() > until:
                raise EmbeddedError(f"the embedded PostgreSQL did not start: {_last_words(_log_path(place))}")
            threading.Event().wait(0.2)

    def _bring_up(self) -> None:
        if os.name == "nt":
            raise EmbeddedError("the embedded PostgreSQL is not available on Windows; set DATABASE_URL")
        with self._starting:
            lock = FileLock(self._data_dir / "pg" / "start.lock", "the embedded PostgreSQL")
            lock.acquire(patience=_START_SECONDS)
            try:
                self._place = self._place or settle_in(self._data_dir, self._base)
                self._start(self._place)
            finally:
                lock.release()
        if self._stopped:  # asked to stop meanwhile, from another thread
            self.stop()

    def _programs(self) -> Path:
        return server_programs(self._where().account, self._base)

    def _end(self, running: Postmaster) -> None:
        """As kindly as it takes: what was committed a moment ago is written only by an orderly end."""
        for how, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 2.0)):
            if running.end(how, seconds, self._child):
                return

    def _bury(self) -> None:
        """Collect our dead server process, which would else count as running. One that lives on without the file
        that names it (somebody emptied the data folder) serves nobody: it is ended."""
        if self._child is None:
            return
        for how in (0, signal.SIGQUIT, signal.SIGKILL):
            if how:
                self._child.send_signal(how)
            try:
                self._child.wait(_BURY_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            self._child = None
            return
        raise EmbeddedError(f"the embedded PostgreSQL (process {self._child.pid}) does not end")

    def _adopt(self, running: Postmaster) -> bool:
        """Whether the running server answers on our socket: one that we started has done so before, another's gets
        the time that recovery may take."""
        ours = self._child is not None and self._child.pid == running.pid
        until = monotonic() + (0.0 if ours else _STOP_SECONDS)
        while running.alive():
            if self._answers():
                self.adopted = self.adopted or self._child is None
                return True
            if monotonic() >= until:
                break
            threading.Event().wait(0.05)
        return False

    def _launch(self, place: Place) -> bool:
        """Start a server; False when the workers of a killed one are still leaving (try again)."""
        log_path = _log_path(place)
        options = [item for name, value in _SETTINGS.items() for item in ("-c", f"{name}={value}")]
        command = [str(self._programs() / "postgres"), "-D", str(place.cluster), "-k", str(place.socket), *options]
        with log_path.open("ab") as output:
            os.ftruncate(output.fileno(), 0)
            self._child = child = spawn(command, place, output)
        until = monotonic() + _START_SECONDS
        while not self._answers():
            if child.poll() is not None or monotonic() > until:
                child.kill()
                self._bury()
                if "is still in use" in log_path.read_text(errors="replace"):
                    return False
                raise EmbeddedError(f"the embedded PostgreSQL did not start: {_last_words(log_path)}")
            threading.Event().wait(0.02)
        return True

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.conninfo, autocommit=True):
                return True
        except psycopg.OperationalError:
            return False


def _make_cluster(place: Place, programs: Path) -> None:
    """`initdb` beside its final name, then one rename: a crash half-way leaves nothing that looks whole."""
    fresh = place.cluster.with_name(f"{place.cluster.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    own(fresh, place.account)
    log_path = place.cluster.parent / "initdb.log"
    command = [str(programs / "initdb"), "-D", str(fresh), "-U", place.client, "-A", "peer"]
    with log_path.open("wb") as output:
        child = spawn([*command, "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"], place, output)
        code = child.wait(_START_SECONDS)
    if code != 0:
        raise EmbeddedError(f"the embedded PostgreSQL could not be set up: {_last_words(log_path)}")
    shutil.rmtree(place.cluster, ignore_errors=True)
    fresh.rename(place.cluster)
    _log.info("made the embedded PostgreSQL in %s", place.cluster)


def _log_path(place: Place) -> Path:
    return place.cluster.parent / "server.log"


def _last_words(log_path: Path) -> str:
    lines = log_path.read_text(errors="replace").strip().splitlines()
    telling = [line for line in lines if "FATAL" in line or "error" in line.lower()] or lines
    return f"{telling[-1].strip()} (all of it in {log_path})" if telling else f"no word of why (see {log_path})"
