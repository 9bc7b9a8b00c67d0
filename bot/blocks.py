"""Block Kit in Python: parts of a message assembled into blocks. Words come in, already escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.ids import ActionId, value
from bot.render import Words

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as Slack takes it: `text` carries the decision even where blocks are not shown."""

    text: str
    blocks: list[Block] = field(default_factory=list)


def header(text: str) -> Block:
    """A title. Headers are plain text, so the escapes of mark-up are undone."""
    plain = text.replace("*", "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return {"type": "header", "text": {"type": "plain_text", "text": plain, "emoji": False}}


def section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def facts(lines: Iterable[str]) -> list[Block]:
    """`Label: value` lines as two-column fields, ten to a block."""
    found = [_field(line) for line in lines if line.strip()]
    return [{"type": "section", "fields": found[start : start + 10]} for start in range(0, len(found), 10)]


def _field(line: str) -> Block:
    label, colon, rest = line.partition(": ")
    return {"type": "mrkdwn", "text": f"*{label}*\n{rest}" if colon else line}


def note(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}


def divider() -> Block:
    return {"type": "divider"}


def actions(*buttons: Block) -> Block:
    return {"type": "actions", "elements": list(buttons)}


def button(
    text: str, action: ActionId, id: str, rev: int = 0, *, style: str | None = None, confirm: Block | None = None
) -> Block:
    """One button; `style` is primary or danger, `confirm` what Slack asks before it sends the press."""
    label = {"type": "plain_text", "text": text, "emoji": False}
    made: Block = {"type": "button", "text": label, "action_id": str(action), "value": value(id, rev)}
    if style:
        made["style"] = style
    if confirm:
        made["confirm"] = confirm
    return made


def confirm(title: str, text: str, yes: str, no: str = "Keep it", *, danger: bool = True) -> Block:
    """The small question Slack asks before it sends a press."""
    asked: Block = {
        "title": {"type": "plain_text", "text": title},
        "text": {"type": "plain_text", "text": text[:300]},
        "confirm": {"type": "plain_text", "text": yes},
        "deny": {"type": "plain_text", "text": no},
    }
    return {**asked, "style": "danger"} if danger else asked


def assemble(parts: Mapping[str, str], buttons: Sequence[Block] = ()) -> Rendered:
    """Title, body, facts, more, buttons, note: the one order in which every message is laid out."""
    made: list[Block] = []
    if "title" in parts:
        made.append(header(parts["title"]))
    if "body" in parts:
        made.append(section(parts["body"]))
    if "facts" in parts:
        made.extend(facts(parts["facts"].splitlines()))
    if "more" in parts:
        made.append(section(parts["more"]))
    if buttons:
        made.append(actions(*buttons))
    if "note" in parts:
        made.append(note(parts["note"]))
    text = parts.get("text") or parts.get("body") or parts.get("title") or "Nightdesk"
    return Rendered(text, made or [section(text)])


def compose(words: Words, template: str, buttons: Sequence[Block] = (), **data: Any) -> Rendered:
    """A template and its buttons as one message. Every template may use `label`, the market's label or ""."""
    return assemble(words.parts(template, {"label": "", **data}), buttons)


def stacked(first: Rendered, *rest: Rendered) -> Rendered:
    """Several messages as one; the first one's text leads."""
    text = "\n".join([first.text, *(part.text for part in rest)])
    return Rendered(text, [*first.blocks, *(block for part in rest for block in part.blocks)])
