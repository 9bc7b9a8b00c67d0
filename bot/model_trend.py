"""The live hit rate as a picture: each day with its interval, beside the best simple rule. Drawn in its own process."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from bot.charts import EQUITY, FALL, INK, SOFT, calm, paint, render, to_png, watermark
from bot.render import percent
from engine import live_record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from engine.forecasts import Live

FEWEST_DAYS = 2  # one dot is no trend: the words say its number
_DAY = 86400
_LABELS = 7  # days that are named on the axis
_PAINTER = "bot.model_trend"


@dataclass(frozen=True, slots=True)
class TrendDrawing:
    """Days as (seconds since the epoch, hit rate, ends of its interval, settled forecasts), and all days together."""

    title: str
    label: str
    zone: str
    days: list[tuple[float, float, float, float, int]]
    whole: tuple[float, float, float]
    n: int
    beside: tuple[str, float]  # what the model must beat: the simple rule that was right most often


def trend_drawing(days: Sequence[Live], title: str, label: str, zone: ZoneInfo) -> TrendDrawing:
    """What is drawn of a version's days. There is at least one settled forecast."""
    rows = []
    for one in days:
        told = live_record((one,))
        if told is not None:
            noon = datetime.combine(date.fromordinal(one.day), datetime.min.time(), UTC).timestamp() + _DAY / 2
            rows.append((noon, told.rate.value, told.interval.low, told.interval.high, told.rate.n))
    whole = live_record(days)
    assert whole is not None, "a trend needs settled forecasts"
    level = (whole.rate.value, whole.interval.low, whole.interval.high)
    beside = (whole.best.name, whole.best.accuracy) if whole.best else ("a coin", 0.5)
    return TrendDrawing(title, label, zone.key, rows, level, whole.rate.n, beside)


def trend_alt(drawing: TrendDrawing) -> str:
    value, low, high = (percent(one, digits=1) for one in drawing.whole)
    said = f"Live hit rate of {drawing.title} by day: {value} over all (95 %: {low} to {high}), {drawing.n:,} settled, "
    said += f"beside {drawing.beside[0]} {percent(drawing.beside[1], digits=1)}"
    return said + (f"; {drawing.label} market." if drawing.label else ".")


async def trend_png(drawing: TrendDrawing) -> bytes:
    """The PNG. Raises `ChartError` when it could not be drawn."""
    return await render(drawing, _PAINTER)


def trend_picture(drawing: TrendDrawing) -> bytes:
    """Draw it: about 1200 × 700, made for a phone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.11, 0.19, 0.855, 0.60))
    calm(axes)
    figure.text(0.04, 0.93, drawing.title, fontsize=28, fontweight="bold", color=INK, va="center")
    said = f"live: how often forecasts came true, by day; {drawing.n:,} settled"
    figure.text(0.04, 0.86, said, fontsize=20, color=SOFT, va="center")
    _days(axes, drawing)
    _axis(axes, [one[0] / _DAY for one in drawing.days])
    if drawing.label:
        watermark(figure, drawing.label)
    return to_png(figure)


def _days(axes: Axes, drawing: TrendDrawing) -> None:
    value, low, high = drawing.whole
    axes.axhspan(low, high, color=EQUITY, alpha=0.10)
    axes.axhline(value, color=EQUITY, linewidth=1.6, label=f"all days, {percent(value, digits=1)}")
    name, share = drawing.beside
    beside = f"{name}, {percent(share, digits=1)}"
    axes.axhline(share, color=FALL, linewidth=1.6, linestyle=":", label=beside)
    for at, hit, bottom, top, _ in drawing.days:
        axes.plot([at / _DAY] * 2, [bottom, top], color=EQUITY, linewidth=6, alpha=0.3, solid_capstyle="round")
        axes.plot([at / _DAY], [hit], "o", color=EQUITY, markersize=11)
    axes.plot([], [], "o", color=EQUITY, markersize=11, label="a day; bars and band: 95 %")
    axes.yaxis.set_major_formatter(lambda share, _: f"{share * 100:.3g} %")
    axes.locator_params(axis="y", nbins=6)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.46, -0.11), ncols=3, fontsize=17, frameon=False, columnspacing=1.2
    )


def _axis(axes: Axes, days: Sequence[float]) -> None:
    """Whole days, some of them named: `days` are noons, and the newest is named in any case."""
    named = list(days)[:: -max(1, -(-len(days) // _LABELS))]
    axes.set_xticks(named, [f"{datetime.fromtimestamp(day * _DAY, UTC):%d %b}" for day in named])
    axes.set_xlim(days[0] - 0.5, days[-1] + 0.5)


def _drawn(told: Mapping[str, Any]) -> bytes:
    return trend_picture(TrendDrawing(**told))


if __name__ == "__main__":
    sys.exit(paint(_drawn))
