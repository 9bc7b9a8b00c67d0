"""The record as bytes and back, with what it belongs to."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping

import numpy as np

from engine.core.layout import SCHEMA
from engine.core.rules import Rules

_KEPT = ("rule", "acct", "sym", "plan", "pos", "ord", "refused")


class SnapshotError(ValueError):
    """A dump that this Book cannot take."""


def heading(rules: Rules, array: np.ndarray) -> dict[str, object]:
    """What must agree before a dump is taken: version, names, rules and the record's shape."""
    return {
        "schema": SCHEMA,
        "symbols": [instrument.symbol for instrument in rules.instruments],
        "strategies": [strategy.name for strategy in rules.strategies],
        "rules": hashlib.sha256(repr(rules).encode()).hexdigest()[:16],
        "shape": hashlib.sha256(repr(array.dtype.descr).encode()).hexdigest()[:16],
    }


def dump(head: Mapping[str, object], array: np.ndarray) -> bytes:
    """The heading, then the compressed groups that outlive a call."""
    words = json.dumps(head).encode()
    body = b"".join(array[name].tobytes() for name in _KEPT)
    return len(words).to_bytes(4, "big") + words + zlib.compress(body, 1)


def load(head: Mapping[str, object], array: np.ndarray, raw: bytes) -> None:
    """Write a `dump` with the same heading into `array`; raises `SnapshotError` for another one."""
    size = int.from_bytes(raw[:4], "big")
    found = json.loads(raw[4 : 4 + size])
    for name, wanted in head.items():
        if found.get(name) != wanted:
            raise SnapshotError(
                f"the snapshot's {name} is {found.get(name)}, this book's is {wanted}; rebuild it from the ledger"
            )
    body, place = zlib.decompress(raw[4 + size :]), 0
    for name in _KEPT:
        column = array[name]
        column[:] = np.frombuffer(body, column.dtype, column.size, place).reshape(column.shape)
        place += column.nbytes
