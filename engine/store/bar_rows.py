"""Rows of `bars` as numpy sees them, on their way in and out by the binary formats of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from engine.domain import Symbol

POSTGRES_EPOCH_US = 946_684_800_000_000  # 2000-01-01, from which PostgreSQL counts
PRICES = ("open", "high", "low", "close", "volume")
QUALITIES = ("good", "quiet", "doubtful", "healed", "missing")
GOOD, QUIET, DOUBTFUL, HEALED, MISSING = range(len(QUALITIES))
OTHER, ROLLED, OURS = range(3)  # where a bar is from: another source, minutes, the source that writes now
ROLLED_SOURCE = "1m"  # as the table says it
# `time` is the bar's open, µs since 1970; vwap and trades are NaN where the table has NULL.
ROW = np.dtype(
    [
        ("time", "i8"),
        *((name, "f8") for name in (*PRICES, "vwap", "trades")),
        *(("quality", "i1"), ("source", "i1"), ("revision", "i4")),
    ]
)
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"


@dataclass(frozen=True, slots=True)
class BarRows:
    """Bars (`ROW`, oldest first) of one symbol and interval ("1m" …)."""

    symbol: Symbol
    interval: str
    rows: np.ndarray


def copy_bytes(market: str, source: str, parts: Sequence[BarRows]) -> Iterator[bytes]:
    """`parts` in the format of `COPY bars FROM STDIN (FORMAT binary)`, columns in the table's order."""
    yield _HEADER
    for part in parts:
        shapes = part.rows["quality"] * 12 + part.rows["source"] * 4
        shapes += 2 * np.isnan(part.rows["vwap"]) + np.isnan(part.rows["trades"])
        for shape in np.unique(shapes):
            yield _same_shape(market, source, part, part.rows[shapes == shape])
    yield _TRAILER


def _same_shape(market: str, source: str, part: BarRows, rows: np.ndarray) -> bytes:
    """Rows that have the same words and the same NULLs, and so the same length."""
    first = rows[0]
    words = {
        "market": market,
        "symbol": part.symbol,
        "interval": part.interval,
        "quality": QUALITIES[first["quality"]],
        "source": ROLLED_SOURCE if first["source"] == ROLLED else source,
    }
    numbers = {"time": ">i8", **dict.fromkeys((*PRICES, "vwap"), ">f8"), "trades": ">i4", "revision": ">i4"}
    order = ("market", "symbol", "interval", "time", *PRICES, "vwap", "trades", "quality", "source", "revision")
    fields: list[tuple[str, str]] = [("count", ">i2")]
    values: dict[str, object] = {"count": len(order)}
    for name in order:
        fields.append((f"{name}_bytes", ">i4"))
        if name in words:
            text = words[name].encode()
            fields.append((name, f"V{len(text)}"))
            values |= {f"{name}_bytes": len(text), name: np.void(text)}
        elif np.isnan(first[name]):
            values[f"{name}_bytes"] = -1
        else:
            fields.append((name, numbers[name]))
            values |= {f"{name}_bytes": np.dtype(numbers[name]).itemsize, name: rows[name]}
    values["time"] = rows["time"] - POSTGRES_EPOCH_US
    packed = np.empty(len(rows), np.dtype(fields))
    for name, value in values.items():
        packed[name] = value
    return packed.tobytes()


def decode_array(raw: bytes, kind: str) -> np.ndarray:
    """A one-dimensional PostgreSQL array without NULLs, in its binary format, as numpy's `kind`; empty when it is."""
    if len(raw) < 20:  # no dimension: an empty array
        return np.empty(0, kind)
    element = np.dtype([("bytes", ">i4"), ("value", np.dtype(kind).newbyteorder(">"))])
    return np.frombuffer(raw, element, offset=20)["value"].astype(kind)
