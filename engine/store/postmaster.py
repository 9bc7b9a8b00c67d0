"""A running PostgreSQL of ours, found by the file it leaves in its data directory."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import psutil

from engine.clock import monotonic


@dataclass(frozen=True, slots=True)
class Postmaster:
    """One server process. A pid alone proves nothing (it may have been given to another), so its words are read."""

    pid: int
    cluster: Path

    def alive(self) -> bool:
        """Whether that process is still a PostgreSQL on this very data directory."""
        try:
            process = psutil.Process(self.pid)
            words = process.cmdline()
            return process.status() != psutil.STATUS_ZOMBIE and bool(words) and str(self.cluster) in words
        except psutil.NoSuchProcess:
            return False

    def end(self, how: int, seconds: float, child: subprocess.Popen[bytes] | None) -> bool:
        """Send the signal and wait; True when the process is gone. `child` is reaped when it is that process."""
        until = monotonic() + seconds
        try:
            os.kill(self.pid, how)
        except ProcessLookupError:
            return True
        while monotonic() < until:
            if child is not None and child.pid == self.pid:
                child.poll()
            if not self.alive():
                return True
            threading.Event().wait(0.02)
        return False


def find_postmaster(cluster: Path) -> Postmaster | None:
    """The live server of `cluster`, or None. A file that a crash left behind counts for nothing."""
    pid = _written_pid(cluster)
    found = Postmaster(pid, cluster) if pid else None
    return found if found and found.alive() else None


def forget_reused_pid(cluster: Path) -> None:
    """Remove a dead server's file when its pid is somebody else's now (after a reboot): PostgreSQL would take that
    process for a server. With no such process the file stays: it is how PostgreSQL finds workers left behind."""
    pid = _written_pid(cluster)
    if pid and psutil.pid_exists(pid) and not Postmaster(pid, cluster).alive():
        (cluster / "postmaster.pid").unlink(missing_ok=True)


def _written_pid(cluster: Path) -> int:
    try:
        return max(0, int((cluster / "postmaster.pid").read_text().split("\n", 1)[0]))
    except (OSError, ValueError):
        return 0
