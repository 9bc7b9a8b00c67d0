"""From a price to a card, from a press to a trade, through a kill, to a verified ledger: one real desk, one story."""

from __future__ import annotations

from tests.e2e.desk import command

FAST = ("--feed", "simulated", "--speed", "150")


def test_a_person_approves_a_card_and_the_trade_comes_to_its_end(start) -> None:
    desk = start(*FAST).ready()
    assert "simulated" in desk.messages()[0]["text"]
    card = desk.card()
    assert "DESK_TRADERS=U_STRANGER" in desk.press(card, "proposal_approve", user="U_STRANGER")
    assert "DESK_TRADERS=U_VIEWER" in desk.press(card, "proposal_approve", user="U_VIEWER")

    opened = desk.wait(lambda: approve_one(desk), 90, "position")
    assert (
        "open position" in desk.run("/positions").lower()
    )  # one, or none any more: so fast a market may stop it in a second
    desk.wait(lambda: is_closed(desk, opened), 120, "result in the thread")

    assert "rows" in command("status", "--data-dir", str(desk.data), home=desk.home).stdout
    checked = command("verify", "--data-dir", str(desk.data), home=desk.home)
    assert (checked.returncode, "rows checked" in checked.stdout) == (0, True), checked
    assert desk.stop() == 0
    again = command("replay", "--data-dir", str(desk.data), home=desk.home)
    assert again.returncode == 0, again


def is_closed(desk, opened):
    return any("closed" in m["text"].lower() for m in desk.messages(opened["ts"]))


def approve_one(desk):
    """Press Approve on whatever waits, until a position opens; the card of the trade."""
    for card in desk.cards():
        desk.press(card, "proposal_approve")
    return next(
        (m for m in desk.messages() if "opened" in " ".join(r["text"] for r in desk.messages(m["ts"])).lower()), None
    )
