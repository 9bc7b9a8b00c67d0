"""The desk's state beside its ledger, so that a start is quick and a new version goes on from what the old one held.

Worth nothing without the ledger, and never trusted against it: it is used only when its row and that row's hash are the
ledger's, and when this version can read it.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from engine.records import Record
from engine.trader import Trader

_log = logging.getLogger(__name__)


class Rows(Protocol):
    """The ledger, to read."""

    def read(self, after: int = 0) -> Iterator[Record]: ...


def write(path: Path, trader: Trader) -> None:
    """Keep the Trader's state as of its last row; the old file stays until the new one is whole."""
    seq, head = trader.row
    key = json.dumps({"seq": seq, "head": head}).encode()
    part = path.with_suffix(".part")
    part.write_bytes(key + b"\n" + zlib.compress(trader.dump(), 1))
    part.replace(path)


def read(path: Path, ledger: Rows) -> Trader | None:
    """The Trader as of the checkpoint; None when there is none that fits this ledger and this version."""
    if not path.exists():
        return None
    key, _, body = path.read_bytes().partition(b"\n")
    try:
        known = json.loads(key)
        row = next(iter(ledger.read(after=known["seq"] - 1)), None)
        if row is None or (row.seq, row.head) != (known["seq"], known["head"]):
            return None
        return Trader.load(zlib.decompress(body), known["seq"], known["head"])
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        _log.warning("the checkpoint %s cannot be used (%s); the whole ledger is judged again", path, error)
        return None
