"""The Trader's memory as bytes and back, exactly: a start need not judge years of records again."""

from __future__ import annotations

import base64
import json
from dataclasses import fields
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter

from engine.core.book import Book
from engine.trader.memory import Memory
from engine.trader.plan import plan_of

_REBUILT = ("plan_", "book_", "out", "matters")


@cache
def _adapters() -> dict[str, TypeAdapter[Any]]:
    """One adapter per field; mappings travel as pairs, so that their keys may be tuples."""
    hints = get_type_hints(Memory)
    names = [field.name for field in fields(Memory) if field.name not in _REBUILT]
    return {name: TypeAdapter(_travelling(hints[name])) for name in names}


def _travelling(hint: Any) -> Any:
    if get_origin(hint) is not dict:
        return hint
    key, value = get_args(hint)
    return list[tuple[key, value]]  # type: ignore[valid-type]


def dump(desk: Memory) -> bytes:
    """Everything that decisions depend on. Raises RuntimeError before the first `Started`."""
    body: dict[str, Any] = {"book": base64.b64encode(desk.book.dump()).decode()}
    for name, adapter in _adapters().items():
        value = getattr(desk, name)
        body[name] = adapter.dump_python(list(value.items()) if isinstance(value, dict) else value, mode="json")
    return json.dumps(body).encode()


def load(raw: bytes) -> Memory:
    """The memory that `dump` wrote. Raises ValueError (pydantic's and the core's included) when it does not fit."""
    body = json.loads(raw)
    desk = Memory()
    for name, adapter in _adapters().items():
        if name not in body:  # an older version did not know of it
            continue
        value = adapter.validate_python(body[name], strict=False)
        setattr(desk, name, dict(value) if isinstance(getattr(desk, name), dict) else value)
    if desk.started is None:
        raise ValueError("the saved desk had not started")
    desk.plan_ = plan_of(desk.started)
    desk.book_ = Book(desk.plan_.rules)
    desk.book_.load(base64.b64decode(body["book"]))
    return desk
