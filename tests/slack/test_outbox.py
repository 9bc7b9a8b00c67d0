"""The outbox against a workspace that misbehaves: everything arrives, once, in order."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.domain import Alarm, ExitReason, ProposalStatus
from engine.messages import Stopped
from engine.outcomes import (
    AlarmCleared,
    AlarmRaised,
    AlarmRepeated,
    DeskStarted,
    DeskStopped,
    HoldLifted,
    HoldPlaced,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    ProposalChanged,
    ProposalClosed,
    ProposalOpened,
)
from engine.records import Post
from tests.days.desk import NOW, proposal, trade
from tests.sandbox.conftest import Drive
from tests.slack.box import Box
from tests.slack.desk import hold, position

CARD = proposal()
APPROVED = replace(CARD, status=ProposalStatus.APPROVED, decided_by="U_TRADER", decided_at=NOW)
ALARM = Alarm("data flow", "critical", "kraken has delivered nothing for 10 min", NOW, mention=True)


def action_ids(message: dict[str, Any]) -> list[str]:
    return [
        item["action_id"] for block in message["blocks"] for item in block.get("elements", []) if "action_id" in item
    ]


async def test_a_card_has_its_four_buttons_and_says_everything_that_matters(box: Box, drive: Drive) -> None:
    await box.say(ProposalOpened(CARD))

    [card] = await drive.messages()
    assert action_ids(card) == ["proposal_approve", "proposal_reject", "proposal_half", "proposal_why"]
    text = str(card["blocks"])
    for part in (
        "ETH/USD",
        "3,000.00",
        "2,900.00",
        "none",
        "rule-based, no model",
        "$6.00",
        "$1.00",
        "$0.60",
        "$150.00",
    ):
        assert part in text
    assert "EMA 20 crossed above EMA 50" in text


async def test_a_trade_is_one_thread_under_its_card(box: Box, drive: Drive) -> None:
    held = position(symbol="ETH/USD", approved_by="U_TRADER")
    done = trade(4.0, trade_id="T7", symbol="ETH/USD", exit_reason=ExitReason.TARGET)

    await box.say(ProposalOpened(CARD))
    await box.say(ProposalClosed(APPROVED))
    await box.say(PositionOpened(held, CARD.id))
    await box.say(PositionChanged(held, "trailing"))
    await box.say(PositionClosed(done, CARD.id, 4.0))

    [card] = await drive.messages()
    assert action_ids(card) == []
    assert "<@U_TRADER>" in str(card["blocks"])
    assert "closed" in card["text"]
    assert "+$4.00" in card["text"]
    thread = [message["text"] for message in await drive.messages(thread_ts=card["ts"]) if message["ts"] != card["ts"]]
    assert [text.split(" ")[0] for text in thread] == ["Approved", "Opened", "ETH/USD:", "ETH/USD"]


async def test_a_new_offer_edits_the_card_in_place(box: Box, drive: Drive) -> None:
    await box.say(ProposalOpened(CARD))
    again = replace(CARD, revision=2, price=3_050.0)
    await box.say(ProposalChanged(again, "drift", {"drift": 0.0166}))

    [card] = await drive.messages()
    assert "3,050.00" in card["text"]
    assert "1.66 %" in str(card["blocks"])
    assert '"rev":2' in str(card["blocks"])


async def test_a_lost_answer_is_looked_up_and_never_posted_twice(box: Box, drive: Drive) -> None:
    await drive.fault("lost_response", 1.0)
    await box.say(ProposalOpened(CARD), within=10.0)

    assert len(await drive.messages()) == 1
    await box.say(ProposalClosed(APPROVED))
    assert len(await drive.messages()) == 1


async def test_a_crash_between_sending_and_noting_it_posts_nothing_twice(box: Box, drive: Drive) -> None:
    await box.say(ProposalOpened(CARD))
    box.store._all("UPDATE posts SET state='sending', sent_at=?", (time.time(),))
    box.store._all("UPDATE subjects SET ts=NULL, root=NULL, channel=NULL")

    await box.stop()
    await box.start()
    assert await box.outbox.flush(5.0)

    assert len(await drive.messages()) == 1
    await box.say(ProposalClosed(APPROVED))
    [card] = await drive.messages()
    assert action_ids(card) == []


async def test_a_lost_outbox_file_doubles_nothing(box: Box, drive: Drive) -> None:
    await box.say(ProposalOpened(CARD))
    await box.say(ProposalClosed(APPROVED))
    before = await drive.messages()

    await box.stop()
    box.path = box.path.with_name("new.sqlite")
    box.desk.rows[0] = replace(box.desk.rows[0], at=datetime.fromtimestamp(time.time() - 60, UTC))
    await box.start()
    assert await box.outbox.flush(6.0)

    after = await drive.messages()
    assert [one["ts"] for one in after] == [one["ts"] for one in before]
    assert len(await drive.messages(thread_ts=before[0]["ts"])) == 2


async def test_what_was_recorded_while_the_outbox_was_away_is_said_at_the_start(box: Box, drive: Drive) -> None:
    await box.stop()
    box.write(DeskStarted(NOW, "ACTIVE", True, 0, 1, 1000.0))
    box.write(ProposalOpened(CARD))
    await box.start()
    assert await box.outbox.flush(5.0)

    assert [message["text"].split()[0] for message in await drive.messages()] == ["Nightdesk", "Buy"]


async def test_after_an_outage_everything_comes_in_order_alerts_first_and_stale_cards_as_one_line(
    box: Box, drive: Drive
) -> None:
    await drive.fault("slack_down", 1.2)
    gone = replace(CARD, id="P2", symbol="SOL/USD")
    box.write(ProposalOpened(gone))
    box.write(ProposalOpened(CARD))
    box.write(ProposalClosed(replace(gone, status=ProposalStatus.EXPIRED)))
    box.write(AlarmRaised(ALARM))
    await box.say(DeskStopped(NOW, ("BTC/USD",)), within=15.0)

    texts = [message["text"] for message in await drive.messages()]
    assert not any("Buy SOL/USD" in text for text in texts)
    assert sum("SOL/USD" in text and "came and went" in text for text in texts) == 1
    assert sum(text.startswith("Buy ETH/USD?") for text in texts) == 1
    assert len(await drive.messages("system-alerts")) == 1


async def test_a_rate_limit_is_waited_out(box: Box, drive: Drive) -> None:
    await drive.fault("rate_limit", 1.0)
    await box.say(ProposalOpened(CARD), within=12.0)

    assert len(await drive.messages()) == 1


async def test_refused_blocks_go_out_as_text(box: Box, drive: Drive) -> None:
    await drive.fault("invalid_blocks", 2.0)
    await box.say(ProposalOpened(CARD))

    [card] = await drive.messages()
    assert card["text"].startswith("Buy ETH/USD?")
    assert card["blocks"] == []


async def test_an_alarm_is_one_message_that_counts_escalates_and_recovers(box: Box, drive: Drive) -> None:
    await box.say(AlarmRaised(ALARM))
    await box.say(AlarmRepeated(replace(ALARM, count=7), escalated=False))

    [alert] = await drive.messages("system-alerts")
    assert alert["text"].startswith("<!channel>") or "CRITICAL" in alert["text"]
    assert "seen 7 times" in str(alert["blocks"])
    await box.say(AlarmCleared(ALARM))
    [alert] = await drive.messages("system-alerts")
    assert alert["text"].startswith("Recovered")


async def test_queued_updates_of_one_card_go_out_as_one(
    box: Box, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    await box.say(ProposalOpened(CARD))
    edits: list[str] = []
    update = box.client.chat_update

    async def counted(**about: Any) -> Any:
        edits.append(about["text"])
        return await update(**about)

    monkeypatch.setattr(box.client, "chat_update", counted)
    for revision in range(2, 8):
        box.write(ProposalChanged(replace(CARD, revision=revision, price=3_000.0 + revision), "drift"))
    await box.say(ProposalClosed(APPROVED))

    assert len(edits) <= 2
    assert "approved by" in edits[-1]


async def test_the_status_tells_what_waits_and_why(box: Box, drive: Drive) -> None:
    await drive.fault("slack_down", 1.0)
    box.write(ProposalOpened(CARD))
    box.outbox.wake()
    await asyncio.sleep(0.4)

    status = box.outbox.status()
    assert status.waiting == 1
    assert status.oldest is not None
    assert status.oldest < 5
    assert await box.outbox.flush(8.0)
    assert box.outbox.status().waiting == 0


async def test_a_hold_that_is_over_loses_its_button(box: Box, drive: Drive) -> None:
    await box.say(HoldPlaced(hold(note="news")))
    [placed] = await drive.messages()
    assert action_ids(placed) == ["hold_resume"]

    await box.say(HoldLifted(hold(note="news"), "U_RISK"))

    placed, lifted = await drive.messages()
    assert action_ids(placed) == []
    assert "<@U_RISK>" in placed["text"]
    assert lifted["text"].startswith("Resumed by <@U_RISK>")


async def test_nobody_is_called_for_an_alarm_that_is_over(box: Box, drive: Drive) -> None:
    box.write(AlarmRaised(ALARM))
    await box.say(AlarmCleared(ALARM))

    [alert] = await drive.messages("system-alerts")
    assert alert["text"].startswith("Recovered")
    assert "<!channel>" not in str(alert)


async def test_a_post_that_makes_no_message_is_given_up_and_the_rest_goes_on(box: Box, drive: Drive) -> None:
    broken = Post("broken", "signals", "post", "broken", "proposal", {})
    box.desk.record(Stopped(NOW, "test"), (), (broken,))
    await box.say(ProposalOpened(CARD))

    assert len(await drive.messages()) == 1
    assert box.outbox.status().failed == 1
