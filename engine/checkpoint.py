"""The desk's state beside its ledger, so that a start is quick. Worth nothing without the ledger, and never trusted
against it: it is used only when its row, that row's hash and this code are the same."""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from functools import cache
from pathlib import Path

from engine.ports import Ledger
from engine.trader import Trader

_log = logging.getLogger(__name__)


@cache
def code_hash() -> str:
    """A hash of every source file of the engine: another version judges the whole ledger again."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


def write(path: Path, trader: Trader) -> None:
    """Keep the Trader's state as of its last row; the old file stays until the new one is whole."""
    seq, head = trader.row
    key = json.dumps({"seq": seq, "head": head, "code": code_hash()}).encode()
    part = path.with_suffix(".part")
    part.write_bytes(key + b"\n" + zlib.compress(trader.dump(), 1))
    part.replace(path)


def read(path: Path, ledger: Ledger) -> Trader | None:
    """The Trader as of the checkpoint; None when there is none that fits this ledger and this code."""
    if not path.exists():
        return None
    key, _, body = path.read_bytes().partition(b"\n")
    try:
        known = json.loads(key)
        row = next(iter(ledger.read(after=known["seq"] - 1)), None)
        if known["code"] != code_hash() or row is None or (row.seq, row.head) != (known["seq"], known["head"]):
            return None
        return Trader.load(zlib.decompress(body), known["seq"], known["head"])
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        _log.warning("the checkpoint %s cannot be used (%s); the whole ledger is judged again", path, error)
        return None
