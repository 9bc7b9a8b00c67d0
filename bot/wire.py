"""Domain values inside a post's data: plain JSON in the ledger, the words of the desk again at delivery."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from engine.domain import Alarm, Hold, Position, Proposal, Refusal, TradeRecord
from engine.forecasts import ModelVersion

_KINDS: dict[str, type] = {
    "proposal": Proposal,
    "position": Position,
    "trade": TradeRecord,
    "hold": Hold,
    "alarm": Alarm,
    "refusal": Refusal,
    "offered": ModelVersion,
    "at": datetime,
    "made_at": datetime,
    "asked_at": datetime,
    "covers_from": datetime,
    "covers_to": datetime,
}


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def dump(**values: Any) -> dict[str, Any]:
    """Values as JSON data. A name that means a domain value (`proposal`, `trade`, `at` …) must hold one."""
    return {
        name: _adapter(_KINDS[name]).dump_python(item, mode="json") if name in _KINDS and item is not None else item
        for name, item in values.items()
    }


def load(data: Mapping[str, Any]) -> dict[str, Any]:
    """What `dump` wrote, as values again. Raises pydantic's `ValidationError` when it is none of ours."""
    return {
        name: _adapter(_KINDS[name]).validate_python(item) if name in _KINDS and item is not None else item
        for name, item in data.items()
    }
