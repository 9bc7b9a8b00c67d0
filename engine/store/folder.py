"""One process per data folder, and per Slack app token on this machine: files locked for as long as a process lives."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO

from engine.clock import SystemClock, monotonic
from engine.store.errors import FolderInUse, StoreError

try:
    import fcntl
except ImportError:  # Windows has no flock; there the database lease alone keeps a second desk out
    fcntl = None  # type: ignore[assignment]


BACKFILL_LOCK = "backfill.lock"  # in a data folder: history of the live market was brought there, or is being


class FileLock:
    """An exclusive lock on `path` that ends with the process, however it ends.

    The file holds who has it (pid, host, since) so that a second process can say so. It is never deleted: removing a
    locked file would let two processes lock two files of the same name.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self._what = what
        self._file: IO[str] | None = None

    def acquire(self, patience: float = 0.0) -> FileLock:
        """Take the lock, or raise `FolderInUse` naming the process that still has it after `patience` seconds.

        Raises `StoreError` when the file cannot be made at all.
        """
        file = self._open()
        until = monotonic() + patience
        while not _locked(file):
            if monotonic() >= until:
                text = file.read()
                file.close()
                raise FolderInUse(f"{self._what} is in use by {_describe(text)}; stop that one first")
            threading.Event().wait(0.05)
        _write_owner(file)
        self._file = file
        _held.add(self)
        return self

    def _open(self) -> IO[str]:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.fdopen(os.open(self.path, flags, 0o600), "r+")
        except OSError as error:
            raise StoreError(f"{self._what} cannot be used: {error.strerror} ({self.path})") from None

    def release(self) -> None:
        """Let go; harmless when not held."""
        _held.discard(self)
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None

    def __enter__(self) -> FileLock:
        return self.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


_held: set[FileLock] = set()  # a lock is held until released, whoever forgets it


def lock_folder(data_dir: Path) -> FileLock:
    """The lock of a data folder, `DATA/lock`. Use as a context, or `acquire` and `release`."""
    return FileLock(data_dir / "lock", f"data folder {data_dir}")


def lock_token(app_token: str) -> FileLock:
    """The lock of a Slack app token on this machine: Slack would deal its events out between two desks."""
    return FileLock(private_folder("locks") / f"slack-{short_hash(app_token)}", "this Slack app token")


def short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def private_folder(name: str) -> Path:
    """A folder of mode 0700 under the temp folder, this user's own; refuses one that somebody else put there."""
    owner = os.getuid() if hasattr(os, "getuid") else 0
    path = Path(tempfile.gettempdir()) / f"nightdesk-{owner}-{name}"
    path.mkdir(mode=0o700, exist_ok=True)
    require_owned(path, owner)
    return path


def require_owned(path: Path, uid: int) -> None:
    """Raise `FolderInUse` unless `path` is a real folder of user `uid` that nobody else can enter."""
    if os.name == "nt":
        return
    seen = path.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != uid or seen.st_mode & 0o077:
        raise FolderInUse(f"{path} is not a private folder of user {uid}; remove it or set TMPDIR to another folder")


def _locked(file: IO[str]) -> bool:
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _write_owner(file: IO[str]) -> None:
    since = SystemClock().now().isoformat(timespec="seconds")
    file.seek(0)
    file.truncate(0)
    json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": since}, file)
    file.flush()


def _describe(text: str) -> str:
    try:
        owner = json.loads(text)
        return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
