"""Numbers, times and templates: what a person reads, whatever the desk holds."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from bot.blocks import Rendered, assemble
from bot.cards import render_post
from bot.posts import Terms, announce, announcer
from bot.render import Words, amount, duration, money, percent, plain, price, short, slack, told
from bot.slack_limits import check_message, cut, fit
from engine import codec
from engine.domain import Alarm, ExitReason, ProposalStatus, Refusal, Side, Signal, State
from engine.messages import Stopped
from engine.outcomes import (
    AlarmCleared,
    AlarmRaised,
    AlarmRepeated,
    DeskStarted,
    DeskStopped,
    HoldLifted,
    HoldPlaced,
    OrderAcked,
    Outcome,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    ProposalChanged,
    ProposalClosed,
    ProposalOpened,
    Refused,
    ReportDue,
    SignalSeen,
)
from engine.records import Post
from tests.days.desk import NOW, proposal, snapshot, trade
from tests.slack.desk import NASTY, hold, position

MESSAGE = Stopped(NOW, "test")


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (money(1000), "$1,000.00"),
        (money(-3.2, signed=True), "−$3.20"),
        (money(0.001, signed=True), "$0.00"),
        (money(-0.001, signed=True), "$0.00"),
        (money(3, signed=True), "+$3.00"),
        (money(math.nan), "n/a"),
        (money(None), "n/a"),
        (percent(0.0042, signed=True), "+0.42 %"),
        (percent(-0.5), "−50.00 %"),
        (price(67450), "67,450.00"),
        (price(0.00001234), "0.00001234"),
        (price(1.5), "1.500"),
        (price(None), "none"),
        (price(math.inf), "n/a"),
        (amount(0.0123), "0.0123"),
        (amount(1e-9), "0.000000001"),
        (amount(1234567.0), "1,234,567"),
        (amount(100), "100"),
        (duration(None), "none"),
        (duration(45), "45 s"),
        (duration(timedelta(minutes=12)), "12 min"),
        (duration(timedelta(hours=3, minutes=20)), "3 h 20 min"),
        (duration(timedelta(days=2, hours=4)), "2 d 4 h"),
        (duration(-5), "0 s"),
        (short("a\n b", 10), "a b"),
        (plain("&amp; <@U1|ann> <#C1|trades> <https://btc.com|btc.com> <!channel>"), "& @ann #trades btc.com @channel"),
    ],
)
def test_numbers_and_texts_read_as_a_person_writes_them(shown: str, text: str) -> None:
    assert shown == text


@given(st.text())
def test_escaping_leaves_nothing_that_slack_would_act_on(text: str) -> None:
    escaped = slack(text)

    assert "<" not in escaped
    assert ">" not in escaped
    assert plain(escaped) == text.strip()


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_number_has_words(number: float) -> None:
    for say in (money, percent, price, amount):
        assert say(number)


@given(st.text(max_size=300), st.integers(min_value=20, max_value=200))
def test_a_cut_text_fits_and_never_ends_inside_an_entity(text: str, most: int) -> None:
    made = cut(slack(text), most)

    assert len(made) <= max(most, 1)
    tail = made[made.rfind("&") :] if "&" in made else ""
    assert not tail or ";" in tail


def everything(text: str = "calm", number: float = 1.5) -> list[Outcome]:
    """One of every outcome that the desk speaks about, filled with a text and a number."""
    card = proposal(reasons=(text,) * 5, confidence=number, price=number, worst_loss=number)
    decided = replace(card, decided_by="U_TRADER", decided_at=NOW, decided_why=text or None)
    held = position(entry_price=number, pnl=number, stop=None, held_exit="time")
    alarm = Alarm(text[:60] or "key", "critical", text, NOW, count=3, mention=True)
    signal = Signal("ema", "BTC/USD", NOW, "enter", Side.LONG, number, reason=text)
    return [
        DeskStarted(NOW, "ACTIVE", True, 1, 1, number),
        DeskStarted(NOW, "REDUCING", False, 0, 0, number),
        DeskStopped(NOW, ("BTC/USD",)),
        DeskStopped(NOW, ()),
        ProposalOpened(card),
        *(
            ProposalChanged(replace(card, revision=n), why)
            for n, why in enumerate(("drift", "level", "halved", "refreshed"), 2)
        ),
        *(ProposalClosed(replace(decided, status=status)) for status in ProposalStatus if status != "pending"),
        PositionOpened(held, None),
        PositionOpened(held, "P1", {"drift": number}),
        *(PositionChanged(held, why) for why in ("added", "reduced", "trailing", "due", text or "other")),
        *(PositionClosed(trade(25.0, exit_reason=reason), "P1", 25.0) for reason in ExitReason),
        PositionClosed(trade(-7.0, trade_id="T7"), None, -7.0),
        HoldPlaced(hold(note=text)),
        HoldPlaced(hold("PANIC", State.HALTED, note=text)),
        HoldPlaced(hold("DAILY_LOSS", by="rule:daily_loss", until=NOW, numbers={"loss": number})),
        HoldLifted(hold(note=text), "U_RISK"),
        HoldLifted(hold("PANIC", State.HALTED), "console"),
        AlarmRaised(alarm),
        AlarmRepeated(alarm, True),
        AlarmCleared(alarm),
        OrderAcked("c1", "BTC/USD", False, text, None),
        SignalSeen(signal, "refused", Refusal("CARDS_PER_HOUR", NOW, text, symbol="BTC/USD")),
    ]


def said(outcomes: list[Outcome], label: str = "") -> tuple[Post, ...]:
    seen = tuple(item for item in outcomes if isinstance(item, SignalSeen))
    return announce(MESSAGE, outcomes, snapshot(label=label, signals=seen))


def rendered(words: Words, posts: tuple[Post, ...]) -> list[tuple[Post, Rendered]]:
    """Posts as the outbox shows them: a subject's data grows with each."""
    known: dict[str, dict[str, Any]] = {}
    made = []
    for post in posts:
        known[post.subject] = {**known.get(post.subject, {}), **post.data}
        if not post.template.startswith("report"):
            made.append((post, render_post(words, post.template, known[post.subject])))
    return made


@pytest.mark.parametrize("number", [1.5, 0.0, -3.0, math.nan, 1e-12, 1e15])
@pytest.mark.parametrize("text", NASTY, ids=["mention", "ticks", "quotes", "long", "control", "empty"])
def test_whatever_the_desk_says_fits_slack_and_mentions_nobody(words: Words, text: str, number: float) -> None:
    made = rendered(words, said(everything(text, number)))

    assert {post.template for post, _ in made} >= {"proposal", "decision", "opened", "changed", "closed", "big", "hold"}
    for post, message in made:
        fitted = fit(message)
        body = {"text": fitted.text, "blocks": fitted.blocks}
        assert check_message(body) == [], post.key
        assert "<!channel>" not in json.dumps(body), post.key
        for block in fitted.blocks:
            parsed = Block.parse(block)
            assert parsed is not None
            assert parsed.to_dict()["type"] == block["type"]


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"horizon": timedelta(hours=2)}, "up in 2 h: 83 %"),
        ({"horizon": timedelta(minutes=10), "band": 0.002}, "up more than 0.2 % in 10 min: 83 %"),
        ({"horizon": timedelta(hours=2), "side": Side.SHORT}, "down in 2 h: 83 %"),
        ({}, "83 %"),
    ],
)
def test_a_card_says_of_what_it_is_so_sure_and_by_when(words: Words, changes: dict[str, Any], shown: str) -> None:
    card = replace(proposal(), confidence=0.829, reasons=("worth 1.74% before 1.00% of costs",), **changes)
    ((_, message),) = rendered(words, said([ProposalOpened(card)]))
    text = json.dumps(message.blocks, ensure_ascii=False)
    assert shown in text
    assert ("*Forecast*" in text) == ("horizon" in changes)
    assert "worth 1.74 % before 1.00 % of costs" in text


def test_the_card_of_an_open_position_has_one_entry_one_stop_and_one_target(words: Words) -> None:
    card = replace(proposal(), price=3_011.0, stop=2_901.0, target=3_311.0, decided_by="U_TRADER", decided_at=NOW)
    held = position(symbol=card.symbol, entry_price=3_000.0, quantity=0.05, stop=2_850.0, target=3_300.0)
    row = [
        ProposalOpened(card),
        ProposalClosed(replace(card, status=ProposalStatus.APPROVED)),
        PositionOpened(held, card.id),
    ]
    cards = [message for post, message in rendered(words, said(row)) if post.template == "proposal"]
    offered, approved, opened = (json.dumps(one.blocks, ensure_ascii=False) for one in cards)
    assert "s old" in offered
    assert "old" not in approved
    assert "*Price, as proposed*" in approved
    assert not [number for number in ("3,011", "2,901", "3,311") if number in opened]
    assert "2,850.00 (−5.00 %)" in opened
    assert "*Exposure, as proposed*" in opened


def test_a_card_that_the_desk_itself_refuses_does_not_say_that_somebody_pressed(words: Words) -> None:
    by_desk = replace(proposal(), status=ProposalStatus.REFUSED, decided_by="desk", decided_at=NOW, decided_why="heat")
    texts = {}
    for by in ("desk", "U_TRADER"):
        ((_, shown),) = rendered(words, said([ProposalClosed(replace(by_desk, decided_by=by))]))
        texts[by] = json.dumps(shown.blocks, ensure_ascii=False)
    assert "*Refused by the desk*" in texts["desk"]
    assert "nobody pressed; the signal came again" in texts["desk"]
    assert "when the desk pressed" not in texts["desk"]
    assert "*Refused* when <@U_TRADER> pressed" in texts["U_TRADER"]


def test_every_message_of_a_simulated_market_says_so(words: Words) -> None:
    for post, message in rendered(words, said(everything(), label="simulated")):
        assert message.text.startswith("[simulated]"), post.key
        assert "simulated" in json.dumps(message.blocks), post.key


def test_posts_survive_the_ledger_unchanged() -> None:
    for post in said(everything()):
        again = codec.decode(json.loads(json.dumps(codec.encode(post))))
        assert again == post


def test_the_same_outcomes_always_give_the_same_posts() -> None:
    assert said(everything()) == said(everything())


def test_every_post_has_a_key_of_its_own() -> None:
    row = [
        ProposalOpened(proposal()),
        PositionOpened(position(), "P1"),
        PositionClosed(trade(12.0, trade_id="T7"), "P1", 30.0),
    ]
    keys = [post.key for post in said(row)]

    assert len(keys) == len(set(keys))


def test_only_big_news_and_critical_alarms_may_mention_the_channel() -> None:
    loud = {post.template for post in said(everything()) if post.mention}

    assert loud == {"big", "hold", "alarm"}
    assert all(post.channel == "alerts" for post in said(everything()) if post.mention and post.template != "big")


@pytest.mark.parametrize(
    ("pnl", "day", "kinds"),
    [
        (9.99, 9.99, []),
        (10.0, 10.0, ["big_win"]),
        (-4.99, -9.0, []),
        (-5.0, -5.0, ["big_loss"]),
        (6.0, 21.0, ["daily_goal"]),
        (6.0, 30.0, []),
    ],
)
def test_big_news_begins_at_the_playbooks_figures(pnl: float, day: float, kinds: list[str]) -> None:
    posts = announcer(Terms())(MESSAGE, [PositionClosed(trade(pnl), "P1", day)], snapshot())

    assert [post.data["kind"] for post in posts if post.template == "big"] == kinds


def test_a_playbook_without_notices_shouts_at_nobody() -> None:
    posts = announcer(Terms(None, None, None))(MESSAGE, [PositionClosed(trade(500.0), "P1", 500.0)], snapshot())

    assert not any(post.mention for post in posts)


def test_a_warning_stays_out_of_the_alerts_channel() -> None:
    assert said([AlarmRaised(Alarm("disk", "warning", "2 GB left", NOW))]) == ()


def test_answers_to_presses_are_not_posted() -> None:
    assert said([Refused(Refusal("STALE", NOW, "old"))]) == ()


def test_a_report_is_keyed_by_its_slot_and_brings_its_chart_as_a_reply() -> None:
    head, chart = said([ReportDue("evening", "evening:2026-11-20", NOW, NOW, False)])

    assert (head.key, head.channel, head.thread) == ("report:evening:2026-11-20", "reports", None)
    assert (chart.template, chart.thread) == ("report_chart", head.subject)


def test_the_fallback_text_of_a_card_carries_the_decision(words: Words) -> None:
    decided = replace(proposal(), status=ProposalStatus.APPROVED, decided_by="U_TRADER", decided_at=NOW)
    texts = [
        message.text for _, message in rendered(words, said([ProposalOpened(proposal()), ProposalClosed(decided)]))
    ]

    assert texts[0].startswith("Buy ETH/USD? 0.05 ETH ($150.00) at about 3,000.00, stop 2,900.00, target none")
    assert "approved by <@U_TRADER>" in texts[1]


def test_a_message_too_long_is_shortened_and_says_so() -> None:
    long = assemble(
        {
            "text": "x" * 9_000,
            "title": "t" * 900,
            "body": "word " * 5_000,
            "facts": "\n".join(["A: " + "y" * 3_000] * 30),
        }
    )
    made = fit(long)

    assert check_message({"text": long.text, "blocks": long.blocks})
    assert check_message({"text": made.text, "blocks": made.blocks}) == []
    assert "left out" in json.dumps(made.blocks)


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ({"text": "", "blocks": []}, "text is missing"),
        ({"text": "a", "blocks": [{"type": "divider"}] * 51}, "51 blocks"),
        ({"text": "a", "blocks": [{"type": "section"}]}, "neither text nor fields"),
        ({"text": "a", "blocks": [{"type": "actions", "elements": []}]}, "0 elements"),
        ({"text": "a", "blocks": [{"type": "table"}]}, "not one the desk uses"),
        ({"text": "a", "blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "b"}}]}, "plain_text"),
    ],
)
def test_the_check_names_what_slack_would_refuse(message: dict[str, Any], fault: str) -> None:
    assert any(fault in problem for problem in check_message(message))


@pytest.mark.parametrize(
    ("code", "promised", "not_promised"),
    [
        ("PAUSE", "resumes: /resume, or the button", "nobody"),
        ("FAULT", "presses Resume", "resumes: /resume"),
        ("LEASE", "nobody lifts it by hand", "/resume"),
    ],
)
def test_a_hold_promises_only_what_ends_it(words: Words, code: str, promised: str, not_promised: str) -> None:
    ((_, shown), *_) = rendered(words, said([HoldPlaced(hold(code))]))
    assert promised in json.dumps(shown.blocks)
    assert not_promised not in json.dumps(shown.blocks)


@pytest.mark.parametrize(
    ("code", "pressable"), [("PAUSE", True), ("FAULT", True), ("LEASE", False), ("DAILY_LOSS", False)]
)
def test_only_a_hold_that_a_person_may_lift_has_a_button(words: Words, code: str, pressable: bool) -> None:
    ((_, shown), *_) = rendered(words, said([HoldPlaced(hold(code))]))
    assert ("hold_resume" in json.dumps(shown.blocks)) == pressable


def test_a_hold_that_a_stricter_one_replaces_says_so_in_its_own_message_and_nowhere_else(words: Words) -> None:
    mild = hold("FAULT")
    strict = replace(hold("FAULT", State.HALTED), since=NOW + timedelta(microseconds=1))
    halted = snapshot(holds=(strict,))
    over, placed, alert = rendered(words, announce(MESSAGE, [HoldLifted(mild, "desk"), HoldPlaced(strict)], halted))
    assert over[1].text == "Over: a stricter hold FAULT took its place."
    assert (over[0].op, over[0].channel, placed[0].op, placed[0].channel) == ("update", "signals", "post", "signals")
    assert over[0].subject != placed[0].subject
    assert (alert[0].channel, alert[0].mention) == ("alerts", True)
    assert "hold_resume" not in json.dumps(over[1].blocks)


@pytest.mark.parametrize(
    ("code", "level", "by", "alerted", "called"),
    [
        ("FAULT", State.REDUCING, "desk", True, False),
        ("FAULT", State.HALTED, "desk", True, True),
        ("ANALYST", State.REDUCING, "desk", True, False),
        ("PANIC", State.HALTED, "U_RISK", True, True),
        ("PAUSE", State.REDUCING, "U_TRADER", False, False),
        ("DAILY_LOSS", State.REDUCING, "rule:daily_loss", False, False),
        ("DISK", State.REDUCING, "desk", False, False),  # the health check's alarm tells it
    ],
)
def test_what_only_a_person_can_mend_is_in_the_alerts_and_is_over_there_too(
    words: Words, code: str, level: State, by: str, alerted: bool, called: bool
) -> None:
    placed = [
        post for post, _ in rendered(words, said([HoldPlaced(hold(code, level, by))])) if post.channel == "alerts"
    ]
    assert ([post.op for post in placed], any(post.mention for post in placed)) == (["post"] * alerted, called)
    over = [post for post, _ in rendered(words, said([HoldLifted(hold(code, level, by), "U_RISK")]))]
    assert [post.subject for post in over if post.channel == "alerts"] == [post.subject for post in placed]


@pytest.mark.parametrize(("price", "level"), [(98.0, "stop"), (97.0, "stop"), (104.0, "target"), (105.0, "target")])
def test_a_card_quoted_beyond_one_of_its_levels_names_that_one(words: Words, price: float, level: str) -> None:
    card = replace(proposal(price=price, stop=98.0, target=104.0), revision=2)
    other = {"stop": "target", "target": "stop"}[level]
    shown = json.dumps(rendered(words, said([ProposalChanged(card, "level")]))[0][1].blocks)
    assert f"at or beyond the {level}, so nothing was bought" in shown
    assert f"beyond the {other}" not in shown


def test_a_card_of_a_fast_market_says_how_long_a_person_has(words: Words) -> None:
    fast = snapshot(label="simulated", settings={"speed": "60.0"})
    offer = proposal(opened=NOW, expires=NOW + timedelta(hours=10))
    [(_, shown)] = rendered(words, announce(MESSAGE, [ProposalOpened(offer)], fast))
    assert "desk time, 10 min on your clock" in json.dumps(shown.blocks)


def test_a_card_tells_both_sides_costs_and_a_stop_that_is_nearer_than_they_are(words: Words) -> None:
    near = proposal(price=100.0, stop=99.84, notional=100.0, fees=0.4, slippage=0.1)
    shown = json.dumps(rendered(words, said([ProposalOpened(near)]))[0][1].blocks)
    assert "fees $0.80, slippage $0.20" in shown
    assert "round trip" in shown
    assert "stop 0.16 % away, round trip costs 1.00 %" in shown
    far = json.dumps(rendered(words, said([ProposalOpened(proposal())]))[0][1].blocks)
    assert "nearer than the costs" not in far


def test_a_sentence_of_the_engine_names_people_as_slack_does() -> None:
    assert told("already approved by @U_ADMIN at 06:31:00 PST") == "already approved by <@U_ADMIN> at 06:31:00 PST"
    assert told("<!channel> & BUSD@UTC") == "&lt;!channel&gt; &amp; BUSD@UTC"


def test_a_time_of_an_invented_market_is_said_as_the_desks_own() -> None:
    zone = ZoneInfo("America/Los_Angeles")
    assert Words(zone, invented=True).seen(NOW) == f"{Words(zone).clock(NOW)} desk time"
    assert "<!date^" in Words(zone).seen(NOW)
