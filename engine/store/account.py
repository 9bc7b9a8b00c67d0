"""As whom and where the embedded server lives: PostgreSQL refuses root, and root's folders are closed to others."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from engine.store.away import move, moved
from engine.store.errors import EmbeddedError
from engine.store.folder import require_owned, short_hash
from engine.store.wheel import MAJOR, programs, public_package, shared_base, wheel_package

_SOCKET_LIMIT = 100  # bytes; the system's own limit is 103 to 107
SOCKET_FILE = ".s.PGSQL.5432"
_NO_SWITCH = (
    "cannot start the embedded PostgreSQL: it does not run as root, and this container does not let root become {name}"
    " ({error}); run the desk as a normal user, allow SETUID, SETGID and CHOWN, or set DATABASE_URL"
)


@dataclass(frozen=True, slots=True)
class Account:
    """The user that runs the server. `switch` is True when we are root and it is somebody else."""

    name: str
    uid: int
    gid: int
    switch: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything of one embedded server is."""

    account: Account
    client: str  # our own user name: the only one the server lets in (peer authentication)
    cluster: Path  # PostgreSQL's data directory, the account's own, mode 0700
    socket: Path  # the socket's folder, likewise


def server_account() -> Account:
    """Ourselves, or `nobody` when we are root. Raises `EmbeddedError` when there is no such user."""
    import pwd

    try:
        entry = pwd.getpwuid(os.geteuid()) if os.geteuid() else pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedError(
            f"user {os.geteuid() or 'nobody'} has no entry in /etc/passwd, which PostgreSQL needs; set DATABASE_URL"
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=os.geteuid() == 0)


def settle_in(data_dir: Path, base: Path | None = None) -> Place:
    """Find and make the folders for the server of `data_dir`; changes no mode of a folder that was there.

    `base` replaces the root-owned folder for programs and clusters that `nobody` can reach (tests).
    """
    account = server_account()
    home = data_dir.resolve() / "pg"
    home.mkdir(parents=True, exist_ok=True, mode=0o755 if account.switch else 0o700)
    if account.switch and not moved(home) and not _reachable(home, account):
        move(home, base)
    place = place_of(data_dir)
    place.cluster.parent.mkdir(mode=0o755, exist_ok=True)
    own(place.socket, account)
    return place


def place_of(data_dir: Path) -> Place:
    """Where the server of `data_dir` is, or would be; makes nothing."""
    import pwd

    account = server_account()
    home = data_dir.resolve() / "pg"
    client = pwd.getpwuid(os.geteuid()).pw_name
    return Place(account, client, (moved(home) or home) / str(MAJOR), _socket_folder(data_dir, account))


def server_programs(account: Account, base: Path | None = None) -> Path:
    """The folder of `postgres` and `initdb` that the account can run."""
    package = wheel_package()
    return programs(public_package(package, base or shared_base()) if account.switch else package)


def own(path: Path, account: Account) -> None:
    """Make the folder `path`, the account's alone, or see that it is."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        require_owned(path, account.uid)
        return
    except OSError as error:
        raise EmbeddedError(f"cannot make {path}: {error.strerror}; free it, or set DATABASE_URL") from None
    try:
        if account.switch:
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
    except OSError as error:
        path.rmdir()
        raise EmbeddedError(_NO_SWITCH.format(name=account.name, error=error.strerror)) from None


def spawn(command: Sequence[str], place: Place, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Run one of the server's programs as the account, in a session of its own (Ctrl-C is not meant for it)."""
    account = place.account
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env=environment,
            umask=0o077,
            user=account.uid if account.switch else None,
            group=account.gid if account.switch else None,
            extra_groups=[] if account.switch else None,
        )
    except OSError as error:
        if account.switch:
            raise EmbeddedError(_NO_SWITCH.format(name=account.name, error=error.strerror)) from None
        raise EmbeddedError(f"cannot run {command[0]}: {error.strerror}; set DATABASE_URL") from None


def _reachable(folder: Path, account: Account) -> bool:
    """Whether the account may enter every folder on the way, judged by plain modes."""
    for part in (folder, *folder.parents):
        seen = part.stat()
        bit = 0o100 if seen.st_uid == account.uid else 0o010 if seen.st_gid == account.gid else 0o001
        if not seen.st_mode & bit:
            return False
    return True


def _socket_folder(data_dir: Path, account: Account) -> Path:
    """A short private folder for the socket, by a hash of the data folder's path (socket paths must be short)."""
    name = f"nightdesk-pg-{os.geteuid()}-{short_hash(str(data_dir.resolve()))}"
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):  # its owner is checked
        path = parent.resolve() / name
        short = len(os.fsencode(path / SOCKET_FILE)) < _SOCKET_LIMIT
        if short and (not account.switch or _reachable(parent.resolve(), account)):
            return path
    raise EmbeddedError(
        "no temp folder with a short path that PostgreSQL's user can enter; set TMPDIR, or DATABASE_URL"
    )
