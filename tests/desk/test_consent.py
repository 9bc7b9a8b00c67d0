"""A press is judged as of now: what may not be ordered is answered with a sentence and places no order."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.domain import ProposalStatus, Role
from engine.messages import Pause, Press
from engine.outcomes import (
    Filled,
    OrderIntended,
    PositionClosed,
    PositionOpened,
    ProposalChanged,
    ProposalClosed,
    ProposalOpened,
    Refused,
    SignalSeen,
)
from engine.trader.plan import plan_of
from tests.desk.kit import BTC, ETH, SOL, Floor, codes, of, only, playbook, started


def test_an_approved_card_becomes_an_order_and_the_next_price_a_position():
    floor = Floor()
    card = floor.propose(price=100.0)
    outcomes = floor.press(card)
    order = only(OrderIntended, outcomes).order
    closed = only(ProposalClosed, outcomes).proposal
    assert (closed.status, closed.decided_by) == (ProposalStatus.APPROVED, "U_TRADER")
    assert (order.action, order.symbol, order.purpose, order.quantity) == ("buy", BTC, "entry", card.quantity)
    assert order.consent.by == "U_TRADER"
    assert not of(Filled, outcomes), "nothing fills at the price of the decision"
    outcomes = floor.trade(100.2)
    fill = only(Filled, outcomes).fill
    position = only(PositionOpened, outcomes).position
    assert (fill.price, fill.client_id, fill.trade_id) == (100.2, order.client_id, order.trade_id)
    assert (position.approved_by, position.trade_id) == ("U_TRADER", "T1")
    assert floor.view.positions[0].symbol == BTC


def test_half_size_orders_half_the_quantity():
    floor = Floor()
    card = floor.propose()
    order = only(OrderIntended, floor.press(card, "half")).order
    assert order.quantity == pytest.approx(card.quantity / 2)
    assert order.consent.max_quantity == pytest.approx(card.quantity / 2)
    fill = only(Filled, floor.trade(99.8)).fill
    assert fill.quantity == pytest.approx(card.quantity / 2), "a better price does not make half more than half"


def test_half_size_halves_everything_on_the_card_that_is_money():
    floor = Floor()
    floor.hold(ETH)
    card = floor.propose()
    closed = only(ProposalClosed, floor.press(card, "half")).proposal
    for name in ("quantity", "notional", "worst_loss", "fees", "slippage"):
        assert getattr(closed, name) == pytest.approx(getattr(card, name) / 2), name
    assert min(card.worst_loss, card.fees, card.slippage) > 0
    assert closed.exposure_before == card.exposure_before > 0
    assert closed.exposure_after - closed.exposure_before == pytest.approx(
        (card.exposure_after - card.exposure_before) / 2
    )


def test_an_approval_at_a_lower_price_buys_more_for_the_same_money():
    floor = Floor()
    card = floor.propose(price=100.0)
    closed = only(ProposalClosed, floor.press(card, price=99.6)).proposal
    assert closed.quantity > card.quantity
    assert closed.notional == pytest.approx(card.notional)
    assert closed.worst_loss == pytest.approx(card.worst_loss)


def test_a_rejected_card_orders_nothing_and_its_symbol_rests():
    floor = Floor()
    outcomes = floor.press(floor.propose(), "reject")
    assert only(ProposalClosed, outcomes).proposal.status is ProposalStatus.REJECTED
    outcomes = floor.minute(signals=[floor.enter()])
    assert only(SignalSeen, outcomes).refusal.code == "RESTING"
    floor.later(minutes=60)
    assert of(ProposalOpened, floor.minute(signals=[floor.enter()]))


@pytest.mark.parametrize("role", [Role.NONE, Role.VIEWER])
@pytest.mark.parametrize("action", ["approve", "half", "reject"])
def test_an_unauthorised_press_orders_nothing_and_the_card_stays(role, action):
    floor = Floor()
    card = floor.propose()
    outcomes = floor.press(card, action, by="U_STRANGER", role=role)
    assert codes(outcomes) == ["NOT_ALLOWED"]
    assert len(outcomes) == 1
    assert floor.view.proposals == (card,)


def test_an_expired_press_orders_nothing():
    floor = Floor()
    card = floor.propose()
    floor.later(minutes=10)
    outcomes = floor.press(card)
    assert only(ProposalClosed, outcomes).proposal.status is ProposalStatus.EXPIRED
    assert codes(outcomes) == ["EXPIRED"]
    assert not of(OrderIntended, outcomes)


def test_a_second_approval_is_told_who_was_first():
    floor = Floor()
    card = floor.propose()
    floor.press(card, by="U_TRADER2")
    outcomes = floor.press(card)
    assert codes(outcomes) == ["DUPLICATE"]
    assert "already approved by @U_TRADER2 at 06:31:00 PST" in only(Refused, outcomes).refusal.sentence
    assert len(of(OrderIntended, floor.said)) == 1


def test_a_press_on_a_quote_older_than_fifteen_seconds_is_stale():
    floor = Floor()
    card = floor.propose()
    assert codes(floor.press(card, age=15.1)) == ["STALE"]
    assert only(OrderIntended, floor.press(card, age=15.0))


def test_a_press_without_any_price_is_stale():
    floor = Floor()
    card = floor.propose()
    outcomes = floor.tell(Press(floor.at, "approve", card.id, 1, "U_TRADER", Role.TRADER, None))
    assert codes(outcomes) == ["STALE"]


def test_a_fast_desk_allows_older_quotes_and_more_drift():
    floor = Floor(speed="100")
    card = floor.propose()
    assert card.expires - card.opened == timedelta(minutes=1000)
    assert only(OrderIntended, floor.press(card, age=1400, price=card.price * 1.049))
    stale = floor.propose(ETH)
    assert codes(floor.press(stale, age=1501)) == ["STALE"]


@pytest.mark.parametrize("factor", [1.0051, 1 / 1.0052])
def test_a_drifted_press_requotes_the_card_and_needs_one_more_press(factor):
    floor = Floor(playbook(exits=""))
    card = floor.propose(price=100.0)
    outcomes = floor.press(card, price=100.0 * factor)
    assert codes(outcomes) == ["DRIFT"]
    assert not of(OrderIntended, outcomes)
    changed = only(ProposalChanged, outcomes).proposal
    assert (changed.id, changed.revision, changed.price) == (card.id, 2, pytest.approx(100.0 * factor))
    assert codes(floor.press(card)) == ["REVISION"], "the old card no longer counts"
    order = only(OrderIntended, floor.press(changed)).order
    assert order.consent.revision == 2


def test_the_drift_limit_is_a_tenth_of_the_stop_distance_when_that_is_more():
    floor = Floor(playbook(drift="0.1 %"))
    card = floor.propose(price=100.0)
    assert only(OrderIntended, floor.press(card, price=100.49)), "5 % stop: a tenth is 0.5 %"


def test_buying_is_judged_by_the_ask():
    floor = Floor()
    card = floor.propose(price=100.0)
    assert codes(floor.press(card, price=100.0, spread=0.6)) == ["DRIFT"]


@pytest.mark.parametrize(("level", "price"), [("stop", 98.0), ("stop", 97.0), ("target", 101.0), ("target", 102.0)])
def test_a_press_at_or_beyond_an_absolute_level_requotes_whatever_the_limit(level, price):
    floor = Floor(playbook(drift="5 %"))
    card = floor.propose(price=100.0, **{level: 98.0 if level == "stop" else 101.0})
    outcomes = floor.press(card, price=price)
    assert codes(outcomes) == ["BEYOND_STOP"]
    assert f"at or beyond the {level} of" in only(Refused, outcomes).refusal.sentence
    changed = only(ProposalChanged, outcomes).proposal
    assert (changed.revision, changed.price) == (2, price)
    assert getattr(changed, level) == getattr(card, level), "an absolute level stays where it is"
    assert codes(floor.press(changed, price=price)) == ["BEYOND_STOP"], "and again, for as long as it is there"
    assert not of(OrderIntended, outcomes)


def test_a_card_whose_price_has_come_back_between_its_levels_can_be_approved():
    floor = Floor(playbook(drift="5 %"))
    card = floor.propose(price=100.0, stop=98.0)
    away = only(ProposalChanged, floor.press(card, price=97.0)).proposal
    assert only(OrderIntended, floor.press(away, price=99.5))


def test_risk_is_judged_again_at_the_press():
    floor = Floor(playbook(limits=", max_heat: 1.003 %"))
    floor.hold(BTC)
    card = floor.propose(ETH)
    floor.minute({BTC: 95.5, ETH: 100.0, SOL: 100.0})  # the same risk is a larger part of what is left
    outcomes = floor.press(card)
    assert codes(outcomes) == ["HEAT"]
    assert only(ProposalClosed, outcomes).proposal.status is ProposalStatus.REFUSED
    assert not of(OrderIntended, outcomes)


def test_a_drawdown_holds_new_entries():
    floor = Floor(playbook(limits=", max_positions: 1, max_drawdown: 1 %"))
    floor.hold(BTC)
    outcomes = floor.minute({BTC: 80.0, ETH: 100.0, SOL: 100.0}, quality={BTC: "quiet"})
    assert "DRAWDOWN" in {hold.code for hold in floor.view.holds}
    assert not of(ProposalOpened, outcomes)


def test_a_press_while_held_is_refused_because_its_card_is_gone():
    floor = Floor()
    card = floor.propose()
    outcomes = floor.tell(Pause(floor.at, "U_TRADER", Role.TRADER, "news"))
    assert only(ProposalClosed, outcomes).proposal.status is ProposalStatus.WITHDRAWN
    outcomes = floor.press(card)
    assert codes(outcomes) == ["WITHDRAWN"]
    assert "paused by @U_TRADER" in only(Refused, outcomes).refusal.sentence


def test_an_unknown_proposal_is_answered():
    floor = Floor()
    card = floor.propose()
    outcomes = floor.tell(Press(floor.at, "approve", "P99", 1, "U_TRADER", Role.TRADER, None))
    assert codes(outcomes) == ["UNKNOWN_PROPOSAL"]
    assert floor.view.proposals == (card,)


def test_the_same_wish_refreshes_its_card():
    floor = Floor()
    card = floor.propose(price=100.0)
    outcomes = floor.minute(101.0, [floor.enter(price=101.0)])
    changed = only(ProposalChanged, outcomes)
    assert changed.why == "refreshed"
    assert (changed.proposal.id, changed.proposal.revision, changed.proposal.price) == (card.id, 2, 101.0)
    assert changed.proposal.expires > card.expires
    assert len(floor.view.proposals) == 1


def test_a_wish_that_comes_with_every_minute_leaves_the_card_to_be_pressed_as_it_was_seen():
    floor = Floor()
    card = floor.propose(price=100.0)
    for minute in range(4):
        outcomes = floor.minute(100.0 + 0.05 * minute, [floor.enter(price=100.0 + 0.05 * minute)])
        assert not of(ProposalChanged, outcomes)
    assert floor.view.proposals == (card,)
    assert codes(floor.press(card)) == []


def test_a_position_and_its_trade_keep_the_confidence_that_the_card_showed_at_the_press():
    floor = Floor()
    card = floor.propose(confidence=0.92, numbers={"p_up": 0.92})
    floor.minute(100.0, [floor.enter(confidence=0.87, numbers={"p_up": 0.87})])
    assert floor.view.proposals == (card,)
    floor.press(card)
    opened = only(PositionOpened, floor.trade(100.2))
    assert (opened.position.confidence, opened.numbers["p_up"]) == (0.92, 0.92)
    floor.minute(101.0, [floor.leave()])
    assert only(PositionClosed, floor.trade(101.0)).trade.confidence == 0.92


def test_a_card_that_is_offered_anew_shows_and_keeps_the_newer_confidence():
    floor = Floor()
    floor.propose(price=100.0, confidence=0.92)
    changed = only(ProposalChanged, floor.minute(101.0, [floor.enter(price=101.0, confidence=0.87)])).proposal
    floor.press(changed)
    assert only(PositionOpened, floor.trade(101.0)).position.confidence == changed.confidence == 0.87


def test_the_opposite_signal_withdraws_the_card():
    floor = Floor()
    floor.propose()
    outcomes = floor.minute(signals=[floor.leave()])
    assert only(ProposalClosed, outcomes).proposal.status is ProposalStatus.WITHDRAWN
    assert only(SignalSeen, outcomes).fate == "withdrew"


def test_a_card_expires_by_time_alone_and_its_symbol_rests():
    floor = Floor()
    floor.propose()
    assert floor.trader.next_due().name == "expiry"
    outcomes = []
    while not outcomes:
        outcomes = of(ProposalClosed, floor.minute())
    assert outcomes[0].proposal.status is ProposalStatus.EXPIRED
    assert floor.at - outcomes[0].proposal.opened == timedelta(minutes=10)
    assert only(SignalSeen, floor.minute(signals=[floor.enter()])).refusal.code == "RESTING"


def test_a_card_lives_a_quarter_of_the_longest_hold():
    floor = Floor(playbook(exits=", max_hold: 20 min"))
    card = floor.propose()
    assert card.expires - card.opened == timedelta(minutes=5)


def test_at_most_so_many_cards_go_out_in_an_hour_best_first():
    floor = Floor(playbook(cards=2))
    wishes = [floor.enter(s, confidence=c) for s, c in ((BTC, 0.6), (ETH, 0.9), (SOL, 0.7))]
    outcomes = floor.minute(signals=wishes)
    assert [item.proposal.symbol for item in of(ProposalOpened, outcomes)] == [ETH, SOL]
    digest = next(item for item in of(SignalSeen, outcomes) if item.fate == "digest")
    assert digest.signal.symbol == BTC
    assert {p.symbol for p in floor.view.proposals} == {ETH, SOL}


def test_the_tier_observe_orders_nothing_and_asks_nobody():
    floor = Floor(playbook(tier="observe"))
    outcomes = floor.minute(signals=[floor.enter()])
    assert only(SignalSeen, outcomes).fate == "observed"
    assert not floor.view.proposals


def test_a_waiting_card_reserves_its_slot():
    floor = Floor(playbook(limits=", max_positions: 1"))
    floor.propose(BTC)
    outcomes = floor.minute(signals=[floor.enter(ETH)])
    assert only(SignalSeen, outcomes).refusal.code == "NO_SLOT"


def test_an_order_without_an_outcome_blocks_its_symbol_until_it_is_known():
    floor = Floor()
    entry = floor.press(floor.propose())
    floor.trade(100.0)
    floor.ack(floor.close())
    floor.trade(100.0)
    outcomes = floor.minute(signals=[floor.enter()])
    assert only(SignalSeen, outcomes).refusal.code == "UNKNOWN_ORDER", "the entry was never acknowledged"
    floor.ack(entry)
    assert of(ProposalOpened, floor.minute(signals=[floor.enter()]))


def test_an_approved_entry_does_not_chase_a_price_worse_than_was_approved():
    floor = Floor()
    card = floor.propose(price=100.0)
    floor.ack(floor.press(card))
    assert not of(Filled, floor.trade(103.0))
    assert only(Filled, floor.trade(100.4)).fill.price == 100.4


def test_an_approved_entry_that_nothing_filled_ends_with_its_consent():
    floor = Floor()
    floor.ack(floor.press(floor.propose(price=100.0)))
    for _ in range(10):
        floor.minute(103.0)
    assert not of(Filled, floor.said)
    assert not floor.trader.watched()
    assert not of(Filled, floor.trade(100.0))


def test_an_entry_that_the_broker_refuses_is_dropped():
    floor = Floor()
    outcomes = floor.press(floor.propose())
    floor.ack(outcomes, ok=False, reason="MIN_ORDER")
    assert not of(Filled, floor.trade(100.0))
    assert not floor.trader.watched()


@pytest.mark.parametrize(
    ("exits", "speed", "minutes"),
    [
        ("", "1", 10),
        (", max_hold: 20 min", "1", 5),
        (", max_bars: 12", "1", 3),
        (", max_bars: 1440, max_hold: 2 d", "1", 10),
        (", max_bars: 12", "60", 180),
    ],
)
def test_a_card_lives_a_quarter_of_the_hold_and_never_more_than_ten_minutes(exits, speed, minutes):
    card = Floor(playbook(exits=exits), speed=speed).propose()
    assert card.expires - card.opened == timedelta(minutes=minutes)


def test_no_plan_lets_a_card_live_longer_whatever_its_playbook_says():
    plan = plan_of(started())
    longer = plan.playbook.proposal.model_copy(update={"max_life": timedelta(days=1)})
    patient = replace(plan, playbook=plan.playbook.model_copy(update={"proposal": longer}))
    assert patient.life("ema") == timedelta(minutes=10)


def test_a_slot_that_a_card_reserves_is_told_from_one_that_a_position_fills():
    floor = Floor(playbook(limits=", max_positions: 2"))

    def said():
        return next(limit for limit in floor.view.limits if limit.name == "positions")

    card = floor.propose(BTC)
    assert (said().used, said().sentence) == (1, "0 open, 1 reserved by cards and entries under way")
    floor.ack(floor.press(card))
    floor.trade(100.0)
    assert (said().used, said().sentence) == (1, "1 open, 0 reserved by cards and entries under way")
