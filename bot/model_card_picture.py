"""Draw a model card: one tall page, made for a phone. Runs as `python -m bot.model_card_picture`, JSON in, PNG out."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from bot.charts import EQUITY, FALL, GRID, HOLD, INK, SOFT, calm, paint, time_axis, to_png, watermark
from bot.model_card import CardDrawing, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

WIDTH, LEFT, RIGHT = 1200, 60, 1140  # pixels
_GREEN = "#1e8449"
_AMBER = "#b9770e"
_BADGES = {"edge": _GREEN, "edge, not after costs": _AMBER, "not proven": _AMBER, "no edge": SOFT, "stopped": FALL}
_DAY = 86400
_MIDDLE = 620  # where the right half begins
_HALF, _AIR = 520, 18  # how wide a half is, and what is free between a label and its value


class Page:
    """A figure that is filled from the top, measured in pixels."""

    def __init__(self, height: int) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.height = height
        self.figure: Figure = Figure(figsize=(WIDTH / 100, height / 100), dpi=100, facecolor="white")
        FigureCanvasAgg(self.figure)

    def axes(self, left: int, top: int, right: int, bottom: int) -> Axes:
        box = (left / WIDTH, 1 - bottom / self.height, (right - left) / WIDTH, (bottom - top) / self.height)
        made = self.figure.add_axes(box)
        calm(made)
        return made

    def say(self, left: int, top: int, words: str, size: float = 20, color: str = INK, **style: Any) -> Text:
        return self.figure.text(
            left / WIDTH, 1 - top / self.height, words, fontsize=size, color=color, va="top", **style
        )

    def head(self, left: int, top: int, words: str) -> None:
        self.say(left, top, words, 21, fontweight="bold")

    def rule(self, top: int) -> None:
        from matplotlib.lines import Line2D

        y = 1 - top / self.height
        self.figure.add_artist(Line2D([LEFT / WIDTH, RIGHT / WIDTH], [y, y], color=GRID, linewidth=2))


def card_picture(drawing: CardDrawing) -> bytes:
    """The whole page as a PNG, 1200 pixels wide."""
    sentence = textwrap.wrap(drawing.sentence, 72)
    reasons = [textwrap.wrap(reason, 84) for reason in drawing.reasons]
    lines = (len(drawing.facts) + 1) // 2
    top = 252 + 34 * len(sentence)
    beside = top + 62 * len(drawing.accuracies) + 130
    page = Page(beside + 1_370 + 36 * lines + sum(12 + 32 * len(one) for one in reasons) + 70)
    _heading(page, drawing, sentence)
    _accuracies(page, drawing, top)
    _reliability(page, drawing, beside)
    _tenths(page, drawing, beside)
    _folds(page, drawing, beside + 460)
    _importances(page, drawing, beside + 460)
    _equity(page, drawing, beside + 920)
    _facts(page, drawing, beside + 1_340)
    _reasons(page, reasons, beside + 1_380 + 36 * lines)
    if drawing.label:
        watermark(page.figure, drawing.label)
    return to_png(page.figure)


def _heading(page: Page, drawing: CardDrawing, sentence: Sequence[str]) -> None:
    page.say(LEFT, 42, drawing.title, 33 if len(drawing.title) <= 24 else 26, fontweight="bold")
    color = _BADGES.get(drawing.verdict, INK)
    badge = {"boxstyle": "round,pad=0.4", "facecolor": color, "edgecolor": "none"}
    page.say(RIGHT - 12, 50, drawing.verdict.upper(), 26, "white", ha="right", fontweight="bold", bbox=badge)
    page.say(LEFT, 112, drawing.question, 21, SOFT)
    page.say(LEFT, 150, drawing.span, 19, SOFT)
    page.say(LEFT, 206, "\n".join(sentence), 21, linespacing=1.4)


def _accuracies(page: Page, drawing: CardDrawing, top: int) -> None:
    """The model and its baselines, a dot with its interval each."""
    page.head(LEFT, top, "How often it is right, with 95 % intervals")
    axes = page.axes(290, top + 40, RIGHT - 140, top + 50 + 62 * len(drawing.accuracies))
    for row, (name, value, low, high) in enumerate(drawing.accuracies):
        color = EQUITY if row == 0 else SOFT
        axes.plot([low, high], [row, row], color=color, linewidth=9, alpha=0.35, solid_capstyle="round")
        axes.plot([value], [row], "o", color=color, markersize=15)
        weight = "bold" if row == 0 else "normal"
        beyond = (1.02, row)
        axes.annotate(_percent(value), beyond, xycoords=("axes fraction", "data"), fontsize=21, color=color,
                      va="center", fontweight=weight, annotation_clip=False)  # fmt: skip
        axes.annotate(name, (-0.02, row), xycoords=("axes fraction", "data"), fontsize=20, color=color, ha="right",
                      va="center", fontweight=weight, annotation_clip=False)  # fmt: skip
    axes.axvline(drawing.base_rate, color=SOFT, linewidth=1.4, linestyle=":")
    axes.set_ylim(len(drawing.accuracies) - 0.4, -0.6)
    axes.set_yticks([])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value * 100:.3g} %")
    axes.locator_params(axis="x", nbins=6)


def _reliability(page: Page, drawing: CardDrawing, top: int) -> None:
    page.head(LEFT, top, "Does 60 % mean 60 %?")
    axes = page.axes(LEFT + 80, top + 46, _MIDDLE - 60, top + 346)
    _whiskers(axes, drawing.reliability, EQUITY)
    ends = [end for one in drawing.reliability for end in (one[0], one[2], one[3])] or [drawing.chance, 1.0]
    low, high = max(0.0, min(ends) - 0.03), min(1.0, max(ends) + 0.03)
    axes.plot([low, high], [low, high], color=HOLD, linewidth=2.4, linestyle=(0, (4, 2)))
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    _in_percent(axes)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value * 100:.0f} %")
    axes.locator_params(axis="x", nbins=4, prune="both")  # more labels would touch, or those of the other axis
    page.say(LEFT, top + 396, "confidence, and how often it came true", 17, SOFT)


def _tenths(page: Page, drawing: CardDrawing, top: int) -> None:
    page.head(_MIDDLE, top, "The surer, the better?")
    axes = page.axes(_MIDDLE + 80, top + 46, RIGHT, top + 346)
    _whiskers(axes, drawing.tenths, EQUITY)
    axes.axhline(drawing.base_rate, color=SOFT, linewidth=1.4, linestyle=":")
    axes.set_xticks([1, len(drawing.tenths)], ["least sure", "surest"])
    first, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    _in_percent(axes)
    page.say(_MIDDLE, top + 396, "right, in each tenth of the forecasts", 17, SOFT)


def _folds(page: Page, drawing: CardDrawing, top: int) -> None:
    page.head(LEFT, top, "Walking forward")
    axes = page.axes(LEFT + 80, top + 46, _MIDDLE - 60, top + 346)
    points: list[Point] = [(at / _DAY, value, low, high) for at, value, low, high in drawing.folds]
    if not points:
        _nothing(axes, "judged on one span")
        return
    _whiskers(axes, points, EQUITY)
    axes.axhline(drawing.base_rate, color=SOFT, linewidth=1.4, linestyle=":")
    _in_percent(axes)
    first, last = points[0][0], points[-1][0]
    air = max(1.0, (last - first) * 0.08)
    axes.set_xlim(first - air, last + air)
    ends = sorted({first, last})
    axes.set_xticks(ends, [_day(at, drawing.zone) for at in ends])
    axes.get_xticklabels()[-1].set_horizontalalignment("right" if len(ends) > 1 else "center")
    page.say(LEFT, top + 396, "right, when trained on what was before", 17, SOFT)


def _importances(page: Page, drawing: CardDrawing, top: int) -> None:
    page.head(_MIDDLE, top, "What it looks at")
    axes = page.axes(_MIDDLE + 250, top + 40, RIGHT - 70, top + 376)
    if not drawing.importances:
        _nothing(axes, "not known")
        return
    names, shares = zip(*drawing.importances, strict=True)
    axes.barh(range(len(names)), shares, color=EQUITY, alpha=0.75, height=0.62)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [textwrap.shorten(name, 22, placeholder="…") for name in names])
    axes.set_xticks([])
    axes.grid(False)
    axes.tick_params(axis="y", labelsize=18)
    for row, share in enumerate(shares):
        axes.annotate(f"{share * 100:.0f} %", (share, row), (8, 0), textcoords="offset points", fontsize=18,
                      color=SOFT, va="center")  # fmt: skip


def _equity(page: Page, drawing: CardDrawing, top: int) -> None:
    page.head(LEFT, top, "Traded on the test, after costs")
    axes = page.axes(LEFT + 80, top + 46, RIGHT, top + 336)
    if not drawing.equity:
        _nothing(axes, "nothing was traded")
        return
    for series, color, words, width in (
        (drawing.benchmark, HOLD, "Buy and hold", 2.4),
        (drawing.equity, EQUITY, "This model", 3.4),
    ):
        axes.plot([at / _DAY for at, _ in series], [value for _, value in series], color=color, linewidth=width,
                  label=words, linestyle="-" if color == EQUITY else (0, (4, 2)))  # fmt: skip
    axes.axhline(drawing.equity[0][1], color=SOFT, linewidth=1.2, linestyle=":")
    axes.yaxis.set_major_formatter(lambda value, _: f"${value:,.0f}")
    axes.locator_params(axis="y", nbins=5)
    axes.legend(loc="best", fontsize=18, frameon=True, framealpha=0.85, edgecolor="none")
    time_axis(axes, [at / _DAY for at, _ in drawing.equity], ZoneInfo(drawing.zone))


def _facts(page: Page, drawing: CardDrawing, top: int) -> None:
    """Two columns of `label value`."""
    page.rule(top - 10)
    half = (len(drawing.facts) + 1) // 2
    for number, (name, value) in enumerate(drawing.facts):
        left = LEFT if number < half else _MIDDLE
        y = top + 12 + 36 * (number % half)
        _pair(page.say(left, y, name, 17, SOFT), page.say(left + _HALF, y, value, 17, ha="right", fontweight="bold"))


def _pair(label: Text, value: Text) -> None:
    """Both are written smaller where they would touch."""
    width = sum(one.get_window_extent().width for one in (label, value))
    if width > _HALF - _AIR:
        for one in (label, value):
            one.set_fontsize(17 * (_HALF - _AIR) / width)


def _reasons(page: Page, reasons: Sequence[Sequence[str]], top: int) -> None:
    page.head(LEFT, top, "What keeps it from trading" if reasons else "Every step of the gate is passed")
    top += 44
    for lines in reasons:
        page.say(LEFT, top, "•", 18)
        page.say(LEFT + 26, top, "\n".join(lines), 18, linespacing=1.35)
        top += 12 + 32 * len(lines)


def _whiskers(axes: Axes, points: Sequence[Point], color: str) -> None:
    """Dots joined by a pale line, each with its interval."""
    axes.plot([one[0] for one in points], [one[1] for one in points], color=color, linewidth=1.6, alpha=0.35)
    for x, value, low, high in points:
        axes.plot([x, x], [low, high], color=color, linewidth=6, alpha=0.3, solid_capstyle="round")
        axes.plot([x], [value], "o", color=color, markersize=11)


def _in_percent(axes: Axes) -> None:
    axes.locator_params(axis="y", nbins=5)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:.3g} %")


def _nothing(axes: Axes, words: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, words, transform=axes.transAxes, fontsize=20, color=SOFT, ha="center", va="center")


def _day(days: float, zone: str) -> str:
    return f"{datetime.fromtimestamp(days * _DAY, ZoneInfo(zone)):%d %b}"


def _percent(value: float) -> str:
    return f"{value * 100:.1f} %"


def _drawn(told: Mapping[str, Any]) -> bytes:
    return card_picture(CardDrawing(**told))


if __name__ == "__main__":
    sys.exit(paint(_drawn))
