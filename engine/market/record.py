"""Files of recorded market data: one-minute bars (Parquet, CSV) and raw Kraken v2 frames (JSON lines)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.domain import Symbol
from engine.market.bars import MINUTE_US
from engine.market.columns import columns_of, possible
from engine.market.errors import RecordError
from engine.market.kraken_frames import as_time
from engine.market.names import split_joined
from engine.ports import BarColumns

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("symbol", "time", "open", "high", "low", "close", "volume")
_STAMPS = ("timestamp", "time_out", "time_in")


@dataclass(frozen=True, slots=True)
class RecordedBars:
    """One-minute bars by symbol."""

    bars: Mapping[Symbol, BarColumns]
    impossible: int  # rows left out because no bar can be like that


def read_bars(path: Path, symbols: Iterable[Symbol] = ()) -> RecordedBars:
    """Read a file of one-minute bars; `time` is the bar's open. Raises `RecordError` when it cannot be replayed."""
    table = _table(path)
    absent = [column for column in COLUMNS if column not in table.columns]
    if absent:
        raise RecordError(f"{path} has no column {', '.join(absent)}; bars need {', '.join(COLUMNS)}")
    bars: dict[Symbol, BarColumns] = {}
    impossible = 0
    for symbol, part in _chosen(path, table, symbols):
        time, values, trades = _numbers(path, part)
        good = possible(values)
        impossible += int((~good).sum())
        if not good.any():
            raise RecordError(f"{path} has no usable bar of {symbol}")
        _require_minutes(path, symbol, time)
        bars[symbol] = columns_of(symbol, time[good], values[good], None if trades is None else trades[good])
    return RecordedBars(bars, impossible)


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, dtype={"symbol": str})
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read as bars: {error}") from error


def _chosen(path: Path, table: pd.DataFrame, symbols: Iterable[Symbol]) -> list[tuple[Symbol, pd.DataFrame]]:
    """The asked-for symbols' rows; a symbol may be the file's own name, the canonical one, or an unambiguous base."""
    own = {str(name): split_joined(str(name)) for name in table["symbol"].unique()}
    chosen = {} if (asked := list(symbols)) else dict(own)
    for symbol in asked:
        fits = [
            name for name, canonical in own.items() if symbol.upper() == name.upper() or fits_name(symbol, canonical)
        ]
        if len(fits) != 1:
            raise RecordError(f"{path} has {', '.join(sorted(own.values()))}; {symbol} is not one of them")
        chosen[fits[0]] = own[fits[0]]
    return [(canonical, table[table["symbol"] == name]) for name, canonical in chosen.items()]


def fits_name(asked: str, symbol: Symbol) -> bool:
    """Whether `asked` means `symbol`: in full, joined as files write it, or by its base alone."""
    return asked.upper() == symbol.partition("/")[0] or split_joined(asked) == symbol


def _numbers(path: Path, part: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Open times in µs, sorted, the five number columns, and how many trades, where the file says so."""
    import pandas as pd

    try:
        stamps = pd.to_datetime(part["time"], utc=True)
        values = part[list(COLUMNS[2:])].to_numpy(float)
        trades = part["trades"].to_numpy(float) if "trades" in part.columns else None
    except (ValueError, TypeError) as error:
        raise RecordError(f"{path} has a row that is no bar: {error}") from error
    time = stamps.to_numpy(dtype="datetime64[us]").astype(np.int64)
    order = np.argsort(time, kind="stable")
    return time[order], values[order], None if trades is None else trades[order]


def _require_minutes(path: Path, symbol: Symbol, time: np.ndarray) -> None:
    steps = np.diff(time)
    if (steps == 0).any():
        raise RecordError(f"{path} has two bars of {symbol} at one time; remove the double rows")
    interval = int(steps.min()) if steps.size else MINUTE_US
    if interval != MINUTE_US or (time % MINUTE_US).any():
        width = timedelta(microseconds=interval)
        raise RecordError(
            f"{path} holds bars of {width} for {symbol}; the desk trades closed one-minute bars, so a replay needs a "
            "file of one-minute bars (`nightdesk backtest` takes any interval)"
        )


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One raw frame and the latest venue time known when it came."""

    at: datetime
    text: str


def read_frames(path: Path) -> list[RecordedFrame]:
    """Read one frame per line (`.jsonl`, `.ndjson`, with or without `.zst`), stamped by the times inside them."""
    lines = list(_lines(path))
    stamps = [_stamp(line) for line in lines]
    known = [stamp for stamp in stamps if stamp]
    if not known:
        raise RecordError(f"{path} has no frame with a time in it; a replay needs recorded Kraken v2 frames")
    frames, at = [], min(known)
    for line, stamp in zip(lines, stamps, strict=True):
        at = max(at, stamp) if stamp else at
        frames.append(RecordedFrame(at, line))
    return frames


def recorded_names(frames: Iterable[RecordedFrame]) -> tuple[str, ...]:
    """The pairs that a recording's acknowledgements and data name, as the venue writes them, in order of appearance."""
    found: dict[str, None] = {}
    for frame in frames:
        body = parsed(frame.text)
        result = body.get("result")
        data = body.get("data")
        entries = [result] if isinstance(result, Mapping) else data if isinstance(data, list) else []
        names = (entry.get("symbol") for entry in entries if isinstance(entry, Mapping))
        found |= {name: None for name in names if isinstance(name, str)}
    return tuple(found)


def _lines(path: Path) -> Iterator[str]:
    import pyarrow as pa

    try:
        kind = "zstd" if path.suffix == ".zst" else None
        with pa.input_stream(str(path), compression=kind) as stream:
            text = stream.read().decode()
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read as recorded frames: {error}") from error
    return (line for line in text.splitlines() if line.strip())


def _stamp(line: str) -> datetime | None:
    """The latest venue time inside one frame; None when there is none or the frame is broken."""
    body = parsed(line)
    data = body.get("data")
    entries = [body, *(entry for entry in (data if isinstance(data, list) else []) if isinstance(entry, Mapping))]
    texts = [entry.get(key) for entry in entries for key in _STAMPS]
    stamps = [stamp for stamp in map(_time_or_none, texts) if stamp]
    return max(stamps) if stamps else None


def _time_or_none(text: object) -> datetime | None:
    try:
        return as_time(text)
    except (TypeError, ValueError):
        return None


def parsed(line: str) -> Mapping[str, Any]:
    """A recorded line as a frame; empty when it is none."""
    try:
        body = json.loads(line)
    except ValueError:
        return {}
    return body if isinstance(body, Mapping) else {}
