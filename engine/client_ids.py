"""Client order ids: derived, so a retry, a double press or a replay is the same order (SEMANTICS 2)."""

from __future__ import annotations

import hashlib
import re

_SHAPE = re.compile(r"[0-9a-f]{32}")


def client_id(
    desk: str, strategy: str, symbol: str, decision: int, purpose: str, leg: int = 0, attempt: int = 0
) -> str:
    """32 hex digits of a hash over what the order is.

    `decision` is the desk's own count of decisions, `leg` numbers the orders of one decision, and `attempt` rises only
    after the venue has confirmed that the earlier one is dead.
    """
    parts = (desk, strategy, symbol, str(decision), purpose, str(leg), str(attempt))
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def is_client_id(text: str) -> bool:
    """Whether `text` has the shape of a derived id."""
    return _SHAPE.fullmatch(text) is not None
