"""Clusters of data folders that the server's user cannot enter (root's home): kept outside, found by a pointer."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from pathlib import Path

from engine.store.folder import short_hash
from engine.store.postmaster import find_postmaster
from engine.store.wheel import own_folder, shared_base

_POINTER = "moved-to"
_OWNER = "belongs-to"


def moved(home: Path) -> Path | None:
    """The folder that holds the cluster instead of `home`, if one does."""
    pointer = home / _POINTER
    return Path(pointer.read_text().strip()) if pointer.is_file() else None


def move(home: Path, base: Path | None) -> None:
    """Give the cluster of `home` a folder under `base` (default: the machine's), remembered in a pointer file.

    What belongs to a temporary data folder is temporary too: it lies in the temp folder, and is cleared away when its
    data folder is gone.
    """
    temporary = base is None and home.is_relative_to(Path(tempfile.gettempdir()).resolve())
    if temporary:
        base = own_folder(Path(tempfile.gettempdir()).resolve() / "nightdesk-clusters")
        _clear(base)
    away = (base or shared_base()) / f"pg-{short_hash(str(home))}-{secrets.token_hex(3)}"
    away.mkdir(mode=0o755)
    away.chmod(0o755)
    (home / _POINTER).write_text(f"{away}\n")  # first the pointer: without it the folder counts as left behind
    (away / _OWNER).write_text(f"{home}\n")


def _clear(base: Path) -> None:
    for away in base.glob("pg-*"):
        owner = away / _OWNER
        left = owner.is_file() and moved(Path(owner.read_text().strip())) != away
        if left and not any(find_postmaster(cluster) for cluster in away.iterdir() if cluster.is_dir()):
            shutil.rmtree(away)
