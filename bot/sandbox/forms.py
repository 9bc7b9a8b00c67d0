"""The fields of a modal: what a person filled in, and what Slack itself would not let them send."""

from __future__ import annotations

from typing import Any

from bot.sandbox.buttons import Element, elements
from bot.sandbox.payloads import chosen
from bot.sandbox.views import View


def given(values: dict[str, Any], block: Element, item: Element) -> Any:
    """What `values` holds for a field: Slack's nested state, or simply block_id or action_id to value."""
    held = values.get(block["block_id"], values.get(item["action_id"]))
    if isinstance(held, dict) and item["action_id"] in held:
        held = held[item["action_id"]]
    if isinstance(held, dict) and "type" in held:
        kept = [value for key, value in held.items() if key != "type"]
        held = kept[0] if kept else None
    return initial(item) if held is None else held


def initial(item: Element) -> Any:
    """What a field holds before anybody touches it."""
    if "initial_option" in item:
        return item["initial_option"]["value"]
    if "initial_options" in item:
        return [one["value"] for one in item["initial_options"]]
    found = [value for key, value in item.items() if key.startswith("initial_")]
    return found[0] if found else None


def filled(view: View, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The view's state, and per block what is wrong with it."""
    state: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for block, item in elements(view["blocks"]):
        if block["type"] != "input" and item["type"] == "button":
            continue
        value = given(values, block, item)
        state.setdefault(block["block_id"], {})[item["action_id"]] = chosen(item, value)
        fault = wrong(block, item, value)
        if fault:
            errors[block["block_id"]] = fault
    return state, errors


def wrong(block: Element, item: Element, value: Any) -> str:
    if value in (None, "", []):
        must = block["type"] == "input" and not block.get("optional")
        return "Please complete this required field." if must else ""
    if item["type"] == "plain_text_input":
        least, most = item.get("min_length", 0), item.get("max_length", 3000)
        if not least <= len(str(value)) <= most:
            return f"Please write {least} to {most} characters."
    if item["type"] == "number_input" and not _number(str(value), bool(item.get("is_decimal_allowed"))):
        return "Please enter a number."
    return ""


def _number(value: str, decimal: bool) -> bool:
    try:
        number = float(value)
    except ValueError:
        return False
    return number == number and (decimal or number.is_integer())
