"""Buttons through a real socket: each press is answered, and only the right one reaches the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bot.blocks import actions
from bot.cards import proposal_buttons, render_post
from bot.commands.state import position_buttons
from bot.ids import ActionId, pressed, value
from bot.wire import dump
from engine.domain import Fill, ProposalStatus, Refusal, State
from engine.messages import Attempted, ClosePosition, Message, Press, Resume
from engine.outcomes import Filled, HoldLifted, Outcome, ProposalChanged, ProposalClosed, Refused
from tests.days.desk import NOW, proposal
from tests.slack.conftest import Room
from tests.slack.desk import hold, position

CARD = proposal()
CODES = (
    "EXPIRED",
    "DUPLICATE",
    "STALE",
    "REVISION",
    "UNKNOWN_PROPOSAL",
    "NO_SLOT",
    "DAILY_LOSS",
    "NOT_ALLOWED",
    "STOPPING",
)


async def post(room: Room, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    """A message of the desk's in the channel, as the page and a script see it."""
    await room.front.client.chat_postMessage(channel="C0SIGNALS01", text="a card", blocks=blocks)
    return (await room.drive.messages())[-1]


async def card(room: Room) -> dict[str, Any]:
    made = render_post(room.front.words, "proposal", {"label": "", **dump(proposal=CARD, made_at=NOW)})
    return await post(room, made.blocks)


def answers(*outcomes: Outcome) -> Any:
    def answer(message: Message) -> Sequence[Outcome]:
        return outcomes if isinstance(message, Press | ClosePosition | Resume) else ()

    return answer


def presses(room: Room) -> list[Press]:
    return [item for item in room.desk.submitted if isinstance(item, Press)]


@pytest.mark.parametrize("action", ["approve", "reject", "half"])
async def test_a_press_carries_the_id_the_revision_and_the_person(room: Room, action: str) -> None:
    status = ProposalStatus.REJECTED if action == "reject" else ProposalStatus.APPROVED
    room.desk.answers = answers(ProposalClosed(replace(CARD, status=status, decided_by="U_TRADER")))

    answer = await room.drive.press(await card(room), f"proposal_{action}")

    [press] = presses(room)
    assert (press.action, press.proposal, press.revision, press.by) == (action, "P1", 1, "U_TRADER")
    said = answer["replies"][0]["text"]
    assert said.startswith("Rejected" if action == "reject" else "Approved")
    assert ("half size" in said) is (action == "half")
    assert answer["replies"][0]["ephemeral"]


async def test_a_press_is_answered_about_its_own_card_whatever_expired_with_it(room: Room) -> None:
    expired = replace(CARD, id="P0", symbol="SOL/USD", status=ProposalStatus.EXPIRED, decided_by="desk")
    approved = replace(CARD, status=ProposalStatus.APPROVED, decided_by="U_TRADER")
    room.desk.answers = answers(ProposalClosed(expired), ProposalClosed(approved))

    answer = await room.drive.press(await card(room), "proposal_approve")

    assert answer["replies"][0]["text"].startswith(f"Approved: {CARD.symbol}")


async def test_every_refusal_of_a_press_is_answered_in_words(room: Room) -> None:
    message = await card(room)
    for code in CODES:
        room.desk.answers = answers(Refused(Refusal(code, NOW, f"because of {code.lower()}")))
        answer = await room.drive.press(message, "proposal_approve")
        assert answer["replies"][0]["text"] == f"Nothing was done: because of {code.lower()}"


async def test_a_drifted_press_says_that_nothing_was_bought(room: Room) -> None:
    again = replace(CARD, revision=2, price=3_100.0)
    room.desk.answers = answers(ProposalChanged(again, "drift"), Refused(Refusal("DRIFT", NOW, "moved")))

    answer = await room.drive.press(await card(room), "proposal_approve")

    assert "Nothing was bought yet" in answer["replies"][0]["text"]
    assert "3,100.00" in answer["replies"][0]["text"]


@pytest.mark.parametrize("user", ["U_VIEWER", "U_STRANGER"])
async def test_who_may_not_trade_presses_in_vain_and_is_recorded(room: Room, user: str) -> None:
    answer = await room.drive.press(await card(room), "proposal_approve", user)

    assert f"DESK_TRADERS={user}" in answer["replies"][0]["text"]
    assert presses(room) == []
    attempts = [item for item in room.desk.submitted if isinstance(item, Attempted)]
    assert [(item.by, item.what, item.allowed) for item in attempts] == [(user, "proposal_approve", False)]


async def test_two_presses_at_once_both_reach_the_engine_and_both_are_answered(room: Room) -> None:
    approved = ProposalClosed(replace(CARD, status=ProposalStatus.APPROVED))
    told: list[Outcome] = [Refused(Refusal("DUPLICATE", NOW, "already approved")), approved]
    room.desk.answers = lambda message: (told.pop(),) if isinstance(message, Press) else ()
    message = await card(room)

    both = await asyncio.gather(
        *(room.drive.press(message, "proposal_approve", user) for user in ("U_TRADER", "U_TRADER2"))
    )

    assert sorted(one["replies"][0]["text"].split()[0] for one in both) == ["Approved:", "Nothing"]


@pytest.mark.parametrize(("action", "fraction"), [("position_close", 1.0), ("position_half", 0.5)])
async def test_close_closes_the_position_that_was_shown(room: Room, action: str, fraction: float) -> None:
    fill = Fill("c", "T7", "ema", "BTC/USD", "sell", NOW, 67_900.0, 0.0123, 1.0, 0.0, "manual")
    room.desk.answers = answers(Filled(fill))

    answer = await room.drive.press(await post(room, [actions(*position_buttons(position()))]), action)

    [order] = [item for item in room.desk.submitted if isinstance(item, ClosePosition)]
    assert (order.symbol, order.strategy, order.fraction, order.by) == ("BTC/USD", "ema", fraction, "U_TRADER")
    assert answer["replies"][0]["text"].startswith("Closing")


async def test_closing_what_is_closed_places_nothing(room: Room) -> None:
    message = await post(room, [actions(*position_buttons(position(trade_id="T1")))])

    answer = await room.drive.press(message, "position_close")

    assert "closed already" in answer["replies"][0]["text"]
    assert not any(isinstance(item, ClosePosition) for item in room.desk.submitted)


async def test_why_on_a_card_explains_it(room: Room) -> None:
    room.desk.shot = replace(
        room.desk.shot, decisions={"ETH/USD": replace(room.desk.shot.decisions["BTC/USD"], symbol="ETH/USD")}
    )

    answer = await room.drive.press(await card(room), "proposal_why", "U_VIEWER")

    assert answer["replies"][0]["text"].startswith("ETH/USD")


async def test_the_resume_button_lifts_its_own_hold(room: Room) -> None:
    room.desk.shot = replace(room.desk.shot, holds=(hold("LOSSES", by="rule:losses"),), state=State.REDUCING)
    room.desk.answers = answers(HoldLifted(hold("LOSSES"), "U_RISK"))
    reply = (await room.drive.command("/risk", user="U_RISK"))["replies"][0]

    answer = await room.drive.press(reply, "hold_resume", "U_RISK")

    assert [item.code for item in room.desk.submitted if isinstance(item, Resume)] == ["LOSSES"]
    assert answer["replies"][0]["text"].startswith("Lifted: LOSSES")


async def test_a_button_of_another_time_is_answered(room: Room) -> None:
    old = proposal_buttons(CARD)
    old[0]["value"] = "not json"
    answer = await room.drive.press(await post(room, [actions(*old)]), "proposal_approve")
    assert "no longer knows" in answer["replies"][0]["text"]

    strange = {**old[0], "action_id": "from_version_0"}
    answer = await room.drive.press(await post(room, [actions(strange)]), "from_version_0")
    assert "no longer knows" in answer["replies"][0]["text"]
    assert presses(room) == []


def test_a_button_carries_an_id_and_a_revision_and_nothing_else() -> None:
    assert value("P7", 3) == '{"id":"P7","rev":3}'
    assert pressed(value("P7", 3)) == ("P7", 3)
    for junk in (None, "", "[]", "7", '{"rev":1}', '{"id":"P1","rev":"x"}', "null"):
        assert pressed(junk) is None
    assert all(set(button) >= {"action_id", "value"} for button in proposal_buttons(CARD))


def test_the_ids_that_others_rely_on_never_change() -> None:
    promised = {
        "proposal_approve", "proposal_reject", "proposal_half", "proposal_why",
        "position_close", "position_half", "position_why", "hold_resume",
    }  # fmt: skip
    assert promised <= set(ActionId)
