"""/why in Slack: each moment under its own time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from engine.domain import Decision, GateStep
from tests.days.desk import NOW
from tests.slack.conftest import Room
from tests.slack.test_commands import ask, everything

PROPOSED = Decision(
    "BTC/USD",
    NOW - timedelta(minutes=41),
    (GateStep("model", True, "direction v1 for the next 2 h: up 85 %.", {"p_up": 0.85, "p_down": 0.15}),),
    "proposed as P1",
    (("volume_ratio", 2.5, 0.78), ("rsi", 61.0, -0.2)),
)


def later(verdict: str, up: float) -> Decision:
    numbers = {"p_up": up, "p_down": 1 - up}
    return Decision("BTC/USD", NOW, (GateStep("model", True, "direction v1", numbers),), verdict)


async def shown(room: Room, now: Decision) -> str:
    room.desk.shot = replace(room.desk.shot, decisions={"BTC/USD": PROPOSED}, since={"BTC/USD": now})
    return everything(await ask(room, "/why", "BTC"))


async def test_a_card_s_decision_has_its_own_weights_and_the_last_minute_stands_apart(room: Room) -> None:
    text = await shown(room, later("no trade: Confidence 52 % is below the threshold 60 %.", 0.52))
    clock = room.front.words.clock
    own = text.index(f"What weighed in the forecast of {clock(PROPOSED.at)}")
    now = text.index(f"*Now, {clock(NOW)}*: up 52 %, down 48 %: would not enter: Confidence 52 %")
    assert text.index("proposed as P1") < own < text.index("volume_ratio") < now


async def test_a_minute_that_still_wishes_the_card_says_so(room: Room) -> None:
    assert "would enter again" in await shown(room, later("proposed as P1", 0.81))
