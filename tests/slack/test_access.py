"""Deny by default: roles, groups that cannot be read, and the claim of the first admin."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.web.async_client import AsyncWebClient

from bot.access import GROUPS_FOR, WRONG_TRIES, Access, ClaimCode
from engine.domain import Role


def named(**lists: tuple[str, ...]) -> Any:
    empty: dict[str, tuple[str, ...]] = dict.fromkeys(("desk_admins", "desk_risk", "desk_traders", "desk_viewers"), ())
    return SimpleNamespace(**(empty | lists))


class Groups:
    """The one Slack method that access asks, and a switch to break it."""

    def __init__(self) -> None:
        self.members: dict[str, list[str]] = {}
        self.calls = 0
        self.broken = False

    async def answer(self, request: web.Request) -> web.Response:
        self.calls += 1
        if self.broken:
            return web.json_response({"ok": False, "error": "paid_teams_only"})
        form = {**request.query, **await request.post()}
        return web.json_response({"ok": True, "users": self.members[str(form["usergroup"])]})


@pytest.fixture
def groups() -> Groups:
    return Groups()


@pytest.fixture
async def client(groups: Groups, aiohttp_server_url: str) -> AsyncWebClient:
    return AsyncWebClient(token="xoxb-test", base_url=aiohttp_server_url, retry_handlers=[])


@pytest.fixture
async def aiohttp_server_url(groups: Groups) -> Any:
    app = web.Application()
    app.router.add_route("*", "/api/usergroups.users.list", groups.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    await runner.cleanup()


def access(client: AsyncWebClient, clock: list[float], claimed: dict[str, Role] | None = None, **lists: Any) -> Access:
    return Access(named(**lists), client, lambda: claimed or {}, lambda: clock[0])


async def test_who_is_not_named_has_no_role(client: AsyncWebClient) -> None:
    assert await access(client, [0.0], desk_admins=("U1",)).role_of("U2") is Role.NONE


async def test_the_highest_role_counts(client: AsyncWebClient) -> None:
    desk = access(client, [0.0], {"U1": Role.ADMIN}, desk_viewers=("U1", "U2"), desk_risk=("U2",))

    assert await desk.role_of("U1") is Role.ADMIN
    assert await desk.role_of("U2") is Role.RISK


async def test_people_of_another_team_have_no_role(client: AsyncWebClient) -> None:
    desk = access(client, [0.0], desk_admins=("U1",))
    desk.team = "T1"

    assert await desk.role_of("U1", "T2") is Role.NONE
    assert await desk.role_of("U1", "T1") is Role.ADMIN


async def test_a_group_gives_its_members_a_role_and_is_asked_every_five_minutes(
    client: AsyncWebClient, groups: Groups
) -> None:
    clock, groups.members = [0.0], {"S1": ["U7"]}
    desk = access(client, clock, desk_traders=("S1",))

    assert await desk.role_of("U7") is Role.TRADER
    assert await desk.role_of("U8") is Role.NONE
    assert groups.calls == 1
    groups.members = {"S1": []}
    clock[0] = GROUPS_FOR + 1
    assert await desk.role_of("U7") is Role.NONE


async def test_a_group_that_cannot_be_read_gives_nobody_a_role(client: AsyncWebClient, groups: Groups) -> None:
    clock, groups.members = [0.0], {"S1": ["U7"]}
    desk = access(client, clock, desk_traders=("S1",), desk_admins=("U1",))
    assert await desk.role_of("U7") is Role.TRADER

    groups.broken = True
    clock[0] = GROUPS_FOR + 1

    assert await desk.role_of("U7") is Role.NONE
    assert await desk.role_of("U1") is Role.ADMIN


def test_a_claim_code_works_once() -> None:
    claim = ClaimCode()

    assert claim.verify(f" {claim.code.lower()} ")
    assert not claim.verify(claim.code)


def test_ten_wrong_tries_lock_the_code() -> None:
    claim = ClaimCode()

    assert not any(claim.verify("WRONG") for _ in range(WRONG_TRIES))
    assert claim.locked
    assert not claim.verify(claim.code)


@given(st.text())
def test_no_other_text_is_the_code(text: str) -> None:
    claim = ClaimCode("ABCD-EF01-2345")

    assert claim.verify(text) is (text.strip().upper() == claim.code)


def test_two_codes_differ() -> None:
    assert ClaimCode().code != ClaimCode().code
