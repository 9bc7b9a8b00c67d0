"""Slack's limits on blocks: what it would refuse is refused here too, with a pointer to the place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Block = dict[str, Any]
Problems = Iterator[str]

MESSAGE_BLOCKS, VIEW_BLOCKS = 50, 100
TOTAL_CHARACTERS = 13_200
MARKDOWN_CHARACTERS = 12_000
CHOICES = {"overflow": 5, "radio_buttons": 10, "checkboxes": 10}
SELECTS = {"static_select", "multi_static_select", "radio_buttons", "checkboxes", "overflow"}
ELEMENTS = {
    *SELECTS, "button", "image", "plain_text_input", "number_input", "email_text_input", "url_text_input", "datepicker",
    "timepicker", "datetimepicker", "users_select", "multi_users_select", "conversations_select", "rich_text_input",
    "multi_conversations_select", "channels_select", "multi_channels_select", "external_select", "file_input",
    "workflow_button", "icon_button", "feedback_buttons",
}  # fmt: skip


def problem(words: str, pointer: str) -> str:
    return f"{words} [json-pointer:{pointer}]"


def length(value: Any, most: int, pointer: str, least: int = 1) -> Problems:
    """`value` must be text of `least` to `most` characters."""
    if not isinstance(value, str):
        yield problem("must be a string", pointer)
    elif len(value) > most:
        yield problem(f"must be less than {most + 1} characters", pointer)
    elif len(value) < least:
        yield problem(f"must be more than {least - 1} characters", pointer)


def count(items: Any, most: int, pointer: str, least: int = 1) -> Problems:
    if not isinstance(items, list):
        yield problem("must be a list", pointer)
    elif len(items) > most:
        yield problem(f"no more than {most} items allowed", pointer)
    elif len(items) < least:
        yield problem(f"must have at least {least} items", pointer)


def text(value: Any, most: int, pointer: str, plain: bool = False) -> Problems:
    """A text object."""
    if not isinstance(value, dict):
        yield problem("must be an object", pointer)
        return
    allowed = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if value.get("type") not in allowed:
        yield problem(f"must be one of {', '.join(allowed)}", f"{pointer}/type")
    yield from length(value.get("text"), most, f"{pointer}/text")


def confirm(value: Any, pointer: str) -> Problems:
    if not isinstance(value, dict):
        yield problem("must be an object", pointer)
        return
    for field, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
        if field in value:
            yield from text(value[field], most, f"{pointer}/{field}", plain=field != "text")


def options(element: Block, pointer: str) -> Problems:
    """The choices of a select, an overflow, radio buttons or checkboxes."""
    items = element.get("options", [])
    if not items and element.get("option_groups"):
        return
    yield from count(items, CHOICES.get(element["type"], 100), f"{pointer}/options")
    for index, option in enumerate(items):
        place = f"{pointer}/options/{index}"
        yield from text(option.get("text"), 75, f"{place}/text", plain=element["type"] not in CHOICES)
        yield from length(option.get("value"), 150, f"{place}/value")


def button(element: Block, pointer: str) -> Problems:
    yield from text(element.get("text"), 75, f"{pointer}/text", plain=True)
    for field, most in (("value", 2000), ("url", 3000), ("accessibility_label", 75)):
        if field in element:
            yield from length(element[field], most, f"{pointer}/{field}")
    if element.get("style", "primary") not in ("primary", "danger"):
        yield problem("must be primary or danger", f"{pointer}/style")


def picture(item: Block, pointer: str) -> Problems:
    yield from length(item.get("alt_text"), 2000, f"{pointer}/alt_text")
    if "image_url" in item:
        yield from length(item["image_url"], 3000, f"{pointer}/image_url")
    elif "slack_file" not in item:
        yield problem("missing required field: image_url", pointer)
    if "title" in item:
        yield from text(item["title"], 2000, f"{pointer}/title", plain=True)


def element(item: Any, pointer: str) -> Problems:
    """Anything a person presses, chooses or fills in."""
    if not isinstance(item, dict) or item.get("type") not in ELEMENTS:
        yield problem(f"unsupported type: {item.get('type') if isinstance(item, dict) else item}", f"{pointer}/type")
        return
    if "action_id" in item:
        yield from length(item["action_id"], 255, f"{pointer}/action_id")
    if "confirm" in item:
        yield from confirm(item["confirm"], f"{pointer}/confirm")
    if "placeholder" in item:
        yield from text(item["placeholder"], 150, f"{pointer}/placeholder", plain=True)
    if item["type"] in SELECTS:
        yield from options(item, pointer)
    if item["type"] == "button":
        yield from button(item, pointer)
    if item["type"] == "image":
        yield from picture(item, pointer)


def section(block: Block, pointer: str) -> Problems:
    if "text" not in block and "fields" not in block:
        yield problem("missing required field: text or fields", pointer)
    if "text" in block:
        yield from text(block["text"], 3000, f"{pointer}/text")
    if "fields" in block:
        yield from count(block["fields"], 10, f"{pointer}/fields")
        for index, field in enumerate(block["fields"]):
            yield from text(field, 2000, f"{pointer}/fields/{index}")
    if "accessory" in block:
        yield from element(block["accessory"], f"{pointer}/accessory")


def header(block: Block, pointer: str) -> Problems:
    yield from text(block.get("text"), 150, f"{pointer}/text", plain=True)


def context(block: Block, pointer: str) -> Problems:
    items = block.get("elements")
    yield from count(items, 10, f"{pointer}/elements")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        place = f"{pointer}/elements/{index}"
        is_picture = isinstance(item, dict) and item.get("type") == "image"
        yield from picture(item, place) if is_picture else text(item, 3000, place)


def actions(block: Block, pointer: str) -> Problems:
    items = block.get("elements")
    yield from count(items, 5 if block["type"] == "context_actions" else 25, f"{pointer}/elements")
    seen: set[str] = set()
    for index, item in enumerate(items if isinstance(items, list) else ()):
        yield from element(item, f"{pointer}/elements/{index}")
        name = item.get("action_id") if isinstance(item, dict) else None
        if name in seen:
            yield problem(f"action_id {name} already exists in this block", f"{pointer}/elements/{index}/action_id")
        seen.add(name) if name else None


def field_input(block: Block, pointer: str) -> Problems:
    yield from text(block.get("label"), 2000, f"{pointer}/label", plain=True)
    if "hint" in block:
        yield from text(block["hint"], 2000, f"{pointer}/hint", plain=True)
    yield from element(block.get("element"), f"{pointer}/element")


def markdown(block: Block, pointer: str) -> Problems:
    yield from length(block.get("text"), MARKDOWN_CHARACTERS, f"{pointer}/text")


def rich_text(block: Block, pointer: str) -> Problems:
    yield from count(block.get("elements"), 1000, f"{pointer}/elements")


def table(block: Block, pointer: str) -> Problems:
    rows = block.get("rows")
    yield from count(rows, 100, f"{pointer}/rows")
    cells = [cell for row in rows if isinstance(row, list) for cell in row] if isinstance(rows, list) else []
    if any(isinstance(row, list) and len(row) > 20 for row in rows or ()):
        yield problem("no more than 20 columns allowed", f"{pointer}/rows")
    if sum(len(str(cell.get("text", ""))) for cell in cells if isinstance(cell, dict)) > 10_000:
        yield problem("no more than 10000 characters allowed in a table", f"{pointer}/rows")


def nothing(_block: Block, _pointer: str) -> Problems:
    return iter(())


CHECKS: dict[str, Callable[[Block, str], Problems]] = {
    "section": section, "header": header, "context": context, "actions": actions, "context_actions": actions,
    "input": field_input, "image": picture, "divider": nothing, "markdown": markdown, "rich_text": rich_text,
    "table": table, "file": nothing, "video": nothing, "data_table": nothing, "data_visualization": nothing,
    "card": nothing, "carousel": nothing, "container": nothing,
}  # fmt: skip
VIEWS_ONLY = {"alert"}
MESSAGES_ONLY = {"markdown", "table", "data_table", "data_visualization", "card", "carousel", "container"}


def check(blocks: Any, view: str | None = None) -> list[str]:
    """Every reason why Slack would refuse `blocks`; `view` is modal or home, None a message."""
    most = VIEW_BLOCKS if view else MESSAGE_BLOCKS
    found = list(count(blocks, most, "/blocks", least=0))
    if not isinstance(blocks, list):
        return found
    names = [block.get("block_id") for block in blocks if isinstance(block, dict) and block.get("block_id")]
    found += [problem(f"block_id {name} already exists", "/blocks") for name in set(names) if names.count(name) > 1]
    for index, block in enumerate(blocks):
        found += one_block(block, f"/blocks/{index}", view)
    return found


def one_block(block: Any, pointer: str, view: str | None) -> Problems:
    kind = block.get("type") if isinstance(block, dict) else None
    shown = MESSAGES_ONLY if view else VIEWS_ONLY
    known = kind in CHECKS or (kind in VIEWS_ONLY and view == "modal")
    if not known or kind in shown:
        yield problem(f"unsupported type: {kind}", f"{pointer}/type")
        return
    if "block_id" in block:
        yield from length(block["block_id"], 255, f"{pointer}/block_id")
    yield from CHECKS.get(str(kind), nothing)(block, pointer)


def characters(item: Any) -> int:
    """All the text that blocks show, for the total that Slack allows a message."""
    if isinstance(item, list):
        return sum(characters(part) for part in item)
    if isinstance(item, dict):
        own = item.get("text")
        return (len(own) if isinstance(own, str) else 0) + sum(
            characters(part) for key, part in item.items() if not (key == "text" and isinstance(part, str))
        )
    return 0
