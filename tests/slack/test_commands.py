"""Every command through a real socket: answered, ephemeral, within Slack's limits, and refused where it must be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.access import ClaimCode
from bot.commands import COMMANDS
from bot.render import money
from bot.slack_limits import check_message
from engine.domain import Refusal, Role, Side, Signal, State
from engine.messages import Attempted, Message, Panic, Pause, Resume, RoleClaimed
from engine.outcomes import HoldLifted, HoldPlaced, Outcome, Refused, RoleGranted, SignalSeen
from engine.snapshot import Fate
from tests.days.desk import NOW, snapshot
from tests.slack.conftest import Room
from tests.slack.desk import hold


async def ask(room: Room, command: str, text: str = "", user: str = "U_ADMIN") -> dict[str, Any]:
    answer = await room.drive.command(command, text, user)
    assert answer["ok"], answer
    assert answer["replies"], f"{command} {text} said nothing: {answer}"
    reply = answer["replies"][0]
    assert reply["ephemeral"], reply
    assert check_message(reply) == []
    return reply


def everything(reply: dict[str, Any]) -> str:
    return reply["text"] + " " + str(reply["blocks"])


NAMES = [command.name for command in COMMANDS]


async def test_every_command_answers_an_admin_at_once(room: Room) -> None:
    for command in NAMES:
        reply = await ask(room, command, "BTC" if command == "/why" else "")
        assert "Error id" not in everything(reply), command


async def test_every_command_answers_on_an_empty_desk_and_says_that_it_is_simulated(room: Room) -> None:
    room.desk.shot = snapshot(label="simulated")

    for command in NAMES:
        reply = await ask(room, command, "BTC" if command == "/why" else "")
        assert "Error id" not in everything(reply), command
        assert "simulated" in reply["text"], command


async def test_a_stranger_is_told_the_line_that_would_let_them_in(room: Room) -> None:
    for command in NAMES:
        reply = await ask(room, command, user="U_STRANGER")
        assert "DESK_" in reply["text"]
        assert "=U_STRANGER" in reply["text"]

    refused = [item for item in room.desk.submitted if isinstance(item, Attempted)]
    assert [(item.by, item.what, item.allowed) for item in refused] == [("U_STRANGER", name, False) for name in NAMES]


async def test_roles_decide_who_may_do_what(room: Room) -> None:
    cases = [
        ("/pause", "U_VIEWER", False),
        ("/pause", "U_TRADER", True),
        ("/resume", "U_TRADER", False),
        ("/resume", "U_RISK", True),
        ("/panic", "U_TRADER", False),
        ("/panic", "U_RISK", True),
        ("/positions", "U_VIEWER", True),
    ]
    for command, user, allowed in cases:
        reply = await ask(room, command, user=user)
        assert ("You may not do that" not in reply["text"]) is allowed, (command, user)


async def test_positions_show_entry_mark_result_stop_target_and_time_left(room: Room) -> None:
    reply = await ask(room, "/positions")

    text = everything(reply)
    for label in ("BTC/USD", "Entry", "Mark", "P&amp;L", "Stop", "Target", "Time left", "67,450.00", "+$4.31", "none"):
        assert label in text
    buttons = [
        item["action_id"] for block in reply["blocks"] for item in block.get("elements", []) if "action_id" in item
    ]
    assert buttons == ["position_close", "position_half", "position_move_stop", "position_why"]


async def test_why_understands_every_way_to_write_a_symbol(room: Room) -> None:
    for text in ("BTC", "btc/usd", "BTC-USD", "btcusd"):
        reply = await ask(room, "/why", text)
        assert "no trade: no cross" in reply["text"]
        assert "EMA 20 is below EMA 50" in everything(reply)


async def test_why_names_what_it_trades_when_it_does_not_know_a_symbol(room: Room) -> None:
    reply = await ask(room, "/why", "<!channel>")

    assert "BTC/USD" in reply["text"]
    assert "<!channel>" not in reply["text"]


async def test_a_wrong_argument_is_answered_with_the_usage(room: Room) -> None:
    wrong = [
        ("/trades", "many"),
        ("/trades", "0"),
        ("/signals", "51"),
        ("/performance", "yesterday"),
        ("/report", "hourly"),
        ("/desk", "dance"),
    ]
    for command, text in wrong:
        reply = await ask(room, command, text)
        assert "Use: `" + command in reply["text"]


async def test_a_pause_reaches_the_engine_with_who_and_why(room: Room) -> None:
    def placed(message: Message) -> tuple[Outcome, ...]:
        return (HoldPlaced(hold(note="news")),) if isinstance(message, Pause) else ()

    room.desk.answers = placed
    reply = await ask(room, "/pause", "the &amp; <@U_RISK|rosa> news", "U_TRADER")

    assert reply["text"].startswith("Paused.")
    [pause] = [item for item in room.desk.submitted if isinstance(item, Pause)]
    assert (pause.by, pause.role, pause.reason) == ("U_TRADER", Role.TRADER, "the & @rosa news")


async def test_a_refusal_of_the_engine_is_passed_on_in_its_words(room: Room) -> None:
    room.desk.shot = replace(room.desk.shot, holds=(hold("DRAWDOWN"),), state=State.REDUCING)
    no = Refused(Refusal("COOL_DOWN", NOW, "the breaker rests for 20 more minutes"))
    room.desk.answers = lambda message: (no,) if isinstance(message, Resume) else ()

    reply = await ask(room, "/resume", user="U_RISK")

    assert "the breaker rests for 20 more minutes" in reply["text"]
    assert "COOL_DOWN" not in reply["text"], "a person reads sentences"


async def test_panic_takes_two_steps(room: Room) -> None:
    halted = HoldPlaced(hold("PANIC", State.HALTED, "U_RISK"))
    room.desk.answers = lambda message: (halted,) if isinstance(message, Panic) else ()

    question = await ask(room, "/panic", user="U_RISK")

    assert not any(isinstance(item, Panic) for item in room.desk.submitted)
    assert "BTC/USD" in question["text"]
    answer = await room.drive.press(question, "panic_confirm", "U_RISK")
    assert answer["replies"][0]["text"].startswith("Halted.")
    assert [item.by for item in room.desk.submitted if isinstance(item, Panic)] == ["U_RISK"]


async def test_resuming_a_panic_asks_once_more(room: Room) -> None:
    room.desk.shot = replace(room.desk.shot, holds=(hold("PANIC", State.HALTED),), state=State.HALTED)
    room.desk.answers = lambda message: (HoldLifted(hold("PANIC"), "U_RISK"),) if isinstance(message, Resume) else ()

    question = await ask(room, "/resume", user="U_RISK")

    assert not any(isinstance(item, Resume) for item in room.desk.submitted)
    await room.drive.press(question, "resume_confirm", "U_RISK")
    assert [item.code for item in room.desk.submitted if isinstance(item, Resume)] == ["PANIC"]


async def test_what_comes_later_says_so(room: Room) -> None:
    assert "comes in a later version" in (await ask(room, "/desk", "autonomy"))["text"]


async def test_a_playbook_that_trades_by_rule_names_those_that_have_a_model(room: Room) -> None:
    for word in ("models", "train"):
        assert "`direction` and `trend` have one" in (await ask(room, "/desk", word))["text"]


async def test_maintenance_is_the_admins(room: Room) -> None:
    assert "needs the role" in (await ask(room, "/desk", "maintain", "U_RISK"))["text"]
    assert "not wired into this desk" in (await ask(room, "/desk", "maintain"))["text"]


async def test_the_desk_tells_about_itself(room: Room) -> None:
    for word in ("help", "playbook", "universe", "config", "audit", "version"):
        assert "Error id" not in (await ask(room, "/desk", word, "U_VIEWER"))["text"]


async def test_an_audit_names_who_did_what(room: Room) -> None:
    await ask(room, "/pause", "lunch", "U_TRADER")

    reply = await ask(room, "/desk", "audit")

    assert "<@U_TRADER> pause lunch" in reply["text"]


async def test_a_broken_handler_gives_a_sentence_and_an_id_and_no_secret(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("xoxb-very-secret")

    room.desk.health = broken  # type: ignore[method-assign,assignment]
    reply = await ask(room, "/health")

    assert "Error id" in reply["text"]
    assert "xoxb" not in everything(reply)
    name = reply["text"].split("Error id `")[1].split("`")[0]
    assert any(name in record.getMessage() for record in caplog.records)


async def test_a_silent_engine_is_admitted(room: Room) -> None:
    room.desk.silent = True

    reply = await ask(room, "/pause", user="U_TRADER")

    assert "not lost" in reply["text"]


class TestClaim:
    @pytest.fixture
    def claim(self) -> ClaimCode:
        return ClaimCode("AAAA-BBBB-CCCC")

    @pytest.fixture
    def settings(self, settings: Any) -> Any:
        return settings.model_copy(update={"desk_admins": ()})

    async def test_the_code_makes_the_first_admin(self, room: Room) -> None:
        room.desk.answers = lambda message: (
            (RoleGranted(message.by, message.role),) if isinstance(message, RoleClaimed) else ()
        )

        reply = await ask(room, "/desk", "claim aaaa-bbbb-cccc", "U_STRANGER")

        assert "first admin" in reply["text"]
        [claimed] = [item for item in room.desk.submitted if isinstance(item, RoleClaimed)]
        assert (claimed.by, claimed.role) == ("U_STRANGER", Role.ADMIN)
        assert not any("AAAA" in str(item).upper() for item in room.desk.submitted if isinstance(item, Attempted))

    async def test_a_wrong_code_claims_nothing(self, room: Room) -> None:
        reply = await ask(room, "/desk", "claim DDDD", "U_STRANGER")

        assert "not the code" in reply["text"]
        assert not any(isinstance(item, RoleClaimed) for item in room.desk.submitted)

    async def test_a_stranger_hears_of_the_code(self, room: Room) -> None:
        assert "/desk claim CODE" in (await ask(room, "/positions", user="U_STRANGER"))["text"]


async def test_signals_say_what_became_of_each(room: Room) -> None:
    def seen(fate: str, minutes: int, action: str = "enter") -> SignalSeen:
        return SignalSeen(Signal("ema", "BTC/USD", NOW - timedelta(minutes=minutes), action, Side.LONG, 100.0), fate)

    def fate(minutes: int, status: str, **known: Any) -> Fate:
        return Fate("ema", "BTC/USD", NOW - timedelta(minutes=minutes), status, NOW, **known)

    told = {
        "P1": fate(50, "closed", by="U_TRADER", why="stop", pnl=-1.2, pnl_pct=-0.012),
        "P2": fate(40, "open", by="U_TRADER"),
        "P3": fate(30, "rejected", by="U_RISK"),
        "P4": fate(20, "expired"),
        "P5": fate(10, "withdrawn", why="paused by @U_TRADER", renewed=14, renewed_at=NOW),
    }
    signals = tuple(seen("proposed", minutes) for minutes in (50, 40, 30, 20, 10))
    room.desk.shot = replace(room.desk.shot, signals=signals, fates=told)
    _, first, second, third, fourth, fifth = (await ask(room, "/signals"))["text"].splitlines()
    assert "closed −$1.20* (−1.20 %)" in fifth
    assert "approved by <@U_TRADER>" in fifth
    assert "*open* since" in fourth
    assert "rejected by <@U_RISK>" in third
    assert "expired unanswered" in second
    assert "withdrawn: paused by <@U_TRADER>" in first
    assert f"renewed 14 times, last at {room.front.words.clock(NOW)}" in first


async def test_a_wish_that_meets_the_same_no_every_minute_is_one_line(room: Room) -> None:
    def refused(minutes: int, code: str, symbol: str = "BTC/USD") -> SignalSeen:
        at = NOW - timedelta(minutes=minutes)
        wish = Signal("ema", symbol, at, "enter", Side.LONG, 100.0)
        return SignalSeen(wish, "refused", Refusal(code, at, f"no: {code}"))

    bitcoin = (refused(9, "HELD"), refused(8, "HELD"), refused(7, "HELD"), refused(6, "HEAT"), refused(5, "HELD"))
    room.desk.shot = replace(room.desk.shot, signals=(*bitcoin, refused(4, "HELD", "ETH/USD")))
    heading, *lines = (await ask(room, "/signals"))["text"].splitlines()
    assert "4 signals" in heading
    assert ["ETH" in line for line in lines] == [True, False, False, False]
    since = room.front.words.clock(NOW - timedelta(minutes=9))
    assert ["times" in line for line in lines] == [False, False, False, True]
    assert f"no: HELD, 3 times since {since}" in lines[3]


async def test_risk_and_home_tell_what_is_held_from_what_is_reserved(room: Room) -> None:
    held = room.desk.shot.held
    room.desk.shot = replace(room.desk.shot, exposure=held + 150.0, terms=(("price drift", "at most 0.5 %"),))
    reply = await ask(room, "/risk")
    assert f"held {money(held)}, reserved $150.00" in everything(reply)
    assert "*price drift*: at most 0.5 %" in everything(reply)


async def test_a_performance_begins_with_the_desk_and_names_no_equity_of_one_coin(room: Room) -> None:
    born = NOW - timedelta(hours=5)
    room.desk.shot = replace(room.desk.shot, trades=(), started=born, rules_since=NOW - timedelta(hours=1))
    whole = everything(await ask(room, "/performance", "7d"))
    assert f"Since {room.front.words.moment(born)} (the desk began then)" in whole
    assert "the rules changed on" in whole
    assert "Time in the market" in whole
    coin = everything(await ask(room, "/performance", "all BTC"))
    assert "n/a (n/a)" not in coin
    assert "Buy and hold" not in coin


async def test_a_mistyped_word_is_guessed(room: Room) -> None:
    for command, typed, meant in (
        ("/desk", "univers", "universe"),
        ("/report", "dayly", "daily"),
        ("/performance", "todya", "today"),
    ):
        assert f"Did you mean `{command} {meant}`?" in (await ask(room, command, typed))["text"]
    assert "Did you mean" not in (await ask(room, "/desk", "xyzzy"))["text"]
