"""Pictures for Slack, drawn in a process of their own so that neither an ack nor a stop ever waits for them.

`render` sends a drawing as JSON to `python -m bot.charts` and gets the PNG back; nothing stays in memory afterwards.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from engine import curve
from engine.domain import EquityPoint

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 700
_TIME_LIMIT = 60.0  # seconds for one picture, on a busy machine
_HALF_HOUR = 1 / 48  # of a day: the air around a single point
_HERE = Path(__file__).resolve().parent.parent
INK, SOFT, GRID = "#1d2733", "#5c6b7a", "#e3e8ee"
EQUITY, HOLD, FALL = "#0b6e99", "#c98a1b", "#c0392b"


class ChartError(RuntimeError):
    """A picture could not be drawn; the words stand without it."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """An equity picture: series of (seconds since the epoch, dollars), already thinned."""

    equity: list[tuple[float, float]]
    benchmark: list[tuple[float, float]]
    title: str
    subtitle: str
    label: str  # "" on a live market, else the watermark
    zone: str


def equity_drawing(
    points: Sequence[EquityPoint],
    benchmark: Sequence[EquityPoint],
    title: str,
    subtitle: str,
    label: str,
    zone: ZoneInfo,
) -> Drawing:
    """Equity, buy-and-hold from the same start, and drawdown of a window; `points` ascending."""
    return Drawing(_series(points), _series(_rebased(benchmark, points)), title, subtitle, label, zone.key)


def alt_text(points: Sequence[EquityPoint], benchmark: Sequence[EquityPoint], label: str) -> str:
    """The picture in words, for people who cannot see it."""
    if not points:
        return "An empty equity chart: no minute has closed yet."
    made = curve.change(points) or 0.0
    fall = curve.drawdown(points)
    parts = [f"Equity from {points[0].equity:,.2f} to {points[-1].equity:,.2f} dollars ({_signed(made)})"]
    if (held := curve.change(benchmark)) is not None:
        parts.append(f"buy and hold {_signed(held)}")
    if fall is not None:
        parts.append(f"largest drawdown {fall.depth * 100:.2f} %")
    return ", ".join(parts) + (f"; {label} market." if label else ".")


def _signed(fraction: float) -> str:
    return f"{fraction * 100:+.2f} %".replace("-", "−")


async def render(drawing: DataclassInstance, painter: str = "bot.charts") -> bytes:
    """The PNG of a drawing that the module `painter` knows. Raises `ChartError` when it could not be drawn."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", painter,
        cwd=_HERE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        told = process.communicate(json.dumps(asdict(drawing)).encode())
        png, errors = await asyncio.wait_for(told, _TIME_LIMIT)
    except TimeoutError:
        raise ChartError(f"the picture took more than {_TIME_LIMIT:.0f} s and was given up") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        last = errors.decode(errors="replace").strip().splitlines()[-1:]
        raise ChartError(f"the picture could not be drawn: {' '.join(last) or 'no reason given'}")
    return png


# ------------------------------------------------------------ drawing (in the other process)


def equity_png(drawing: Drawing) -> bytes:
    """Draw equity beside buy-and-hold, and the drawdown below: about 1200 × 900, made for a phone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 9), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    figure.subplots_adjust(left=0.135, right=0.965, top=0.84, bottom=0.085, hspace=0.09)
    figure.text(0.04, 0.945, drawing.title, fontsize=30, fontweight="bold", color=INK, va="center")
    figure.text(0.04, 0.885, drawing.subtitle, fontsize=21, color=SOFT, va="center")
    times = _days(drawing.equity)
    equity = [value for _, value in drawing.equity]
    _draw_equity(upper, drawing, times, equity)
    _draw_drawdown(lower, times, equity)
    time_axis(lower, times, ZoneInfo(drawing.zone))
    if drawing.label:
        watermark(figure, drawing.label)
    return to_png(figure)


def _draw_equity(axes: Axes, drawing: Drawing, times: list[float], equity: list[float]) -> None:
    if drawing.benchmark:
        values = [value for _, value in drawing.benchmark]
        axes.plot(
            _days(drawing.benchmark), values, color=HOLD, linewidth=2.4, linestyle=(0, (4, 2)), label="Buy and hold"
        )
    if equity:
        axes.axhline(equity[0], color=SOFT, linewidth=1.2, linestyle=":")
    dot = "o" if len(equity) == 1 else None
    axes.plot(
        times,
        equity,
        color=EQUITY,
        linewidth=3.4,
        label="This desk",
        solid_joinstyle="round",
        marker=dot,
        markersize=14,
    )
    calm(axes)
    axes.yaxis.set_major_formatter(lambda value, _: _dollars(value, axes.get_ylim()))
    axes.legend(loc="best", fontsize=20, frameon=True, framealpha=0.85, edgecolor="none")


def _draw_drawdown(axes: Axes, times: list[float], equity: list[float]) -> None:
    falls, top = [], float("-inf")
    for value in equity:
        top = max(top, value)
        falls.append((value / top - 1) * 100 if top > 0 else 0.0)
    axes.fill_between(times, falls, 0, color=FALL, alpha=0.28, linewidth=0)
    axes.plot(times, falls, color=FALL, linewidth=2)
    calm(axes)
    deepest = min(falls, default=0.0)
    axes.set_ylim(min(deepest * 1.5, -0.1), abs(deepest) * 0.06 + 0.005)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.3g} %".replace("-", "−"))
    axes.locator_params(axis="y", nbins=4)
    word = f"Drawdown, deepest {deepest:.2f} %".replace("-", "−")
    axes.text(0.012, 0.07, word, transform=axes.transAxes, fontsize=19, color=FALL, va="bottom", fontweight="bold")


def time_axis(axes: Axes, times: list[float], zone: ZoneInfo) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=zone, minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    formatter = ConciseDateFormatter(locator, tz=zone, show_offset=False)  # type: ignore[no-untyped-call]
    formatter.formats = ["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%S"]
    formatter.zero_formats = ["", "%b %Y", "%d %b", "%d %b", "%H:%M", "%H:%M"]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
    if times:
        alone = _HALF_HOUR if times[0] == times[-1] else 0.0
        axes.set_xlim(times[0] - alone, times[-1] + alone)


def calm(axes: Axes) -> None:
    axes.grid(True, color=GRID, linewidth=1.2)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=20, colors=SOFT, length=0, pad=8)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(GRID)


def watermark(figure: Figure, label: str) -> None:
    figure.text(
        0.54, 0.55, label.upper(), fontsize=74, color=SOFT, alpha=0.13, ha="center", va="center",
        rotation=18, fontweight="bold",
    )  # fmt: skip


def _dollars(value: float, limits: tuple[float, float]) -> str:
    digits = 0 if limits[1] - limits[0] >= 8 else 2
    return f"${value:,.{digits}f}".replace("$-", "−$")


def _days(series: Sequence[tuple[float, float]]) -> list[float]:
    """Times as the drawing library counts them: days since the epoch."""
    return [at / 86400 for at, _ in series]


def to_png(figure: Figure) -> bytes:
    """The picture with a palette of its few colours: a third of the size on a phone's connection."""
    from PIL import Image

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100)
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(96).save(small, format="png", optimize=True)
    return small.getvalue()


def _rebased(benchmark: Sequence[EquityPoint], points: Sequence[EquityPoint]) -> Sequence[EquityPoint]:
    """Buy and hold as if it had begun with the desk's equity at the start of the window."""
    if not points or not benchmark or benchmark[0].equity <= 0:
        return ()
    scale = points[0].equity / benchmark[0].equity
    return [EquityPoint(point.at, point.equity * scale) for point in benchmark]


def _series(points: Sequence[EquityPoint]) -> list[tuple[float, float]]:
    return [(point.at.timestamp(), point.equity) for point in curve.thinned(points, MOST_POINTS)]


def paint(draw: Callable[[Mapping[str, Any]], bytes]) -> int:
    """Read a drawing as JSON from standard input and write its PNG to standard output."""
    os.nice(10)  # the desk comes first
    sys.stdout.buffer.write(draw(json.load(sys.stdin)))
    return 0


if __name__ == "__main__":
    sys.exit(paint(lambda told: equity_png(Drawing(**told))))
