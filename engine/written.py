"""Which code wrote a record: a hash of the engine's own sources, kept with every start."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_ENGINE = Path(__file__).resolve().parent


@cache
def code_hash() -> str:
    """12 hex digits of everything that decides: every Python file of the engine, as installed."""
    digest = hashlib.sha256()
    for path in sorted(_ENGINE.rglob("*.py")):
        digest.update(str(path.relative_to(_ENGINE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def recorded_by(code: str) -> str:
    """In words, whose record it is. `code`: what its `Started` says, "" when that is older than such hashes."""
    if code == code_hash():
        return "recorded by this same version of the code"
    return f"recorded by another version of the code ({code or 'unnamed'}; this is {code_hash()})"
