"""What a backtest leaves behind: the trade log, the equity curve, the summary and the chart, in one folder."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from engine.backtest.runner import Backtest
from engine.domain import TradeRecord
from engine.performance import Performance

TRADE_COLUMNS = (
    "strategy", "symbol", "side", "entry_time", "entry_price", "exit_time", "exit_price", "quantity", "notional",
    "fees", "pnl", "pnl_pct", "exit_reason",
)  # fmt: skip


def write(done: Backtest, measured: Performance, folder: Path) -> list[Path]:
    """Write everything into `folder`, which is made when absent; return the files. Raises `OSError`."""
    from engine.backtest.chart import draw

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("summary.json", "trade_log.csv", "equity_curve.csv", "equity.png")]
    paths[0].write_text(json.dumps(summary(done, measured), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    _rows(paths[1], TRADE_COLUMNS, ([_plain(getattr(trade, name)) for name in TRADE_COLUMNS] for trade in done.trades))
    curve = zip(done.curve, done.benchmark, strict=True)
    _rows(
        paths[2],
        ("time", "equity", "buy_and_hold"),
        ([point.at.isoformat(), point.equity, held.equity] for point, held in curve),
    )
    draw(done, measured, paths[3])
    return paths


def summary(done: Backtest, measured: Performance) -> dict[str, Any]:
    """Every figure, JSON-able. Money is quote currency, shares are fractions; a figure without an answer is null."""
    figures = _plain(dataclasses.asdict(dataclasses.replace(measured, best=None, worst=None)))
    for name in ("best", "worst", "start", "end"):
        figures.pop(name)
    _tell_costs(figures, done)
    return {
        "playbook": done.playbook.name,
        "playbook_hash": done.playbook.hash,
        "symbols": list(done.symbols),
        "from": done.start.isoformat(),
        "to": done.end.isoformat(),
        "interval_seconds": done.interval / 1e6,
        "bars": done.bars,
        "capital": done.capital,
        "trades": measured.total.trades,
        "pnl": measured.total.pnl,
        "costs": figures["total"]["costs"],
        "calmar": calmar(measured),
        "refusals": done.refusals,
        **figures,
    }


def _tell_costs(figures: dict[str, Any], done: Backtest) -> None:
    """In every tally `costs`, fees and slippage apart, in place of a record's `fees`, which holds both."""
    keys: dict[str, Callable[[TradeRecord], str]] = {
        "by_strategy": lambda trade: trade.strategy,
        "by_symbol": lambda trade: trade.symbol,
        "by_exit": lambda trade: trade.exit_reason.value,
    }
    _split(figures["total"], sum(done.slippage))
    for group, key in keys.items():
        slipped: defaultdict[str, float] = defaultdict(float)
        for trade, slippage in zip(done.trades, done.slippage, strict=True):
            slipped[key(trade)] += slippage
        for one in figures[group]:
            _split(one, slipped[one["name"]])


def _split(tally: dict[str, Any], slippage: float) -> None:
    total = tally.pop("fees")
    tally["costs"] = {"total": total, "fees": total - slippage, "slippage": slippage}


def calmar(measured: Performance) -> float | None:
    """Return a year ÷ deepest drawdown; None without a drawdown or below a day of data."""
    span = measured.end - measured.start
    fall = measured.drawdown
    if measured.equity_return is None or fall is None or fall.depth <= 0 or span < timedelta(days=1):
        return None
    kept = 1 + measured.equity_return
    yearly = kept ** (timedelta(days=365) / span) - 1 if kept > 0 else -1.0
    return yearly / fall.depth


def _rows(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """A CSV with full floats: the shortest text that reads back to the same number."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _plain(value: Any) -> Any:
    """Instants as ISO 8601, spans as seconds, enumerations as their words, through any nesting."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value
