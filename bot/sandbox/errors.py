"""The two ways to say no: as Slack says it to an app, and as the page or a script hears it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class SlackError(Exception):
    """A refusal in Slack's own words; `extra` goes into the answer's body."""

    def __init__(self, code: str, status: int = 200, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.headers = dict(headers or {})
        self.extra = extra

    def body(self) -> dict[str, Any]:
        return {"ok": False, "error": self.code, **self.extra}


class DriveError(Exception):
    """A refusal to the page or a script: a code, a sentence and an HTTP status."""

    def __init__(self, code: str, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.status = status

    def body(self) -> dict[str, Any]:
        return {"ok": False, "error": self.code, "message": self.sentence, "ack_ms": None, "replies": [], "views": []}


def ratelimited(seconds: float) -> SlackError:
    """HTTP 429; `Retry-After` is whole seconds, at least one."""
    whole = max(1, -int(-seconds // 1))
    return SlackError("ratelimited", 429, {"Retry-After": str(whole)})


def invalid_blocks(problems: list[str]) -> SlackError:
    """What Slack answers to blocks that it will not show, with every reason."""
    messages = [f"[ERROR] {problem}" for problem in problems]
    return SlackError("invalid_blocks", errors=problems, response_metadata={"messages": messages})


def invalid_arguments(problems: list[str]) -> SlackError:
    messages = [f"[ERROR] {problem}" for problem in problems]
    return SlackError("invalid_arguments", response_metadata={"messages": messages})
