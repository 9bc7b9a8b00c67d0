"""Who may do what: deny by default, roles by Slack user or user group, and the claim of the first admin."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from engine.domain import Role

log = logging.getLogger(__name__)

GROUPS_FOR = 300.0  # seconds that a user group's members are believed
GROUPS_WITHIN = 1.5  # a press cannot wait longer: its window is 3 s
WRONG_TRIES = 10
SETTING = {
    Role.VIEWER: "DESK_VIEWERS",
    Role.TRADER: "DESK_TRADERS",
    Role.RISK: "DESK_RISK",
    Role.ADMIN: "DESK_ADMINS",
}


class RoleSettings(Protocol):
    """The four settings that name people."""

    @property
    def desk_admins(self) -> tuple[str, ...]: ...
    @property
    def desk_risk(self) -> tuple[str, ...]: ...
    @property
    def desk_traders(self) -> tuple[str, ...]: ...
    @property
    def desk_viewers(self) -> tuple[str, ...]: ...


def named_roles(settings: RoleSettings) -> dict[str, Role]:
    """User or group id → the highest role that the settings give it."""
    lists = (
        (settings.desk_viewers, Role.VIEWER),
        (settings.desk_traders, Role.TRADER),
        (settings.desk_risk, Role.RISK),
        (settings.desk_admins, Role.ADMIN),
    )
    return {name: role for names, role in lists for name in names}


class Access:
    """Answers which role a Slack user has. Unknown people, other teams and unreadable groups have none."""

    def __init__(
        self,
        settings: RoleSettings,
        client: AsyncWebClient,
        claimed: Callable[[], Mapping[str, Role]],
        clock: Callable[[], float],
    ) -> None:
        """`claimed` are the roles in the ledger; `clock` counts real seconds."""
        self._named = named_roles(settings)
        self._client = client
        self._claimed = claimed
        self._clock = clock
        self._members: dict[str, frozenset[str]] = {}
        self._read_at: float | None = None
        self._lock = asyncio.Lock()
        self.team: str | None = None  # set at the start-up check; people of other teams have no role

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(name for name in self._named if name.startswith("S"))

    def has_admin(self) -> bool:
        """Whether anybody is named admin, in the settings or by a claim."""
        return Role.ADMIN in self._named.values() or Role.ADMIN in self._claimed().values()

    async def role_of(self, user: str, team: str | None = None) -> Role:
        """The highest role of a user: named, claimed, or by a group."""
        if self.team and team and team != self.team:
            return Role.NONE
        roles = [self._named.get(user, Role.NONE), Role(self._claimed().get(user, Role.NONE))]
        if self.groups:
            members = await self._groups()
            roles += [self._named[group] for group, users in members.items() if user in users]
        return max(roles, key=lambda role: role.rank)

    async def _groups(self) -> Mapping[str, frozenset[str]]:
        async with self._lock:
            if self._read_at is None or self._clock() - self._read_at > GROUPS_FOR:
                try:
                    self._members = await asyncio.wait_for(self._read_groups(), GROUPS_WITHIN)
                    self._read_at = self._clock()
                except (SlackApiError, TimeoutError, aiohttp.ClientError, OSError) as error:
                    log.warning("user groups could not be read, so nobody has a role by group: %s", reason(error))
                    self._members, self._read_at = {}, None
            return self._members

    async def _read_groups(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for group in self.groups:
            answer = await self._client.usergroups_users_list(usergroup=group)
            found[group] = frozenset(answer.get("users") or ())
        return found


def reason(error: BaseException) -> str:
    """An error in a few words that hold no secret: Slack's code, else the kind of trouble."""
    if isinstance(error, SlackApiError):
        body = getattr(error.response, "data", error.response)  # text when a proxy or a broken server answered
        code = body.get("error") if isinstance(body, Mapping) else None
        return str(code or f"HTTP {getattr(error.response, 'status_code', '?')}")
    return type(error).__name__


def line_to_add(need: Role, user: str, present: Iterable[str] = ()) -> str:
    """The line of `.env` that would give this user the role."""
    return f"{SETTING[need]}={','.join([*present, user])}"


class ClaimCode:
    """The one-time code of the first start: compared in constant time, used once, locked after ten wrong tries."""

    def __init__(self, code: str | None = None) -> None:
        self.code = code or "-".join(secrets.token_hex(2).upper() for _ in range(3))
        self.spent = False
        self._wrong = 0

    @property
    def locked(self) -> bool:
        return self._wrong >= WRONG_TRIES

    def verify(self, given: str) -> bool:
        """Whether `given` is the code. A right answer spends it; a wrong one counts towards the lock."""
        usable = not self.spent and not self.locked
        right = hmac.compare_digest(given.strip().upper().encode(), self.code.encode())
        if usable and right:
            self.spent = True
            return True
        self._wrong += 1
        return False
