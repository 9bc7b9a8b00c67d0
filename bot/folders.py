"""Where a desk keeps its things, and which desk a command beside it means."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from platformdirs import user_data_path

from bot.cli.errors import fail


@dataclass(frozen=True, slots=True)
class Presence:
    """What a running desk writes into DATA/desk.json, so that others find it."""

    pid: int
    socket: str
    playbook: str
    kind: str


def home() -> Path:
    """The folder that holds one data folder per playbook and kind of market."""
    return user_data_path("nightdesk", appauthor=False)


def folder_for(playbook: str, kind: str) -> Path:
    return home() / f"{playbook}-{kind}"


def private_folder(data: Path) -> Path:
    """A short folder of mode 0700 for this desk's sockets: a Unix socket's path must stay below 108 bytes.

    Raises:
        CliError: when somebody else owns the place.
    """
    key = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]
    path = Path(tempfile.gettempdir()) / f"nightdesk-{os.getuid()}-{key}"
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if path.is_symlink() or status.st_uid != os.getuid():
        fail(f"{path} belongs to somebody else; remove it or set TMPDIR to a folder of your own")
    path.chmod(0o700)
    return path


def announce(data: Path, presence: Presence) -> None:
    """Write DATA/desk.json and remember this folder as the one last used, beside those of desks that still run."""
    _write(data / "desk.json", asdict(presence))
    home().mkdir(parents=True, exist_ok=True)
    mine = str(data.resolve())
    beside = [str(path) for path in running_among(_remembered()) if str(path) != mine]
    _write(home() / "last.json", {"data_dir": mine, "beside": beside})


def withdraw(data: Path) -> None:
    """Remove the announcement of a desk that stops, and the folder of its sockets, if they are still ours."""
    found = presence(data)
    if found is not None and found.pid == os.getpid():
        (data / "desk.json").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something else still uses it
            private_folder(data).rmdir()


def presence(data: Path) -> Presence | None:
    """The desk that runs on `data`, or None."""
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError, TypeError):
        found = Presence(**json.loads((data / "desk.json").read_text()))
        if _alive(found.pid):
            return found
    return None


def running_among(folders: Iterable[Path]) -> list[Path]:
    """Those of `folders` on which a desk runs."""
    return [path for path in folders if presence(path)]


def find(data_dir: Path | None) -> tuple[Path, str]:
    """The data folder a command means, and a few words on why.

    The one named, else the running desk's, else the one last used. Raises `CliError` when there is none.
    """
    if data_dir is not None:
        if not data_dir.is_dir():
            fail(f"data folder {data_dir} does not exist")
        return data_dir, "as named"
    folders = [path for path in home().glob("*") if path.is_dir()] if home().is_dir() else []
    remembered = _remembered()
    last = next(iter(remembered), None)
    known = list(dict.fromkeys([*remembered, *folders]))
    running = running_among(known)
    if len(running) > 1:
        names = ", ".join(map(str, running))
        fail(f"{len(running)} desks are running ({names}); name one with --data-dir")
    if running:
        return running[0], "the running desk's"
    if last:
        return last, "the one last used"
    fail("no desk has run here yet; start one with `nightdesk`, or name its folder with --data-dir")


def _remembered() -> list[Path]:
    """The folder last used, then those of desks that ran when it was announced; folders that are gone are left out."""
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError, KeyError):
        written = json.loads((home() / "last.json").read_text())
        paths = [Path(path) for path in (written["data_dir"], *written.get("beside", ()))]
        return [path for path in paths if path.is_dir()]
    return []


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _write(path: Path, body: dict[str, object]) -> None:
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(body))
    draft.replace(path)
