"""What the benchmarks share: the results as one JSON object, and what a machine's load was meanwhile."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from typing import Any


class Board:
    """The results so far."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, what: str, value: float | None, unit: str, peer: Any = None, ratio: float | None = None) -> None:
        """Note one figure; `peer` is what it is compared with, `ratio` how they compare."""
        short = [None if x is None else float(f"{x:.4g}") for x in (value, ratio)]
        peer = float(f"{peer:.4g}") if isinstance(peer, float) else peer
        self.rows.append({"what": what, "value": short[0], "unit": unit, "peer": peer, "ratio": short[1]})
        print(f"{what}: {short[0]} {unit} (peer {peer}, ratio {short[1]})", file=sys.stderr, flush=True)

    def publish(self, name: str, note: str) -> None:
        """Print the one JSON object; `note` says how it was measured."""
        load = "/".join(f"{x:.1f}" for x in os.getloadavg())
        cores = f"{platform.machine()}, {os.cpu_count()} cores, priority {os.nice(0)}"
        machine = f"{cores}, Python {platform.python_version()}, load average {load} at the end, {note}"
        print(json.dumps({"name": name, "machine": machine, "results": self.rows}, separators=(",", ":")))


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which `share` of `values` lie; None of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None
