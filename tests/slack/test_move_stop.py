"""Move stop through a real socket: a window, a number, and a "no" in the window before anything is ordered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bot.slack_limits import check_view
from engine.domain import Position, Quote, Refusal
from engine.messages import Attempted, Message, MoveStop
from engine.outcomes import Outcome, PositionChanged, Refused
from tests.days.desk import NOW
from tests.slack.conftest import Room
from tests.slack.desk import position

HELD: Position = position()  # long BTC/USD at 67,450, mark 67,900, stop 66,100


async def opened(room: Room, user: str = "U_TRADER") -> dict[str, Any]:
    reply = (await room.drive.command("/positions", user=user))["replies"][0]
    answer = await room.drive.press(reply, "position_move_stop", user)
    assert answer["views"], answer
    return answer["views"][0]


async def window(room: Room, user: str = "U_TRADER") -> str:
    """What the person's window says once the desk has answered."""
    for _ in range(100):
        views = (await room.drive.get("/_page/state", user=user))["views"]
        if "One moment" not in str(views):
            break
        await asyncio.sleep(0.02)
    return str(views[-1]["blocks"])


async def submitted(room: Room, view: dict[str, Any], stop: str, user: str = "U_TRADER") -> dict[str, Any]:
    return await room.drive.post("/_drive/submit", user=user, view_id=view["id"], values={"stop": stop})


def moves(room: Room) -> list[MoveStop]:
    return [item for item in room.desk.submitted if isinstance(item, MoveStop)]


def moved(message: Message) -> Sequence[Outcome]:
    if not isinstance(message, MoveStop):
        return ()
    return (PositionChanged(replace(HELD, stop=message.stop), "tightened"),)


async def test_the_window_shows_the_stop_the_price_and_what_is_allowed(room: Room) -> None:
    room.desk.quotes = {"BTC/USD": Quote("BTC/USD", NOW, 67_910.0, 67_912.0)}
    view = await opened(room)

    assert check_view(view) == []
    shown = str(view["blocks"])
    for words in ("66,100.00", "67,910.00", "67,450.00", "Between 66,100.00 and 67,910.00", "risk role"):
        assert words in shown
    assert "away from the price: that risks more" in str((await opened(room, "U_RISK"))["blocks"])


async def test_a_tighter_stop_reaches_the_engine_and_the_window_says_so(room: Room) -> None:
    room.desk.answers = moved
    await submitted(room, await opened(room), "66500.5")

    assert "is 66,500.50 now" in await window(room)
    assert "it was 66,100.00" in await window(room)
    [move] = moves(room)
    assert (move.by, move.symbol, move.strategy, move.stop) == ("U_TRADER", "BTC/USD", "ema", 66_500.5)


@pytest.mark.parametrize(
    ("user", "typed", "why"),
    [
        ("U_TRADER", "66000", "only the risk role may move a stop away"),
        ("U_TRADER", "67900", "not below the price"),
        ("U_RISK", "70000", "not below the price"),
        ("U_TRADER", "66100", "stands at 66,100 already"),
        ("U_TRADER", "-5", "no price"),
    ],
)
async def test_a_bad_number_is_told_under_its_field_and_orders_nothing(
    room: Room, user: str, typed: str, why: str
) -> None:
    answer = await submitted(room, await opened(room, user), typed, user)

    assert answer["response_action"] == "errors"
    assert why in answer["views"][0]["errors"]["stop"]
    assert moves(room) == []
    refused = [item for item in room.desk.submitted if isinstance(item, Attempted) and not item.allowed]
    assert [(item.by, item.what) for item in refused] == [(user, "stop_view")]


async def test_the_risk_role_may_move_a_stop_away(room: Room) -> None:
    room.desk.answers = moved
    answer = await submitted(room, await opened(room, "U_RISK"), "65000", "U_RISK")

    assert answer["response_action"] == "update"
    assert [move.stop for move in moves(room)] == [65_000.0]


async def test_what_the_engine_refuses_is_answered_in_the_window(room: Room) -> None:
    no = Refused(Refusal("BEYOND_STOP", NOW, "its trailing stop is nearer"))
    room.desk.answers = lambda message: (no,) if isinstance(message, MoveStop) else ()
    await submitted(room, await opened(room), "66500")
    assert "its trailing stop is nearer" in await window(room)


async def test_a_position_that_closed_meanwhile_is_said_to_be_gone(room: Room) -> None:
    view = await opened(room)
    room.desk.shot = replace(room.desk.shot, positions=())
    await submitted(room, view, "66500")
    assert "closed already" in await window(room)
    assert moves(room) == []


async def test_a_viewer_opens_no_window(room: Room) -> None:
    reply = (await room.drive.command("/positions", user="U_VIEWER"))["replies"][0]
    answer = await room.drive.press(reply, "position_move_stop", "U_VIEWER")
    assert answer["views"] == []
    assert "moving a stop needs the role *trader*" in answer["replies"][0]["text"]


async def test_the_home_tab_moves_a_stop_too(room: Room) -> None:
    room.desk.answers = moved
    home = (await room.drive.get("/_drive/home", user="U_TRADER"))["view"]
    pressed = {"user": "U_TRADER", "view_id": home["id"], "action_id": "position_move_stop"}
    view = (await room.drive.post("/_drive/press", **pressed))["views"][0]

    await submitted(room, view, "67000")

    assert [move.stop for move in moves(room)] == [67_000.0]
