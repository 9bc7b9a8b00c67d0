"""The model card as a picture: what of a judged model is drawn, and in which words. Drawn in a process of its own."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.charts import MOST_POINTS, render
from bot.render import Words, percent
from engine import curve

if TYPE_CHECKING:
    from engine import ModelCard
    from engine.domain import EquityPoint

MOST_FEATURES = 8
MOST_REASONS = 4
_PAINTER = "bot.model_card_picture"

Point = tuple[float, float, float, float]
"""Where on the axis, the share that came true, and the two ends of its interval."""


@dataclass(frozen=True, slots=True)
class CardDrawing:
    """One page about one model, ready to be drawn. Shares are fractions, times seconds since the epoch."""

    title: str
    question: str
    span: str
    verdict: str
    sentence: str
    label: str
    zone: str
    accuracies: list[tuple[str, float, float, float]]  # name, value, ends of the interval; the model first
    reliability: list[Point]  # confidence → came true
    tenths: list[Point]  # 1 to 10, least sure first
    folds: list[Point]  # middle of the fold
    base_rate: float
    chance: float  # confidence below which nothing can be: one over the classes
    equity: list[tuple[float, float]]
    benchmark: list[tuple[float, float]]
    importances: list[tuple[str, float]]
    facts: list[tuple[str, str]]
    reasons: list[str]  # what keeps it from trading


def card_drawing(card: ModelCard, words: Words) -> CardDrawing:
    """The picture of a card, in the words of its template."""
    seen, money = card.judgement, card.money
    parts = words.parts("model_card", {"card": card})
    facts = [html.unescape(line).partition(": ") for line in parts["facts"].splitlines() if line.strip()]
    accuracy = seen.accuracy
    rows = [("this model", accuracy)] + [(one.name, one.accuracy) for one in seen.beside]
    return CardDrawing(
        title=card.name,
        question=card.question,
        span=f"{card.version}, judged once on {words.day(seen.start)} to {words.day(seen.end)}",
        verdict=words.line("model_card", "row_verdict", card=card),
        sentence=card.gate.sentence,
        label=card.label,
        zone=words.zone.key,
        accuracies=[(name, one.value, one.interval.low, one.interval.high) for name, one in rows],
        reliability=[(one.confidence, one.accuracy, one.interval.low, one.interval.high) for one in seen.reliability],
        tenths=[(n, one.accuracy, one.interval.low, one.interval.high) for n, one in enumerate(seen.by_confidence, 1)],
        folds=[
            ((one.start.timestamp() + one.end.timestamp()) / 2, one.accuracy, one.interval.low, one.interval.high)
            for one in seen.folds
        ],
        base_rate=seen.base_rate,
        chance=1 / seen.classes,
        equity=_series(money.curve) if money else [],
        benchmark=_series(money.benchmark) if money else [],
        importances=[(one.feature, one.share) for one in card.importances[:MOST_FEATURES]],
        facts=[(name, value) for name, _, value in facts],
        reasons=[step.sentence for step in card.gate.failed[:MOST_REASONS]],
    )


def card_alt(card: ModelCard) -> str:
    """The picture in words, for people who cannot see it."""
    seen = card.judgement
    beside = ", ".join(f"{one.name} {percent(one.accuracy.value, digits=1)}" for one in seen.beside)
    said = (
        f"Model card of {card.name} {card.version}: {card.gate.verdict}. {card.gate.sentence} Beside it: {beside}. "
        f"Calibration error {percent(seen.calibration_error, digits=1)}."
    )
    if card.money:
        said += f" After costs {percent(card.money.equity_return, signed=True)} in {card.money.trades:,} trades."
    return said + (f" {card.label.capitalize()} market." if card.label else "")


async def card_png(drawing: CardDrawing) -> bytes:
    """The PNG. Raises `ChartError` when it could not be drawn."""
    return await render(drawing, _PAINTER)


def _series(points: Sequence[EquityPoint]) -> list[tuple[float, float]]:
    return [(point.at.timestamp(), point.equity) for point in curve.thinned(points, MOST_POINTS)]
