"""What the analyst says about one symbol at one bar: the signal, and each gate of the chain that `/why` shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from engine.domain import GateStep, Numbers, Side, Signal, Symbol
from engine.evaluation import Evaluated, FeatureKey
from engine.forecasting.wording import percent
from engine.forecasts import Explanation
from engine.playbook.parts import StrategyUse
from engine.strategies.columns import Column

NO_MODEL = GateStep("model", True, "This playbook decides without a model.")
NO_FORECAST = GateStep("model", False, "No bar closed that a model could forecast from.")
SAID_REASONS = 3

_SHOWN = {"atr": "ATR", "volatility": "volatility"}
NO_BAR = GateStep("data", False, "No bar closed in this minute: no prices came, so the indicators wait.")


def still_open(seen: int, step: timedelta) -> GateStep:
    minutes = int(step.total_seconds() // 60)
    return GateStep("data", True, f"The {minutes}-minute bar is still open; {seen} have closed.", {"bars": float(seen)})


def bars_known(seen: int, needed: int, quality: str) -> GateStep:
    numbers = {"bars": float(seen), "needed": float(needed)}
    if seen < needed:
        return GateStep("data", False, f"{seen} of {needed} bars are known; the indicators need them all.", numbers)
    return GateStep("data", True, f"{seen} bars are known; the last one is {quality}.", numbers)


def numbers_of(use: StrategyUse, evaluated: Evaluated, features: Mapping[FeatureKey, Column]) -> dict[str, float]:
    """The last value of everything a person may ask about; unknown ones are left out."""
    columns = dict(evaluated.wishes.numbers)
    for name, length in features:
        if name in _SHOWN:
            columns[f"{_SHOWN[name]}{length}"] = features[name, length]
    if evaluated.atr_pct is not None and evaluated.turnover is not None:
        columns |= {"atr_pct": evaluated.atr_pct, "turnover": evaluated.turnover}
    if evaluated.wishes.confidence is not None:
        columns["confidence"] = evaluated.wishes.confidence
    if evaluated.threshold is not None:
        columns["min_confidence"] = evaluated.threshold
    if evaluated.expected is not None:
        columns["expected"] = evaluated.expected
        columns["costs"] = np.full(1, np.nan if evaluated.costs is None else evaluated.costs)
    return _last(columns)


def signal_of(
    use: StrategyUse, evaluated: Evaluated, symbol: Symbol, at: datetime, price: float, numbers: Numbers
) -> Signal | None:
    """The wish at the last bar, or None. Leaving goes before entering."""
    leaves = bool(evaluated.leave[-1])
    if not leaves and not bool(evaluated.enter[-1]):
        return None
    wishes = evaluated.wishes
    return Signal(
        strategy=use.name,
        symbol=symbol,
        at=at,
        action="exit" if leaves else "enter",
        side=Side.LONG if evaluated.side is None or evaluated.side[-1] > 0 else Side.SHORT,
        price=price,
        confidence=_value(wishes.confidence),
        expected_value=_value(evaluated.value),
        stop_distance=_value(evaluated.stop_distance),
        target_distance=_value(evaluated.target_distance),
        reason=wishes.because_leave if leaves else _why_enter(evaluated),
        numbers=numbers,
    )


def _why_enter(evaluated: Evaluated) -> str:
    """The strategy's own reason, with what the forecast is worth where that is known: the card shows it."""
    because, worth = evaluated.wishes.because_enter, _value(evaluated.value)
    if worth is None or evaluated.costs is None:
        return because
    return f"{because}, worth {worth + evaluated.costs:.2%} before {evaluated.costs:.2%} of costs"


def with_reasons(signal: Signal, told: Explanation | None) -> Signal:
    """The wish with what weighed most in the forecast behind it."""
    if told is None or signal.action != "enter":
        return signal
    weights = (f"{one.contribution:+.2f}".replace("-", "−") for one in told.parts)
    said = ", ".join(f"{one.words} ({weight})" for one, weight in zip(told.parts[:SAID_REASONS], weights, strict=False))
    return replace(signal, reason=f"{signal.reason}, mostly by {said}")


def judgement(use: StrategyUse, evaluated: Evaluated, signal: Signal | None, numbers: Numbers) -> list[GateStep]:
    """The threshold, costs and strategy gates; costs only where the playbook asks about them."""
    wishes = evaluated.wishes
    passed, threshold = _threshold(use, evaluated)
    steps = [GateStep("threshold", passed, threshold, _named(numbers, "confidence", "min_confidence"))]
    covered = _covered(evaluated, numbers)
    if covered is not None:
        steps.append(covered)
    if signal is not None:
        sentence = f"{use.name}: {signal.reason}" if signal.reason else f"{use.name} wishes to {signal.action}"
        return [*steps, GateStep("strategy", True, f"{sentence}.", numbers)]
    failed = not passed or (covered is not None and not covered.passed)
    if bool(wishes.enter[-1]) and not failed:
        return [*steps, GateStep("strategy", False, f"{use.name}: {_missing(evaluated)}.", numbers)]
    if bool(wishes.enter[-1]):
        return [*steps, GateStep("strategy", None, f"{use.name} is not reached.", numbers)]
    return [*steps, GateStep("strategy", False, f"{use.name}: {_idle(evaluated)}.", numbers)]


def _idle(evaluated: Evaluated) -> str:
    """Why the strategy wishes nothing."""
    if evaluated.expected is not None and not math.isfinite(evaluated.expected[-1]):
        return "there is no forecast for this bar"
    return evaluated.wishes.because_idle or "no signal"


def _missing(evaluated: Evaluated) -> str:
    """What keeps a wished entry from being one, when neither its confidence nor its costs do."""
    distances = [side for side in (evaluated.stop_distance, evaluated.target_distance) if side is not None]
    if all(side[-1] > 0 for side in distances):
        return "the playbook does not take this side"
    return "no stop distance is known yet"


def _covered(evaluated: Evaluated, numbers: Numbers) -> GateStep | None:
    """Whether what the forecast promises is more than a round trip costs; None where nobody asks, or nothing is known.

    Costs are fee and slippage, both ways; the Trader, who has the quotes, adds the spread (`engine.trader.spreads`).
    """
    value = _value(evaluated.value)
    if evaluated.costs is None or value is None:
        return None
    told = f"An expected {value + evaluated.costs:+.2%}"
    word = "exceeds" if value > 0 else "does not cover"
    sentence = f"{told} {word} the {evaluated.costs:.2%} that entering and leaving cost."
    return GateStep("costs", value > 0, sentence, _named(numbers, "expected", "costs"))


def _threshold(use: StrategyUse, evaluated: Evaluated) -> tuple[bool, str]:
    confidence, least = evaluated.wishes.confidence, evaluated.threshold
    if confidence is None:
        return True, f"{use.name} states no confidence, so no threshold applies."
    if not math.isfinite(confidence[-1]):
        return True, "Without a forecast there is nothing to compare with a threshold."
    if least is None:
        return True, f"{use.name} has no threshold."
    value = float(confidence[-1])
    word = "reaches" if value >= least[-1] else "is below"
    digits = 0 if round(value, 2) != round(float(least[-1]), 2) else 1  # 60 % is not below 60 %
    told = f"Confidence {percent(value, digits)} {word} the threshold {percent(float(least[-1]), digits)}."
    return bool(value >= least[-1]), told


def _named(numbers: Numbers, *names: str) -> dict[str, float]:
    return {name: numbers[name] for name in names if name in numbers}


def _last(columns: Mapping[str, Column]) -> dict[str, float]:
    values = {name: float(column[-1]) for name, column in columns.items()}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _value(column: Column | None) -> float | None:
    if column is None:
        return None
    value = float(column[-1])
    return value if math.isfinite(value) else None
