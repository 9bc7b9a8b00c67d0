"""The picture of a backtest: equity beside buy and hold, and how far it was under water."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from engine.backtest.runner import Backtest
from engine.performance import Performance

_INK, _PALE, _GRID = "#1f2933", "#9aa5b1", "#e4e7eb"
_OURS, _RED = "#2563eb", "#dc2626"


def draw(done: Backtest, measured: Performance, path: Path) -> None:
    """Write the picture as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.2), dpi=130, facecolor="white")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1], "hspace": 0.14})
    _equity(upper, done)
    _drawdown(lower, done)
    for axes in (upper, lower):
        _calm(axes)
    span = f"{done.start:%d %b %Y} to {done.end:%d %b %Y} UTC"
    coins = ", ".join(done.symbols[:6]) + (f" and {len(done.symbols) - 6} more" if len(done.symbols) > 6 else "")
    figure.text(0.06, 0.955, f"{done.playbook.name}: {_result(measured)}", fontsize=15, weight="bold", color=_INK)
    figure.text(0.06, 0.915, f"{coins} · {span} · after fees and slippage", fontsize=10, color=_PALE)
    figure.subplots_adjust(left=0.06, right=0.94, top=0.865, bottom=0.07)
    figure.savefig(path, format="png", metadata={"Software": None})


def _result(measured: Performance) -> str:
    gain = f"{measured.equity_return:+.1%}" if measured.equity_return is not None else "no result"
    return f"{gain} in {measured.total.trades:,} trades"


def _equity(axes: Any, done: Backtest) -> None:
    times = [point.at for point in done.curve]
    equity = [point.equity for point in done.curve]
    held = [point.equity for point in done.benchmark]
    axes.plot(times, held, color="#b8c2cc", linewidth=1.0, label="buy and hold", zorder=2)
    axes.plot(times, equity, color=_OURS, linewidth=2.0, label=done.playbook.name, zorder=3)
    axes.axhline(done.capital, color=_INK, linewidth=0.7, linestyle=(0, (2, 3)), zorder=1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}")
    above = {"loc": "lower left", "bbox_to_anchor": (-0.01, 0.98), "ncols": 2}  # no corner is free on every curve
    axes.legend(**above, frameon=False, fontsize=9, labelcolor=_INK)


def _drawdown(axes: Any, done: Backtest) -> None:
    times = [point.at for point in done.curve]
    equity = np.array([point.equity for point in done.curve])
    peak = np.maximum.accumulate(equity)
    under = np.where(peak > 0, equity / np.where(peak > 0, peak, 1.0) - 1.0, 0.0)
    axes.fill_between(times, under, 0.0, color=_RED, alpha=0.22, linewidth=0)
    axes.plot(times, under, color=_RED, linewidth=0.9)
    axes.set_title("drawdown", loc="left", fontsize=9, color=_PALE, pad=4)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    axes.set_ylim(top=0.0)


def _calm(axes: Any) -> None:
    """Fewer lines, paler ink."""
    from matplotlib import dates

    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_GRID)
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_PALE, length=0, labelsize=9)
    locator = dates.AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.margins(x=0.01)
