"""Slack's limits: `check_message` names every breach, `fit` shortens a message until there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.blocks import Block, Rendered

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
TEXT = 4_000
TOTAL = 12_000  # an undocumented total of about 13,200 characters answers msg_blocks_too_long
SECTION = 3_000
FIELD = 2_000
FIELDS = 10
HEADER = 150
CONTEXT = 10
ACTIONS = 25
BUTTON_TEXT = 75
BUTTON_VALUE = 2_000
ID = 255
ALT = 2_000
MODAL_TITLE = 24
CONFIRM = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
STYLES = {"primary", "danger"}


def check_message(message: Mapping[str, Any]) -> list[str]:
    """What Slack would refuse or cut in a message (`text` and `blocks`), one sentence each; empty when it is fine."""
    problems: list[str] = []
    text = message.get("text")
    if not isinstance(text, str) or not text.strip():
        problems.append("text is missing: notifications and screen readers would be empty")
    elif len(text) > TEXT:
        problems.append(f"text has {len(text)} characters, at most {TEXT}")
    blocks = message.get("blocks") or []
    problems += check_blocks(blocks, MESSAGE_BLOCKS)
    if (total := sum(map(_size, blocks))) > TOTAL:
        problems.append(f"blocks have {total} characters in all, at most {TOTAL}")
    return problems


def check_view(view: Mapping[str, Any]) -> list[str]:
    """What Slack would refuse in a modal or a home tab."""
    problems = check_blocks(view.get("blocks") or [], VIEW_BLOCKS)
    for name in ("title", "submit", "close"):
        label = view.get(name)
        if label is not None and not 0 < len(label["text"]) <= MODAL_TITLE:
            problems.append(f"{name} has {len(label['text'])} characters, 1 to {MODAL_TITLE}")
    if len(view.get("private_metadata", "")) > SECTION:
        problems.append("private_metadata is too long")
    return problems


def check_blocks(blocks: Sequence[Block], most: int) -> list[str]:
    """Every breach in a list of blocks."""
    problems = [f"{len(blocks)} blocks, at most {most}"] if len(blocks) > most else []
    names = [block["block_id"] for block in blocks if "block_id" in block]
    if len(names) != len(set(names)):
        problems.append("a block_id comes twice")
    for index, block in enumerate(blocks):
        problems += [f"block {index} ({block.get('type')}): {text}" for text in _breaches(block)]
    return problems


def _breaches(block: Block) -> Iterator[str]:
    match block.get("type"):
        case "section":
            yield from _section(block)
        case "header":
            yield from _length("text", block["text"]["text"], HEADER)
            if block["text"]["type"] != "plain_text":
                yield "a header is plain_text"
        case "context":
            yield from _count("elements", block["elements"], CONTEXT)
            for element in block["elements"]:
                if element["type"] in ("mrkdwn", "plain_text"):
                    yield from _length("text", element["text"], SECTION)
        case "actions":
            yield from _actions(block)
        case "image":
            yield from _length("alt_text", block.get("alt_text", ""), ALT)
        case "divider" | "input":
            return
        case other:
            yield f"type {other} is not one the desk uses"


def _section(block: Block) -> Iterator[str]:
    if "text" in block:
        yield from _length("text", block["text"]["text"], SECTION)
    if "fields" in block:
        yield from _count("fields", block["fields"], FIELDS)
        for field in block["fields"]:
            yield from _length("field", field["text"], FIELD)
    if "text" not in block and not block.get("fields"):
        yield "neither text nor fields"
    if block.get("accessory", {}).get("type") == "button":
        yield from _button(block["accessory"])


def _actions(block: Block) -> Iterator[str]:
    yield from _count("elements", block["elements"], ACTIONS)
    names = [element["action_id"] for element in block["elements"]]
    if len(names) != len(set(names)):
        yield "an action_id comes twice"
    for element in block["elements"]:
        yield from _button(element)


def _button(element: Block) -> Iterator[str]:
    yield from _length("button text", element["text"]["text"], BUTTON_TEXT)
    yield from _length("action_id", element["action_id"], ID)
    if element["text"]["type"] != "plain_text":
        yield "a button's text is plain_text"
    if len(element.get("value", "")) > BUTTON_VALUE:
        yield "button value is too long"
    if "style" in element and element["style"] not in STYLES:
        yield f"style {element['style']} is neither primary nor danger"
    for name, most in CONFIRM.items():
        if "confirm" in element:
            yield from _length(f"confirm {name}", element["confirm"][name]["text"], most)


def _length(name: str, text: str, most: int) -> Iterator[str]:
    if not text.strip():
        yield f"{name} is empty"
    elif len(text) > most:
        yield f"{name} has {len(text)} characters, at most {most}"


def _count(name: str, items: Sequence[Any], most: int) -> Iterator[str]:
    if not 1 <= len(items) <= most:
        yield f"{len(items)} {name}, 1 to {most}"


def _size(block: Block) -> int:
    """Characters of a block as Slack counts them, nearly: every text in it."""
    if isinstance(block, Mapping):
        return sum(len(item) if key == "text" and isinstance(item, str) else _size(item) for key, item in block.items())
    return sum(map(_size, block)) if isinstance(block, list) else 0


# ------------------------------------------------------------ shortening


def cut(text: str, most: int) -> str:
    """Text of at most `most` characters, cut at a line or a word, never inside an entity or a mention."""
    if len(text) <= most:
        return text or "–"
    kept = text[: most - 1]
    for opener, closer in (("&", ";"), ("<", ">")):
        start = kept.rfind(opener)
        if start > kept.rfind(closer) and len(kept) - start < 120:
            kept = kept[:start]
    edge = max(kept.rfind("\n"), kept.rfind(" "))
    return (kept[:edge] if edge > len(kept) * 0.8 else kept).rstrip() + "…"


def fit(message: Rendered) -> Rendered:
    """The message within Slack's limits: long texts cut, blocks that do not fit replaced by a sentence."""
    return Rendered(cut(message.text, TEXT), fit_blocks(message.blocks, MESSAGE_BLOCKS, TOTAL))


def fit_blocks(blocks: Sequence[Block], most: int, total: int) -> list[Block]:
    """As many blocks as fit, each within its own limits; says when some were left out."""
    kept: list[Block] = []
    size = 0
    for block in map(_fit, blocks):
        size += _size(block)
        if (len(kept) == most - 1 and len(blocks) > most) or size > total - 100:
            left = "More than one Slack message can hold; the rest is left out."
            return [*kept, {"type": "context", "elements": [{"type": "mrkdwn", "text": left}]}]
        kept.append(block)
    return kept


def _fit(block: Block) -> Block:
    match block.get("type"):
        case "header":
            return {**block, "text": _cut_text(block["text"], HEADER)}
        case "section":
            made = dict(block)
            if "text" in block:
                made["text"] = _cut_text(block["text"], SECTION)
            if "fields" in block:
                made["fields"] = [_cut_text(field, FIELD) for field in block["fields"][:FIELDS]]
            return made
        case "context":
            return {**block, "elements": [_cut_text(item, SECTION) for item in block["elements"][:CONTEXT]]}
        case "actions":
            return {**block, "elements": [_fit_button(item) for item in block["elements"][:ACTIONS]]}
        case _:
            return block


def _fit_button(element: Block) -> Block:
    made = {**element, "text": _cut_text(element["text"], BUTTON_TEXT)}
    if "confirm" in element:
        asked = {name: _cut_text(element["confirm"][name], most) for name, most in CONFIRM.items()}
        made["confirm"] = {**element["confirm"], **asked}
    return made


def _cut_text(item: Block, most: int) -> Block:
    return {**item, "text": cut(item["text"], most)} if "text" in item else item
