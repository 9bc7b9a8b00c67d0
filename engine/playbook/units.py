"""How a playbook writes numbers: `5 %`, `10 min`, `1m`. Inside, shares are fractions and spans are timedeltas."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

_PERCENT = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*%\s*")
_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.IGNORECASE)
_SECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}


def parse_share(value: Any) -> Any:
    """A share as a fraction: `5 %` is 0.05, and so is 0.05."""
    if isinstance(value, str):
        found = _PERCENT.fullmatch(value)
        if found is None:
            raise ValueError(f"{value!r} is no share; write it like 5 % or 0.05")
        return float(found[1]) / 100
    return value


def parse_span(value: Any) -> Any:
    """A span of time: `30 s`, `10 min`, `24 h`, `1 d`."""
    if isinstance(value, timedelta):
        return value
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[2].lower() not in _SECONDS:
        raise ValueError(f"{value!r} is no span of time; write it like 30 s, 10 min, 24 h or 1 d")
    return timedelta(seconds=float(found[1]) * _SECONDS[found[2].lower()])


def write_span(span: timedelta) -> str:
    """The shortest exact way to write `span`, which `parse_span` reads back."""
    seconds = span.total_seconds()
    for word, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{word}"
    return f"{seconds:g}s"


Share = Annotated[float, BeforeValidator(parse_share), Field(ge=0, le=1)]
Fraction = Annotated[float, BeforeValidator(parse_share), Field(gt=0, le=1)]
Percent = Annotated[float, BeforeValidator(parse_share), Field(gt=0, le=10)]
Span = Annotated[timedelta, BeforeValidator(parse_span), PlainSerializer(write_span), Field(gt=timedelta(0))]
