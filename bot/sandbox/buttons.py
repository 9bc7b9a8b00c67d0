"""What in a message can be pressed, chosen or filled in: now, and on a screen that lags behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Element = dict[str, Any]
Found = tuple[Element, Element]  # a block, and the element in it

KEPT = 500  # changed messages whose earlier buttons can still be pressed


def elements(blocks: list[Element]) -> Iterator[Found]:
    """Each block with each element in it that a person can press, choose or fill in."""
    for block in blocks:
        for item in (*block.get("elements", ()), block.get("accessory"), block.get("element")):
            if isinstance(item, dict) and item.get("action_id"):
                yield block, item


def find(blocks: list[Element], action_id: str) -> Found | None:
    return next(((block, item) for block, item in elements(blocks) if item["action_id"] == action_id), None)


class FormerButtons:
    """Buttons that an edit took away. Two people press at once, or one just after the card was decided: the second
    screen still showed them, so the press reaches the app, and the app has to answer it."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, Found]] = {}

    def keep(self, ts: str, blocks: list[Element]) -> None:
        """The message `ts` showed these blocks until now."""
        shown = {item["action_id"]: (block, item) for block, item in elements(blocks)}
        if shown:
            self._of[ts] = self._of.pop(ts, {}) | shown
        while len(self._of) > KEPT:
            del self._of[next(iter(self._of))]

    def find(self, ts: str, action_id: str) -> Found | None:
        return self._of.get(ts, {}).get(action_id)
