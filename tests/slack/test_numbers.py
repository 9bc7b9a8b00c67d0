"""Numbers as a person reads them: named, rounded, and without those that only a rule needs."""

from __future__ import annotations

from dataclasses import replace

from bot.numbers import named
from engine.domain import GateStep, Role, State
from engine.messages import Attempted, ClosePosition, MoveStop, Press
from tests.days.desk import NOW
from tests.slack.conftest import Room
from tests.slack.desk import hold


def test_a_strategy_s_numbers_read_as_prices_and_per_cent() -> None:
    told = dict(named({"EMA20": 92_258.961, "atr_pct": 0.000901876, "turnover": 431_285.0, "confidence": 0.61}))
    assert told == {"EMA20": "92,258.96", "ATR": "0.09 % of the price", "confidence": "61 %"}


def test_money_and_counts_keep_their_own_form() -> None:
    told = dict(named({"worst_loss": 2.2471, "quantity": 0.0021615, "exposure_after": 400.0, "drift": -0.0012}))
    assert told == {
        "worst loss": "$2.25", "quantity": "0.0021615", "exposure after": "$400.00", "drift": "−0.12 %",
    }  # fmt: skip


async def test_why_does_not_repeat_the_numbers_that_a_refusal_has_said(room: Room) -> None:
    decision = room.desk.shot.decisions["BTC/USD"]
    no = GateStep("risk", False, "2 of 2 position slots are taken", {"used": 2.0, "limit": 2.0})
    told = replace(decision, steps=(GateStep("strategy", True, "ema crossed.", {"EMA20": 67_200.5}), no))
    room.desk.shot = replace(room.desk.shot, decisions={"BTC/USD": told})

    shown = str((await room.drive.command("/why", "BTC"))["replies"][0]["blocks"])

    assert "EMA20 67,200.50" in shown
    assert "limit" not in shown


async def test_a_breaker_shows_its_rule_with_the_numbers(room: Room) -> None:
    holds = (
        hold("DAILY_LOSS", by="rule:daily_loss", numbers={"equity": 948.2, "day_start": 1000.0, "limit": 50.0}),
        hold("DRAWDOWN", by="rule:drawdown", numbers={"equity": 850.0, "peak": 1000.0, "limit": 0.15}),
        hold("LOSSES", by="rule:losses", numbers={"count": 5.0, "limit": 5.0}),
    )
    room.desk.shot = replace(room.desk.shot, holds=holds, state=State.REDUCING)

    shown = str((await room.drive.command("/risk"))["replies"][0]["blocks"])

    assert "equity ($948.20) fell $51.80 below the day's start ($1,000.00); the limit is $50.00" in shown
    assert "fell 15.00 % below its highest ($1,000.00); the limit is 15.00 %" in shown
    assert "5 losing trades in a row; the limit is 5" in shown


async def test_the_audit_says_each_deed_once_and_in_words(room: Room) -> None:
    record = room.desk.record
    record(Attempted(NOW, "U_TRADER", "proposal_half", True, '{"id":"P6","rev":1}'))
    record(Press(NOW, "half", "P6", 1, "U_TRADER", Role.TRADER))
    record(ClosePosition(NOW, "U_TRADER", Role.TRADER, "BTC/USD", "ema", 0.5))
    record(MoveStop(NOW, "U_RISK", Role.RISK, "BTC/USD", 66_500.0, "ema"))
    record(Attempted(NOW, "U_VIEWER", "position_close", False, "has viewer, needs trader"))
    record(Attempted(NOW, "U_VIEWER", "position_why", True, '{"id":"T7","rev":0}'))

    text = (await room.drive.command("/desk", "audit", user="U_ADMIN"))["replies"][0]["text"]

    assert text.count("P6") == 1
    for words in (
        "half proposal P6",
        "close BTC/USD (50%)",
        "move the stop of BTC/USD to 66,500.00",
        "closing a position (has viewer, needs trader): refused",
        "asking why (T7)",
    ):
        assert words in text
    assert "{" not in text


async def test_config_shows_what_is_set_and_no_secret(room: Room) -> None:
    room.desk.shot = replace(room.desk.shot, settings={"POSITION_SIZE": "0.1", "speed": "600.0"})

    text = (await room.drive.command("/desk", "config", user="U_VIEWER"))["replies"][0]["text"]

    for words in (
        "POSITION_SIZE: `0.1`",
        "`CHANNEL_SIGNALS` ml-signals",
        "*Not set*: `SLACK_BOT_TOKEN`",
        "capital: `1000`",
    ):
        assert words in text
    assert "KRAKEN_API_SECRET` set" not in text
