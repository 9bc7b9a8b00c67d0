"""The two ways in which an order of a person ends before it begins: a role that is not enough, and any other "no"."""

from __future__ import annotations

from datetime import datetime

from engine.domain import Role
from engine.trader.memory import Memory
from engine.trader.sentences import refusal, who


def refuse(desk: Memory, code: str, at: datetime, sentence: str, symbol: str | None = None) -> None:
    """Say no, in this sentence."""
    desk.refuse(refusal(code, at, None, symbol, sentence=sentence))


def allowed(desk: Memory, what: str, needed: Role, by: str, role: Role, at: datetime) -> bool:
    """Whether the role is enough; the refusal is said where it is not."""
    if role.rank >= needed.rank:
        return True
    refuse(desk, "NOT_ALLOWED", at, f"{who(by)} has the role {role}; to {what} needs {needed}")
    return False
