"""Settings that users already know, laid over a playbook: `POSITION_SIZE`, `STOP_LOSS_PCT` and their like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.playbook.errors import PlaybookError, did_you_mean

Tree = dict[str, Any]


def apply_overrides(tree: Tree, overrides: Mapping[str, object]) -> dict[str, str]:
    """Change `tree` in place; return the settings in force. Blank values are no settings. Raises `PlaybookError`."""
    applied: dict[str, str] = {}
    for name, value in overrides.items():
        text = "" if value is None else str(value).strip()
        if name not in _SETTINGS:
            hint = did_you_mean(name, _SETTINGS)
            raise PlaybookError(f"{name} is no setting that overrides a playbook.{hint} Known: {', '.join(_SETTINGS)}.")
        if text:
            _SETTINGS[name](tree, name, text)
            applied[name] = text
    return applied


def _number(name: str, text: str, least: float, most: float, unit: str) -> float:
    try:
        value = float(text.removesuffix("%").strip())
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise PlaybookError(f"{name} was {text!r}; it must be a number from {least:g} to {most:,.15g} ({unit})")
    return value


def _uses(tree: Tree) -> list[Tree]:
    uses = tree.get("strategies")
    return [use for use in uses if isinstance(use, dict)] if isinstance(uses, list) else []


def _part(tree: Tree, key: str) -> Tree:
    part = tree.get(key)
    if not isinstance(part, dict):
        part = tree[key] = {}
    return part


def _capital(tree: Tree, _name: str, text: str) -> None:
    tree["capital"] = _number("--capital", text.removesuffix(".0"), 1, 1e12, "money in quote currency")


def _position_size(tree: Tree, name: str, text: str) -> None:
    amount = _number(name, text, 0.01, 1e12, "money for one trade")
    for use in _uses(tree):
        use["sizing"] = {"policy": "fixed", "amount": amount}


def _max_positions(tree: Tree, name: str, text: str) -> None:
    value = _number(name, text, 1, 10_000, "open positions at once")
    if value != int(value):
        raise PlaybookError(f"{name} was {text!r}; it must be a whole number")
    _part(tree, "limits")["max_positions"] = int(value)


def _stop(tree: Tree, name: str, text: str) -> None:
    percent = _number(name, text, 0.1, 99, "per cent from the entry price: 5 means 5 %")
    for use in _uses(tree):
        _part(use, "exits")["stop"] = {"percent": percent / 100}


def _target(tree: Tree, name: str, text: str) -> None:
    percent = _number(name, text, 0.1, 1000, "per cent from the entry price: 10 means 10 %")
    for use in _uses(tree):
        _part(use, "exits")["target"] = {"percent": percent / 100}


def _min_confidence(tree: Tree, name: str, text: str) -> None:
    value = _number(name, text, 0, 1, "a probability: 0.6 means 60 %")
    for use in _uses(tree):
        use["min_confidence"] = value


_SETTINGS: dict[str, Callable[[Tree, str, str], None]] = {
    "CAPITAL": _capital,
    "POSITION_SIZE": _position_size,
    "MAX_POSITIONS": _max_positions,
    "STOP_LOSS_PCT": _stop,
    "TAKE_PROFIT_PCT": _target,
    "MIN_CONFIDENCE": _min_confidence,
}
