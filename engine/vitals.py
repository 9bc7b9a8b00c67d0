"""Measurements of the machine and of the process, and the health file that any monitor can read."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from engine.clock import monotonic
from engine.domain import Alarm
from engine.health import Reading, worst
from engine.snapshot import Snapshot

HEALTH_FILE = "health_status.json"


def resident_bytes() -> int:
    """Memory of this process: resident now on Linux, the peak elsewhere."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def keep_pauses_short() -> None:
    """Call once, when everything is loaded: what is there by now is never searched for garbage again, and a thread
    that has something to do waits 1 ms for its turn instead of 5."""
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(0.001)


def disk_free(folder: Path) -> int:
    """Bytes free for this user on the disk that holds `folder`."""
    return shutil.disk_usage(folder).free


class LoopLag:
    """Measures how late the event loop comes back from a sleep. Run `watch()` as a task."""

    def __init__(self, every: float = 0.5) -> None:
        self._every = every
        self._worst = 0.0

    async def watch(self) -> None:
        """Measure until cancelled."""
        while True:
            before = monotonic()
            await asyncio.sleep(self._every)
            self._worst = max(self._worst, monotonic() - before - self._every)

    def take_ms(self) -> float:
        """The worst lag since the last call, in milliseconds."""
        lag, self._worst = self._worst, 0.0
        return max(0.0, lag) * 1000


def health_status(snapshot: Snapshot, readings: Sequence[Reading], alarms: Sequence[Alarm]) -> dict[str, object]:
    """The content of `health_status.json`: everything JSON-able, instants as ISO 8601 UTC."""
    last = snapshot.equity_curve[-1].at.isoformat() if snapshot.equity_curve else None
    return {
        "at": snapshot.at.isoformat(),
        "status": worst(tuple(readings)),
        "state": snapshot.state.value,
        "market": snapshot.kind.value,
        "label": snapshot.label,
        "playbook": snapshot.playbook,
        "version": snapshot.version,
        "pid": os.getpid(),
        "seq": snapshot.seq,
        "head": snapshot.head,
        "last_minute": last,
        "positions": len(snapshot.positions),
        "pending_proposals": len(snapshot.proposals),
        "holds": [hold.code for hold in snapshot.holds],
        "readings": [asdict(reading) for reading in readings],
        "alarms": [{**asdict(one), "since": one.since.isoformat()} for one in alarms],
    }


def write_health(folder: Path, status: Mapping[str, object]) -> Path:
    """Write the health file in one step, readable by everyone: a reader sees the old or the new, never a half."""
    path = folder / HEALTH_FILE
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(status, indent=1) + "\n", encoding="utf-8")
    fresh.chmod(0o644)
    fresh.replace(path)
    return path
