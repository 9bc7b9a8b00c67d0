"""Words at once, a picture after: where the question was asked, and nobody else's channel."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bot import files
from bot.blocks import Rendered
from bot.front import Ask
from bot.slack_limits import check_message
from engine.domain import EquityPoint
from engine.outcomes import ReportDue
from tests.days.desk import NOW
from tests.slack.box import Box
from tests.slack.conftest import Room
from tests.slack.desk import busy

CURVE = tuple(EquityPoint(NOW - timedelta(minutes=60 - n), 1000.0 + n) for n in range(60))


@pytest.fixture
def curved(room: Room) -> Room:
    room.desk.shot = busy(equity_curve=CURVE, benchmark=CURVE)
    return room


async def pictures(room: Room, channel: str) -> list[dict[str, Any]]:
    """The pictures in a channel, waiting for the first."""
    for _ in range(100):
        found = [one for message in await room.drive.messages(channel) for one in message.get("files", [])]
        if found:
            return found
        await asyncio.sleep(0.1)
    return []


async def shown(room: Room) -> dict[str, Any]:
    """The picture that the viewer alone sees, waiting for it."""
    query = {"user": "U_VIEWER", "channel": "ml-signals"}
    for _ in range(100):
        told = (await room.drive.get("/_page/messages", **query))["messages"]
        found = [block for one in told if one["ephemeral"] for block in one["blocks"] if block["type"] == "image"]
        if found:
            return found[0]
        await asyncio.sleep(0.1)
    raise AssertionError("no picture came")


async def test_the_words_of_a_performance_come_before_its_chart(curved: Room) -> None:
    answer = await curved.drive.command("/performance", "7d", "U_VIEWER")

    words = answer["replies"][0]
    assert check_message(words) == []
    for part in ("P&amp;L", "Win rate", "Profit factor", "Sharpe", "Sortino", "Drawdown", "Expectancy", "Buy and hold"):
        assert part in str(words["blocks"])
    image = await shown(curved)
    assert image["title"]["text"] == "Equity, 7d"
    opened = await curved.front.client.conversations_open(users="U_VIEWER")
    for channel in (opened["channel"]["id"], "ml-signals"):
        assert not any(message.get("files") for message in await curved.drive.messages(channel)), (
            "one picture is enough"
        )


async def test_a_chart_that_slack_will_not_show_there_comes_as_a_direct_message(
    curved: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse_pictures(ask: Ask, message: Rendered) -> bool:
        said.append(message.text)
        return not any(block["type"] == "image" for block in message.blocks)

    said: list[str] = []
    monkeypatch.setattr(files, "follow_up", refuse_pictures)
    await curved.drive.command("/performance", "7d", "U_VIEWER")
    opened = await curved.front.client.conversations_open(users="U_VIEWER")
    [picture] = await pictures(curved, opened["channel"]["id"])
    assert picture["name"] == "equity.png"
    assert "direct messages" in said[-1]


@pytest.mark.parametrize(("text", "only"), [("all BTC", "BTC/USD"), ("EMA 30d", "ema"), ("today btcusd", "BTC/USD")])
async def test_a_performance_of_one_coin_or_strategy_says_whose_it_is(curved: Room, text: str, only: str) -> None:
    answer = await curved.drive.command("/performance", text, "U_VIEWER")

    assert only in answer["replies"][0]["text"]


async def test_a_report_is_posted_once_with_its_chart_underneath(box: Box, room: Room) -> None:
    room.desk.shot = busy(equity_curve=CURVE, benchmark=CURVE)
    due = ReportDue("evening", "evening:2026-11-20", NOW - timedelta(days=1), NOW, False)
    await box.say(due, within=15.0)
    box.write(due)
    await box.say(within=15.0)

    [report] = await room.drive.messages("daily-reports")
    thread = await room.drive.messages("daily-reports", thread_ts=report["ts"])
    assert [one["name"] for message in thread for one in message.get("files", [])] == ["chart-evening-2026-11-20.png"]


async def test_a_report_on_demand_is_for_the_one_who_asks(curved: Room) -> None:
    answer = await curved.drive.command("/report", "weekly", "U_VIEWER")

    words = answer["replies"][0]
    assert words["ephemeral"]
    assert check_message(words) == []
    assert await curved.drive.messages("daily-reports") == []
