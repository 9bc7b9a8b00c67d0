"""What the analyst says about one symbol at one bar: the signal, and each gate of the chain that `/why` shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

from engine.domain import GateStep, Numbers, Side, Signal, Symbol
from engine.evaluation import Evaluated, FeatureKey
from engine.playbook.parts import StrategyUse
from engine.strategies.columns import Column

NO_MODEL = GateStep("model", True, "This playbook decides without a model.")


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
        if name == "atr":
            columns[f"ATR{length}"] = features[name, length]
    if evaluated.atr_pct is not None and evaluated.turnover is not None:
        columns |= {"atr_pct": evaluated.atr_pct, "turnover": evaluated.turnover}
    if evaluated.wishes.confidence is not None:
        columns["confidence"] = evaluated.wishes.confidence
    if use.min_confidence is not None:
        return {"min_confidence": use.min_confidence, **_last(columns)}
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
        side=Side.LONG,
        price=price,
        confidence=_value(wishes.confidence),
        stop_distance=_value(evaluated.stop_distance),
        target_distance=_value(evaluated.target_distance),
        reason=wishes.because_leave if leaves else wishes.because_enter,
        numbers=numbers,
    )


def judgement(use: StrategyUse, evaluated: Evaluated, signal: Signal | None, numbers: Numbers) -> list[GateStep]:
    """The threshold and strategy gates."""
    wishes = evaluated.wishes
    passed, threshold = _threshold(use, wishes.confidence)
    steps = [GateStep("threshold", passed, threshold, _named(numbers, "confidence", "min_confidence"))]
    if signal is not None:
        sentence = f"{use.name}: {signal.reason}" if signal.reason else f"{use.name} wishes to {signal.action}"
        return [*steps, GateStep("strategy", True, f"{sentence}.", numbers)]
    if bool(wishes.enter[-1]) and passed:
        return [*steps, GateStep("strategy", False, f"{use.name}: no stop distance is known yet.", numbers)]
    if bool(wishes.enter[-1]):
        return [*steps, GateStep("strategy", None, f"{use.name} is not reached.", numbers)]
    return [*steps, GateStep("strategy", False, f"{use.name}: {wishes.because_idle or 'no signal'}.", numbers)]


def _threshold(use: StrategyUse, confidence: Column | None) -> tuple[bool, str]:
    if use.min_confidence is None or confidence is None:
        return True, f"{use.name} states no confidence, so no threshold applies." if confidence is None else (
            f"{use.name} has no threshold."
        )
    value = float(confidence[-1])
    word = "reaches" if value >= use.min_confidence else "is below"
    return value >= use.min_confidence, f"Confidence {value:.0%} {word} the threshold {use.min_confidence:.0%}."


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
