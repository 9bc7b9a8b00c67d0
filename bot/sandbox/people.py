"""Who and what is in the workspace from its first minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TEAM_ID = "T_SANDBOX"
TEAM_NAME = "Nightdesk sandbox"
APP_ID = "A_NIGHTDESK"
BOT_ID = "B_NIGHTDESK"
BOT_USER = "U_BOT"


@dataclass(frozen=True)
class Person:
    id: str
    name: str
    real_name: str
    title: str
    is_bot: bool = False


@dataclass(frozen=True)
class Room:
    """A channel that exists from the start; `bot_inside` says whether the app is a member."""

    id: str
    name: str
    purpose: str
    bot_inside: bool


PEOPLE: Mapping[str, Person] = {
    person.id: person
    for person in (
        Person("U_ADMIN", "ada", "Ada Admin", "admin: may do everything"),
        Person("U_RISK", "rosa", "Rosa Risk", "risk: pause, resume, panic, limits"),
        Person("U_TRADER", "theo", "Theo Trader", "trader: approves, rejects, closes"),
        Person("U_TRADER2", "tessa", "Tessa Trader", "trader: the second pair of eyes"),
        Person("U_VIEWER", "vic", "Vic Viewer", "viewer: reads"),
        Person("U_STRANGER", "sam", "Sam Stranger", "no role: sees, may do nothing"),
        Person(BOT_USER, "nightdesk", "Nightdesk", "the desk", is_bot=True),
    )
}

SANDBOX_ROLES: Mapping[str, str] = {
    "U_ADMIN": "admin",
    "U_RISK": "risk",
    "U_TRADER": "trader",
    "U_TRADER2": "trader",
    "U_VIEWER": "viewer",
}
"""User id to role, for a desk whose settings name nobody else."""

ROOMS: tuple[Room, ...] = (
    Room("C0SIGNALS01", "ml-signals", "Proposals and trades", True),
    Room("C0REPORTS01", "daily-reports", "The desk's reports, 07:00 and 19:00", True),
    Room("C0ALERTS001", "system-alerts", "Critical issues only", True),
    Room("C0GENERAL01", "general", "Everybody", False),
)


def profile(person: Person) -> dict[str, Any]:
    """A user as users.info and users.list show one."""
    return {
        "id": person.id,
        "team_id": TEAM_ID,
        "name": person.name,
        "real_name": person.real_name,
        "deleted": False,
        "is_bot": person.is_bot,
        "is_app_user": False,
        "is_admin": person.id == "U_ADMIN",
        "is_restricted": False,
        "is_stranger": False,
        "tz": "America/Los_Angeles",
        "profile": {"real_name": person.real_name, "display_name": person.name, "title": person.title},
    }
