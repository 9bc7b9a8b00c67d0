"""Domain values to JSON and back, exactly: floats by shortest round trip, instants to the microsecond."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from engine import messages, outcomes, records

_KINDS: dict[str, type] = {
    name: value
    for room in (messages, outcomes, records)
    for name, value in vars(room).items()
    if isinstance(value, type) and dataclasses.is_dataclass(value)
}


class UnknownKindError(ValueError):
    """A stored value names a kind this version does not know."""


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_KINDS[name])


def encode(value: object) -> dict[str, Any]:
    """A message, outcome or post as a JSON-able dict that names its own kind under `is`."""
    kind = type(value)
    if _KINDS.get(kind.__name__) is not kind:
        raise UnknownKindError(f"{kind.__name__} is no message of the desk")
    body: dict[str, Any] = _adapter(kind.__name__).dump_python(value, mode="json")
    return {"is": kind.__name__, **body}


def decode(body: dict[str, Any]) -> Any:
    """The value that `encode` wrote. Raises `UnknownKindError` or pydantic's `ValidationError`."""
    rest = dict(body)
    name = rest.pop("is", "")
    if name not in _KINDS:
        raise UnknownKindError(f"kind {name!r} is unknown to this version")
    return _adapter(name).validate_python(rest, strict=False)
