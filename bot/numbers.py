"""The numbers behind a decision, named and rounded for people: what a rule needs and nobody reads is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.render import amount, figure, money, percent, price

_UNSAID = frozenset({"turnover", "participants", "bars", "needed", "level", "weight"})
_MONEY = frozenset({"worst_loss", "exposure_before", "exposure_after", "equity", "day_start", "peak", "notional"})
_SHARES = frozenset({"drift", "heat", "expected", "costs"})
_NAMES = {"atr_pct": "ATR", "day_start": "equity at the day's start", "peak": "highest equity", "count": "losses"}
_OWN: dict[str, Callable[[float], str]] = {
    "atr_pct": lambda value: f"{percent(value)} of the price",
    "confidence": lambda value: percent(value, digits=0),
    "min_confidence": lambda value: percent(value, digits=0),
    "p_up": lambda value: percent(value, digits=0),
    "p_flat": lambda value: percent(value, digits=0),
    "p_down": lambda value: percent(value, digits=0),
    "edge": lambda value: f"{value:+.2f} volatilities".replace("-", "−"),
    "spread": lambda value: percent(value, digits=3),
    "quantity": amount,
    "count": figure,
    "limit": figure,
    "seconds": figure,
}


def named(numbers: Mapping[str, float]) -> list[tuple[str, str]]:
    """Name and value of every number that helps a person, in order."""
    return [(_NAMES.get(name, name.replace("_", " ")), _told(name, numbers[name])) for name in numbers if _said(name)]


def _said(name: str) -> bool:
    return name not in _UNSAID


def _told(name: str, value: float) -> str:
    if name in _OWN:
        return _OWN[name](value)
    if name in _MONEY:
        return money(value)
    return percent(value, signed=True) if name in _SHARES else price(value)
