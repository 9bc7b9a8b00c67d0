"""SEMANTICS 4, cell by cell: what each state lets through."""

from datetime import timedelta

import pytest

from engine.domain import ProposalStatus, Role, State, Tier
from engine.messages import Attempted, Guarded, Panic, Pause, Resume, RoleClaimed, TierChanged
from engine.outcomes import (
    Audited,
    DayClosed,
    Filled,
    HoldLifted,
    HoldPlaced,
    OrderCancelled,
    OrderIntended,
    PositionChanged,
    PositionClosed,
    ProposalClosed,
    ProposalOpened,
    Refused,
    RoleGranted,
    SignalSeen,
    TierSet,
)
from tests.desk.kit import BTC, ETH, Floor, codes, of, only, playbook

STATES = ["ACTIVE", "REDUCING", "HALTED"]


def bring(floor, state):
    """Into a state that a person or the desk placed, without touching what is held."""
    if state != "ACTIVE":
        floor.tell(Guarded(floor.at, "FAULT", State[state], True, "test"))
    assert floor.view.state == state


def allowed(state, *states):
    return state in states


@pytest.mark.parametrize("state", STATES)
def test_new_entries(state):
    floor = Floor()
    bring(floor, state)
    outcomes = floor.minute(signals=[floor.enter()])
    assert bool(of(ProposalOpened, outcomes)) == (state == "ACTIVE")
    if state != "ACTIVE":
        assert only(SignalSeen, outcomes).refusal.code == "HELD"
        assert "FAULT" in only(SignalSeen, outcomes).refusal.sentence


@pytest.mark.parametrize("state", STATES)
def test_approvals(state):
    floor = Floor()
    card = floor.propose()
    bring(floor, state)
    outcomes = floor.press(card)
    assert bool(of(OrderIntended, outcomes)) == (state == "ACTIVE")
    if state != "ACTIVE":
        assert codes(outcomes) == ["WITHDRAWN"]


@pytest.mark.parametrize("state", STATES)
def test_resting_entry_orders(state):
    floor = Floor()
    floor.ack(floor.press(floor.propose()))
    bring(floor, state)
    assert bool(of(OrderCancelled, floor.said)) == (state != "ACTIVE")
    assert bool(of(Filled, floor.trade(100.0))) == (state == "ACTIVE")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("price", "reason"), [(94.0, "stop"), (111.0, "target")])
def test_stops_and_targets(state, price, reason):
    floor = Floor()
    floor.hold()
    bring(floor, state)
    assert only(PositionClosed, floor.trade(price)).trade.exit_reason == reason


@pytest.mark.parametrize("state", STATES)
def test_trailing_stops(state):
    floor = Floor(playbook(exits=", trailing: {percent: 2 %}"))
    floor.hold()
    bring(floor, state)
    floor.trade(104.0)
    assert only(PositionChanged, floor.minute(104.0)).why == "trailing"
    assert only(PositionClosed, floor.trade(101.5)).trade.exit_reason == "trailing"


@pytest.mark.parametrize("state", STATES)
def test_opposite_signals(state):
    floor = Floor()
    floor.hold()
    bring(floor, state)
    outcomes = floor.minute(signals=[floor.leave()])
    if state == "HALTED":
        assert only(PositionChanged, outcomes).why == "due"
        assert floor.view.positions[0].held_exit == "signal"
        assert not of(Filled, floor.trade(101.0))
        floor.tell(Guarded(floor.at, "FAULT", State.HALTED, False))
    assert only(PositionClosed, floor.trade(101.0)).trade.exit_reason == "signal"


@pytest.mark.parametrize("state", STATES)
def test_time_exits(state):
    floor = Floor(playbook(exits=", max_hold: 5 min"))
    floor.hold()
    bring(floor, state)
    for _ in range(6):
        floor.minute()
    closed = of(PositionClosed, floor.said)
    if state == "HALTED":
        assert not closed
        assert floor.view.positions[0].held_exit == "time"
    else:
        assert only(PositionClosed, closed or floor.trade(100.0)).trade.exit_reason == "time"


@pytest.mark.parametrize("state", STATES)
def test_a_persons_close(state):
    floor = Floor()
    floor.hold()
    bring(floor, state)
    assert only(OrderIntended, floor.close()).order.purpose == "manual"
    assert only(PositionClosed, floor.trade(101.0)).trade.exit_reason == "manual"


def test_the_state_is_the_strictest_hold():
    floor = Floor()
    floor.tell(Guarded(floor.at, "DISK", State.REDUCING, True))
    floor.tell(Guarded(floor.at, "FAULT", State.HALTED, True))
    assert floor.view.state is State.HALTED
    floor.tell(Guarded(floor.at, "FAULT", State.HALTED, False))
    assert floor.view.state is State.REDUCING
    floor.tell(Guarded(floor.at, "DISK", State.REDUCING, False))
    assert floor.view.state is State.ACTIVE


def test_a_pause_names_who_and_why_and_withdraws_what_waits():
    floor = Floor()
    floor.propose()
    outcomes = floor.tell(Pause(floor.at, "U_TRADER", Role.TRADER, "news"))
    hold = only(HoldPlaced, outcomes).hold
    assert (hold.code, hold.level, hold.by, hold.note) == ("PAUSE", State.REDUCING, "U_TRADER", "news")
    assert only(ProposalClosed, outcomes).proposal.status is ProposalStatus.WITHDRAWN
    assert codes(floor.tell(Pause(floor.at, "U2", Role.TRADER))) == ["DUPLICATE"]


def test_resume_lifts_a_pause():
    floor = Floor()
    floor.tell(Pause(floor.at, "U_TRADER", Role.TRADER))
    assert only(HoldLifted, floor.tell(Resume(floor.at, "U_RISK", Role.RISK))).by == "U_RISK"
    assert floor.view.state is State.ACTIVE
    assert codes(floor.tell(Resume(floor.at, "U_RISK", Role.RISK))) == ["NO_HOLD"]


@pytest.mark.parametrize(
    ("message", "needed"),
    [
        (lambda at, role: Pause(at, "U", role), Role.TRADER),
        (lambda at, role: Resume(at, "U", role), Role.RISK),
        (lambda at, role: Panic(at, "U", role), Role.RISK),
    ],
)
@pytest.mark.parametrize("role", list(Role))
def test_each_command_needs_its_role(message, needed, role):
    floor = Floor()
    refused = codes(floor.tell(message(floor.at, role)))
    assert ("NOT_ALLOWED" in refused) == (role.rank < needed.rank)


@pytest.mark.parametrize("role", [Role.NONE, Role.VIEWER])
def test_closing_needs_the_trader_role(role):
    floor = Floor()
    floor.hold()
    assert codes(floor.close(role=role)) == ["NOT_ALLOWED"]
    assert floor.view.positions


def test_panic_cancels_flattens_and_halts_and_only_its_own_code_lifts_it():
    floor = Floor()
    floor.hold(BTC)
    floor.propose(ETH)
    outcomes = floor.tell(Panic(floor.at, "U_RISK", Role.RISK, "exchange down"))
    assert only(ProposalClosed, outcomes).proposal.symbol == ETH
    assert only(OrderIntended, outcomes).order.purpose == "manual"
    assert floor.view.state is State.HALTED
    assert only(PositionClosed, floor.trade(99.0)).trade.exit_reason == "manual"
    assert codes(floor.tell(Resume(floor.at, "U_RISK", Role.RISK))) == ["NO_HOLD"]
    floor.tell(Resume(floor.at, "U_RISK", Role.RISK, "PANIC"))
    assert floor.view.state is State.ACTIVE


def losing(floor, price=97.0):
    """A position marked down until its breaker trips."""
    floor.hold()
    return floor.minute(price)


def test_a_daily_loss_hold_ends_at_local_midnight_and_not_by_hand():
    floor = Floor(playbook(limits=", daily_loss_amount: 2"))
    hold = only(HoldPlaced, losing(floor)).hold
    assert (hold.code, hold.level) == ("DAILY_LOSS", State.REDUCING)
    assert hold.numbers["limit"] == 2
    assert hold.until.isoformat() == "2026-11-21T08:00:00+00:00", "midnight in Los Angeles"
    assert codes(floor.tell(Resume(floor.at, "U_RISK", Role.RISK, "DAILY_LOSS"))) == ["HOLD_UNTIL"]
    assert only(SignalSeen, floor.minute(97.0, [floor.enter(ETH)])).refusal.code == "DAILY_LOSS"
    floor.at = hold.until - timedelta(minutes=1)
    outcomes = floor.minute(97.0, [floor.enter(ETH)])
    assert only(DayClosed, outcomes).date == "2026-11-20"
    assert only(HoldLifted, outcomes).hold.code == "DAILY_LOSS"
    assert of(ProposalOpened, outcomes)


def test_a_drawdown_hold_is_lifted_by_a_person_alone():
    floor = Floor(playbook(limits=", max_drawdown: 0.2 %"))
    assert only(HoldPlaced, losing(floor)).hold.until is None
    floor.later(days=2)
    floor.minute(97.0)
    assert [hold.code for hold in floor.view.holds] == ["DRAWDOWN"]
    outcomes = floor.tell(Resume(floor.at, "U_RISK", Role.RISK, "DRAWDOWN"))
    assert only(HoldLifted, outcomes).by == "U_RISK"
    assert of(ProposalOpened, floor.minute(97.0, [floor.enter(ETH)]))


def test_a_run_of_losses_cools_down_before_it_can_be_lifted():
    floor = Floor(playbook(limits=", consecutive_losses: 1, losses_pause: 2 h"))
    floor.hold()
    floor.trade(94.0)
    floor.minute(94.0)
    hold = floor.view.holds[0]
    assert hold.code == "LOSSES"
    assert codes(floor.tell(Resume(floor.at, "U_RISK", Role.RISK, "LOSSES"))) == ["COOL_DOWN"]
    floor.at = hold.until
    outcomes = floor.minute(94.0)
    assert only(HoldLifted, outcomes).hold.code == "LOSSES", "it ends by itself after its cool-down"


def test_a_breaker_withdraws_waiting_cards():
    floor = Floor(playbook(limits=", daily_loss_amount: 2"))
    floor.hold(BTC)
    card = floor.propose(ETH, 100.0)
    outcomes = floor.minute(96.0)
    assert only(ProposalClosed, outcomes).proposal.id == card.id
    assert not floor.view.proposals


def test_half_a_close_keeps_the_other_half():
    floor = Floor()
    floor.hold()
    before = floor.view.positions[0].quantity
    order = only(OrderIntended, floor.close(fraction=0.5)).order
    assert order.quantity == pytest.approx(before / 2)
    assert only(PositionChanged, floor.trade(101.0)).why == "reduced"
    assert floor.view.positions[0].quantity == pytest.approx(before / 2)
    assert only(OrderIntended, floor.close()).order.client_id != order.client_id
    assert only(PositionClosed, floor.trade(101.0)).trade.quantity == pytest.approx(before)


def test_a_second_close_is_a_duplicate_and_orders_nothing():
    floor = Floor()
    floor.hold()
    floor.close()
    outcomes = floor.close()
    assert codes(outcomes) == ["DUPLICATE"]
    assert not of(OrderIntended, outcomes)


def test_closing_what_is_not_held_is_answered():
    assert codes(Floor().close()) == ["NO_POSITION"]


def test_the_first_admin_is_claimed_once():
    floor = Floor()
    assert only(RoleGranted, floor.tell(RoleClaimed(floor.at, "U1", Role.ADMIN))).user == "U1"
    assert codes(floor.tell(RoleClaimed(floor.at, "U2", Role.ADMIN))) == ["CLAIMED"]
    assert floor.view.roles == {"U1": Role.ADMIN}


def test_a_lower_tier_withdraws_cards_and_the_automatic_tiers_come_later():
    floor = Floor()
    floor.propose()
    assert codes(floor.tell(TierChanged(floor.at, "U1", None, Tier.AUTO))) == ["LATER"]
    outcomes = floor.tell(TierChanged(floor.at, "U1", "ema", Tier.OBSERVE))
    assert only(TierSet, outcomes).tier is Tier.OBSERVE
    assert only(ProposalClosed, outcomes).proposal.status is ProposalStatus.WITHDRAWN
    assert floor.view.tiers == {"ema": Tier.OBSERVE}
    assert "none of ema" in only(Refused, floor.tell(TierChanged(floor.at, "U1", "x", Tier.PROPOSE))).refusal.sentence


def test_an_attempt_is_audited_and_changes_nothing():
    floor = Floor()
    before = floor.view
    assert floor.tell(Attempted(floor.at, "U9", "/panic", False, "no role")) == (
        Audited("U9", "/panic", False, "no role"),
    )
    assert floor.view == before


def test_a_stricter_hold_takes_the_place_of_a_milder_one_of_its_name_and_never_the_other_way():
    floor = Floor()
    floor.tell(Guarded(floor.at, "FAULT", State.REDUCING, True, "mild"))
    outcomes = floor.tell(Guarded(floor.at, "FAULT", State.HALTED, True, "strict"))
    assert (only(HoldLifted, outcomes).hold.note, only(HoldPlaced, outcomes).hold.note) == ("mild", "strict")
    assert floor.tell(Guarded(floor.at, "FAULT", State.REDUCING, True, "mild again")) == ()
    assert (floor.view.state, [hold.note for hold in floor.view.holds]) == (State.HALTED, ["strict"])
