"""Files of recorded one-minute bars (Parquet, CSV); `recording` reads those of raw frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.domain import Symbol
from engine.market.bars import MINUTE_US
from engine.market.columns import columns_of, possible
from engine.market.errors import RecordError
from engine.market.names import split_joined
from engine.ports import BarColumns

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("symbol", "time", "open", "high", "low", "close", "volume")


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
