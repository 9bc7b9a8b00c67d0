"""kill −9 with an open position and a pending proposal: after the restart both are there, and nothing came twice."""

from __future__ import annotations

from tests.e2e.desk import RunningDesk, command


def test_a_killed_desk_comes_back_with_its_position_and_its_card(start) -> None:
    desk = start("--feed", "simulated", "--speed", "60").ready()
    desk.wait(lambda: hold_one_and_keep_one_waiting(desk), 150, "open position beside a pending card")
    heads = [message["ts"] for message in desk.messages()]
    desk.kill()
    before = desk.rows()

    again = start("--feed", "simulated", "--speed", "60").ready()
    again.wait(lambda: len(again.rows()) > len(before) + 4, 60, "new ledger rows")
    after = again.rows()
    assert after[: len(before)] == before
    assert len(order_ids(after)) == len(set(order_ids(after)))
    resumed = next(
        outcome for row in after[len(before) :] for outcome in row["outcomes"] if outcome["is"] == "DeskStarted"
    )
    opened, pending = standing(before)
    assert (resumed["positions"], resumed["pending"], resumed["first"]) == (len(opened), len(pending), False)
    assert opened
    assert pending
    ids = [post for message in again.messages() for post in post_ids(message)]
    assert len(ids) == len(set(ids))
    assert [m["ts"] for m in again.messages()][: len(heads)] == heads
    assert again.stop() == 0
    assert command("verify", "--data-dir", str(again.data), home=again.home).returncode == 0
    assert command("replay", "--data-dir", str(again.data), home=again.home).returncode == 0


def hold_one_and_keep_one_waiting(desk: RunningDesk) -> bool:
    """Approve the first card of several, so that at last one position is open while one card waits."""
    opened = "position_close" in desk.run("/positions")
    waiting = desk.cards()
    if not opened and len(waiting) > 1:
        desk.press(waiting[0], "proposal_approve")
    return opened and len(waiting) > 0


def order_ids(rows: list[dict]) -> list[str]:
    return [o["order"]["client_id"] for row in rows for o in row["outcomes"] if o["is"] == "OrderIntended"]


def post_ids(message: dict) -> list[str]:
    payload = (message.get("metadata") or {}).get("event_payload") or {}
    return [payload["id"]] if "id" in payload else []


def standing(rows: list[dict]) -> tuple[set[str], set[str]]:
    """Open trades and pending proposals by what the ledger says."""
    trades: set[str] = set()
    cards: set[str] = set()
    for outcome in (outcome for row in rows for outcome in row["outcomes"]):
        if outcome["is"] == "PositionOpened":
            trades.add(outcome["position"]["trade_id"])
        elif outcome["is"] == "PositionClosed":
            trades.discard(outcome["trade"]["trade_id"])
        elif outcome["is"] == "ProposalOpened":
            cards.add(outcome["proposal"]["id"])
        elif outcome["is"] == "ProposalClosed":
            cards.discard(outcome["proposal"]["id"])
    return trades, cards
