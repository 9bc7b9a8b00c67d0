"""The home tab: the desk at a glance, by role, fresh when something happens."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.home import home_view
from bot.slack_limits import check_view
from engine.domain import Alarm, ProposalStatus, Role, State
from engine.health import Facts, Reading, judge
from engine.messages import Panic, Pause, Press, Resume
from engine.outcomes import ProposalClosed
from tests.days.desk import NOW, proposal, snapshot
from tests.slack.conftest import Room
from tests.slack.desk import hold, position


def ids(view: dict[str, Any]) -> set[str]:
    return {item["action_id"] for block in view["blocks"] for item in block.get("elements", []) if "action_id" in item}


async def home(room: Room, user: str) -> dict[str, Any]:
    return (await room.drive.get("/_drive/home", user=user))["view"]


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        (
            Role.VIEWER,
            {"proposal_why", "position_why"},
            {"proposal_approve", "position_close", "home_pause", "hold_resume"},
        ),
        (Role.TRADER, {"proposal_approve", "position_close", "home_pause"}, {"home_panic", "hold_resume"}),
        (Role.RISK, {"proposal_approve", "hold_resume", "home_panic", "home_resume"}, set()),
    ],
)
async def test_everybody_sees_the_buttons_that_they_may_press(
    room: Room, role: Role, may: set[str], may_not: set[str]
) -> None:
    room.desk.shot = replace(room.desk.shot, holds=(hold(),), state=State.REDUCING)

    view = home_view(room.front, "U_ANY", role)

    assert check_view(view) == []
    assert may <= ids(view)
    assert not may_not & ids(view)


async def test_a_stranger_sees_how_to_be_let_in_and_no_figure(room: Room) -> None:
    view = home_view(room.front, "U_STRANGER", Role.NONE)

    assert "DESK_VIEWERS=U_STRANGER" in str(view)
    assert "$1,000.00" not in str(view)


async def test_a_crowded_desk_still_fits(room: Room) -> None:
    many = tuple(position(trade_id=f"T{n}", symbol=f"C{n}/USD") for n in range(40))
    cards = tuple(proposal(f"C{n}/USD", id=f"P{n}", reasons=("x" * 5000,)) for n in range(40))
    room.desk.shot = snapshot(positions=many, proposals=cards, holds=tuple(hold(f"H{n}") for n in range(30)))

    assert check_view(home_view(room.front, "U_ADMIN", Role.ADMIN)) == []


async def test_the_tab_is_published_when_opened_and_again_when_something_happens(room: Room) -> None:
    assert "Pending proposals: 1" in str(await home(room, "U_TRADER"))

    room.desk.shot = replace(room.desk.shot, proposals=())
    await asyncio.sleep(2.5)

    assert "Pending proposals: 0" in str(await home(room, "U_TRADER"))


async def test_a_standing_alarm_is_said_once_with_the_number_of_now(room: Room) -> None:
    def health() -> tuple[Reading, ...]:
        return judge(Facts(now=NOW, memory=640 * 1024**2))

    room.desk.health = health  # type: ignore[method-assign]
    alarm = Alarm("memory", "warning", "The desk uses 505 MB of memory.", NOW)
    room.desk.shot = replace(room.desk.shot, alarms=(alarm,))

    shown = str(await home(room, "U_TRADER"))

    assert shown.count("The desk uses") == 1
    assert "The desk uses 640 MB of memory; more than 500 MB is unusual" in shown


async def test_pausing_from_home_asks_why(room: Room) -> None:
    opened = await press_home(room, "home_pause", "U_TRADER")
    view = opened["views"][0]
    values = {"reason": "lunch <!channel>"}

    await room.drive.post("/_drive/submit", user="U_TRADER", view_id=view["id"], values=values)

    [pause] = [item for item in room.desk.submitted if isinstance(item, Pause)]
    assert (pause.by, pause.reason) == ("U_TRADER", "lunch <!channel>")


async def test_panic_from_home_takes_two_steps(room: Room) -> None:
    opened = await press_home(room, "home_panic", "U_RISK")

    assert not any(isinstance(item, Panic) for item in room.desk.submitted)
    await room.drive.post("/_drive/submit", user="U_RISK", view_id=opened["views"][0]["id"], values={})
    assert [item.by for item in room.desk.submitted if isinstance(item, Panic)] == ["U_RISK"]


async def test_a_card_on_the_home_tab_works_as_in_the_channel(room: Room) -> None:
    approved = ProposalClosed(replace(proposal(), status=ProposalStatus.APPROVED))
    room.desk.answers = lambda message: (approved,) if isinstance(message, Press) else ()

    answer = await press_home(room, "proposal_approve", "U_TRADER")

    assert [item.by for item in room.desk.submitted if isinstance(item, Press)] == ["U_TRADER"]
    assert "Approved: ETH/USD" in str(answer["views"][0]["blocks"])


async def test_resuming_a_panic_from_home_asks_once_more(room: Room) -> None:
    room.desk.shot = replace(room.desk.shot, holds=(hold("PANIC", State.HALTED),), state=State.HALTED)
    question = (await press_home(room, "home_resume", "U_RISK"))["views"][0]
    assert not any(isinstance(item, Resume) for item in room.desk.submitted)

    await room.drive.post("/_drive/press", user="U_RISK", view_id=question["id"], action_id="resume_confirm")

    assert [item.code for item in room.desk.submitted if isinstance(item, Resume)] == ["PANIC"]


async def test_what_breaks_behind_a_home_button_is_answered_too(room: Room) -> None:
    room.desk.answers = lambda message: 1 // 0 if isinstance(message, Press) else ()  # type: ignore[return-value]

    answer = await press_home(room, "proposal_approve", "U_TRADER")

    assert "Error id" in str(answer["views"][0]["blocks"])


async def press_home(room: Room, action: str, user: str) -> dict[str, Any]:
    view = await home(room, user)
    return await room.drive.post("/_drive/press", user=user, view_id=view["id"], action_id=action)
