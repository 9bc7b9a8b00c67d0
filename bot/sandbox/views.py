"""Modals and App Homes: what each person has in front of them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from bot.sandbox.blocks import check, length, text
from bot.sandbox.errors import SlackError, invalid_arguments
from bot.sandbox.people import APP_ID, BOT_ID, TEAM_ID

STACK = 3
View = dict[str, Any]


def refuse_bad_view(view: Any, kind: str) -> None:
    """SlackError invalid_arguments when Slack would refuse `view`; `kind` is modal or home."""
    if not isinstance(view, dict) or view.get("type") != kind:
        raise invalid_arguments([f"must be a {kind} view [json-pointer:/view/type]"])
    found = check(view.get("blocks"), kind)
    if kind == "modal":
        found += text(view.get("title"), 24, "/title", plain=True)
        for field in ("submit", "close"):
            found += text(view[field], 24, f"/{field}", plain=True) if view.get(field) else []
        if not view.get("submit") and any(block.get("type") == "input" for block in view.get("blocks") or ()):
            found.append("submit is required when there are input blocks [json-pointer:/submit]")
    for field, most in (("private_metadata", 3000), ("callback_id", 255), ("external_id", 255)):
        found += length(view[field], most, f"/{field}") if view.get(field) else []
    if found:
        raise invalid_arguments([problem.replace("json-pointer:/", "json-pointer:/view/") for problem in found])


def named_blocks(blocks: list[View]) -> list[View]:
    """Blocks with the ids that Slack gives where the app gave none."""
    named = [{**block, "block_id": block.get("block_id") or secrets.token_hex(3)} for block in blocks]
    return [_named_elements(block) for block in named]


def _named_elements(block: View) -> View:
    interactive = block.get("type") in ("actions", "context_actions")
    if interactive:
        items = [{**item, "action_id": item.get("action_id") or secrets.token_hex(3)} for item in block["elements"]]
        return {**block, "elements": items}
    for place in ("accessory", "element"):
        item = block.get(place)
        if isinstance(item, dict) and item.get("type") != "image" and not item.get("action_id"):
            return {**block, place: {**item, "action_id": secrets.token_hex(3)}}
    return block


def built(view: Mapping[str, Any], kept: Mapping[str, Any]) -> View:
    """The view as Slack hands it back: the app's part, and `kept` from the one it follows."""
    mine = {"state": {"values": {}}, "callback_id": "", "private_metadata": "", "external_id": "", **view}
    mine["blocks"] = named_blocks(view.get("blocks") or [])
    about = {"team_id": TEAM_ID, "app_id": APP_ID, "bot_id": BOT_ID, "app_installed_team_id": TEAM_ID}
    return {**mine, **about, **kept, "hash": f"{secrets.randbelow(10**10)}.{secrets.token_hex(4)}"}


class Modals:
    """A stack of at most three views per person. Modals end with the process, as they do with a browser tab."""

    def __init__(self) -> None:
        self._stacks: dict[str, list[View]] = {}

    def stack(self, user: str) -> list[View]:
        return list(self._stacks.get(user, ()))

    def open(self, user: str, view: View) -> View:
        new = f"V{secrets.token_hex(5).upper()}"
        made = built(view, {"id": new, "root_view_id": new, "previous_view_id": None})
        self._stacks[user] = [made]
        return made

    def push(self, user: str, view: View) -> View:
        """SlackError push_limit_reached above three."""
        stack = self._stacks.get(user, [])
        if not stack:
            return self.open(user, view)
        if len(stack) >= STACK:
            raise SlackError("push_limit_reached")
        kept = {"root_view_id": stack[0]["id"], "previous_view_id": stack[-1]["id"]}
        made = built(view, {"id": f"V{secrets.token_hex(5).upper()}", **kept})
        stack.append(made)
        return made

    def find(self, view_id: str) -> tuple[str, View]:
        """The person and the view, by id or external id; SlackError not_found."""
        for user, stack in self._stacks.items():
            for view in stack:
                if view_id and view_id in (view["id"], view["external_id"]):
                    return user, view
        raise SlackError("not_found")

    def update(self, view_id: str, view: View, expected: str = "") -> tuple[str, View]:
        """SlackError hash_conflict when the view has changed since the app saw it."""
        user, old = self.find(view_id)
        if expected and expected != old["hash"]:
            raise SlackError("hash_conflict")
        kept = {name: old[name] for name in ("id", "root_view_id", "previous_view_id")}
        made = built(view, kept)
        stack = self._stacks[user]
        stack[stack.index(old)] = made
        return user, made

    def close(self, view_id: str) -> str:
        """Take the view, and what lies on it, away; the person it belonged to."""
        user, view = self.find(view_id)
        stack = self._stacks[user]
        del stack[stack.index(view) :]
        return user

    def clear(self, user: str) -> None:
        self._stacks.pop(user, None)
