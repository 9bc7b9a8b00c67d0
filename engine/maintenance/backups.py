"""Copies of what cannot be rebuilt: whole and proven, or not there at all.

A back-up is a folder `DATA/backups/DATE` with the three SQLite files, the models in use and a manifest of their hashes.
It is written under another name, checked, and renamed: whatever has a date for a name and a manifest inside is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.health import DISK_WARNING
from engine.replaying import verify
from engine.store.errors import StoreError
from engine.store.ledger import LedgerError
from engine.store.reserve import MIB, free_bytes
from engine.store.tick_segments import sync_folder

FOLDER, MANIFEST = "backups", "backup.json"
LEDGER = "ledger.sqlite"
FILES = ("outbox.sqlite", "experiments.sqlite", LEDGER)  # the outbox first: its copy is never ahead of the ledger's
ROOM = DISK_WARNING  # bytes that must be free when the back-up is there
_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")


class BackupError(StoreError):
    """No back-up was made, and nothing is left of it; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Backup:
    """`rows` and `head` are the ledger's last sequence and its hash in the copy."""

    path: Path
    bytes: int
    rows: int
    head: str


def back_up(data: Path, now: datetime, models: Iterable[Path] = (), free: Callable[[Path], int] = free_bytes) -> Backup:
    """Copy the files of `data` beside whoever writes them, check the copies, and name the whole after `now`.

    `models` are folders below `data`. Raises `BackupError`, and then nothing is left that could be taken for a back-up.
    """
    home = data / FOLDER
    name = f"{now:%Y-%m-%dT%H%M%SZ}"
    sources, folders = [data / file for file in FILES if (data / file).exists()], list(models)
    _require_room(data, sum(map(_size, [*sources, *folders])), free)
    draft = home / f".{name}.new"
    try:
        draft.mkdir(parents=True)
        for source in sources:
            _copy(source, draft / source.name)
        for folder in folders:
            shutil.copytree(folder, draft / folder.relative_to(data))
        rows, head = _checked(draft)
        _seal(draft, now, rows, head)
        draft.rename(home / name)
        sync_folder(home)
    except (OSError, sqlite3.Error, LedgerError, shutil.Error) as error:
        raise BackupError(f"no back-up was made: {error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Backup(home / name, size_of(home / name), rows, head)


def standing(data: Path) -> list[Path]:
    """The back-ups that are whole, oldest first. Other folders beside them are nobody's business but a person's."""
    home = data / FOLDER
    found = home.iterdir() if home.is_dir() else ()
    return sorted(path for path in found if _NAME.fullmatch(path.name) and (path / MANIFEST).is_file())


def prune(data: Path, kept: int) -> tuple[int, int]:
    """Remove all but the newest `kept` (1 or more), and what a crash left half done; how many went, and their bytes."""
    old = standing(data)[:-kept]
    for path in old:
        path.rename(path.with_name(f".{path.name}.old"))  # a half-removed one must not be taken for a back-up either
    return len(old), sweep(data)


def sweep(data: Path) -> int:
    """Remove what a crash left half written or half removed; its bytes. Only under the lock of maintenance."""
    home = data / FOLDER
    halves = [path for path in home.glob(".*") if _NAME.fullmatch(path.stem.strip("."))] if home.is_dir() else []
    freed = sum(map(size_of, halves))
    for path in halves:
        shutil.rmtree(path)
    return freed


def size_of(path: Path) -> int:
    """Bytes of a file, or of everything in a folder; what vanishes meanwhile counts nothing."""
    try:
        return sum(map(size_of, path.iterdir())) if path.is_dir() else path.stat().st_size
    except FileNotFoundError:
        return 0


def _size(source: Path) -> int:
    return size_of(source) + size_of(source.with_name(f"{source.name}-wal"))


def _require_room(data: Path, needed: int, free: Callable[[Path], int]) -> None:
    there = free(data)
    if there - needed < ROOM:
        raise BackupError(
            f"no back-up was made: it takes {needed / MIB:,.0f} MiB and {ROOM / MIB:,.0f} must stay free, "
            f"but {there / MIB:,.0f} are; make room, or move older ones out of {data / FOLDER}"
        )


def _copy(source: Path, target: Path) -> None:
    """By SQLite's own online back-up, in one step: a state between two writes, and no writer waits for it."""
    uri = f"{source.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=30)) as given, closing(sqlite3.connect(target)) as copy:
        given.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it


def _checked(draft: Path) -> tuple[int, str]:
    """Read every copy whole; the ledger's last sequence and hash. Raises `BackupError` for a copy that is not sound."""
    for path in sorted(draft.glob("*.sqlite")):
        with closing(sqlite3.connect(path)) as copy:
            said = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if said != "ok":
            raise BackupError(f"no back-up was made: the copy of {path.name} is damaged ({said})")
    if not (draft / LEDGER).exists():
        return 0, ""
    found = verify(draft / LEDGER)
    if found.bad_seq is not None:
        raise BackupError(f"no back-up was made: the ledger does not verify ({found.sentence})")
    return found.rows, found.head


def _seal(draft: Path, now: datetime, rows: int, head: str) -> None:
    """The manifest, last of all, when every byte is on the disk."""
    files = sorted(path for path in draft.rglob("*") if path.is_file())
    told = {"at": now.isoformat(), "rows": rows, "head": head, "sha256": {}}
    told["sha256"] = {str(path.relative_to(draft)): _synced_hash(path) for path in files}
    manifest = draft / MANIFEST
    manifest.write_text(json.dumps(told, indent=1), encoding="utf-8")
    _synced_hash(manifest)
    for folder in [draft, *(path for path in draft.rglob("*") if path.is_dir())]:
        sync_folder(folder)


def _synced_hash(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()
