"""Which hold ends how: by a person, by itself, with the next start; never by breaking the desk."""

import inspect
import re
from dataclasses import replace
from pathlib import Path

import pytest

import engine
from engine.domain import Role, State
from engine.messages import Acked, Guarded, Panic, Pause, Resume
from engine.outcomes import (
    Filled,
    HoldLifted,
    HoldPlaced,
    OrderCancelled,
    OrderIntended,
    PositionClosed,
    ProposalClosed,
)
from engine.trader import holds
from tests.desk.kit import BTC, ETH, Floor, codes, of, only, playbook, started

MACHINERY = ("FAULT", "DISK", "LEASE", "FEED", "ANALYST", "VERSION", "RECONCILIATION", "CRITICAL", "ERRORS", "ACCURACY")
BY_NOBODY = ("LEASE",)
CALLS = re.compile(r"(?:Guarded\([^,()]*(?:\([^()]*\))?[^,()]*|impose\(desk), *(?:holds\.)?([\"A-Z_]+),")


def hold_codes_in_the_sources():
    """Every code that a `Guarded` or an `impose` in the engine names, literally or by a constant."""
    words = {name: value for name, value in vars(holds).items() if isinstance(value, str) and name == value}
    found = set()
    for path in Path(inspect.getfile(engine)).parent.rglob("*.py"):
        text = path.read_text()
        own = dict(re.findall(r'^([A-Z_]+) = "([A-Z_]+)"$', text, re.MULTILINE))
        for call in CALLS.finditer(text):
            found.add({**words, **own}.get(call.group(1), call.group(1).strip('"')))
    return found


def test_every_code_that_the_engine_can_place_is_tried_here():
    found = hold_codes_in_the_sources()
    assert {"FAULT", "LEASE", "PAUSE", "DISK", "RECONCILIATION"} <= found
    assert found <= {*MACHINERY, "PAUSE", "PANIC"}


@pytest.mark.parametrize("level", [State.REDUCING, State.HALTED])
@pytest.mark.parametrize("code", MACHINERY)
def test_a_hold_of_the_machinery_is_lifted_by_its_button_or_says_why_not(code, level):
    floor = Floor()
    floor.tell(Guarded(floor.at, code, level, True, "test"))
    outcomes = floor.tell(Resume(floor.at, "U_RISK", Role.RISK, code))
    if code in BY_NOBODY:
        assert codes(outcomes) == [code]
        assert floor.view.state is level
    else:
        assert only(HoldLifted, outcomes).by == "U_RISK"
        assert floor.view.state is State.ACTIVE
        assert floor.propose()


@pytest.mark.parametrize("code", ["FEED", "ANALYST", "LEASE"])
def test_what_a_process_held_ends_with_the_next_process(code):
    floor = Floor()
    floor.tell(Guarded(floor.at, code, State.HALTED, True, "test"))
    floor.tell(replace(started(at=floor.later(seconds=1)), anew=False))
    assert [hold.code for hold in floor.view.holds] == [code], "the same process: nothing began anew"
    outcomes = floor.tell(started(at=floor.later(seconds=1)))
    assert only(HoldLifted, outcomes).hold.code == code
    assert floor.propose()


def test_what_a_person_must_look_at_outlives_a_restart():
    floor = Floor()
    floor.tell(Pause(floor.at, "U_TRADER", Role.TRADER))
    for code in ("FAULT", "VERSION", "RECONCILIATION"):
        floor.tell(Guarded(floor.at, code, State.REDUCING, True, "test"))
    floor.tell(started(at=floor.later(seconds=1)))
    assert {hold.code for hold in floor.view.holds} == {"PAUSE", "FAULT", "VERSION", "RECONCILIATION"}


def test_a_refused_exit_ends_entries_and_approvals_at_once():
    floor = Floor()
    floor.hold(BTC)
    card = floor.propose(ETH)
    order = only(OrderIntended, floor.close(BTC)).order
    outcomes = floor.tell(Acked(floor.at, order.client_id, False, "no"))
    assert only(HoldPlaced, outcomes).hold.code == "RECONCILIATION"
    assert only(ProposalClosed, outcomes).proposal.id == card.id
    assert not of(OrderIntended, floor.press(card))
    assert floor.view.state is State.REDUCING


def test_a_panic_after_half_a_close_sells_the_whole_position():
    floor = Floor()
    floor.hold()
    held = floor.view.positions[0].quantity
    half = only(OrderIntended, floor.close(fraction=0.5)).order
    outcomes = floor.tell(Panic(floor.at, "U_RISK", Role.RISK))
    assert only(OrderCancelled, outcomes).client_id == half.client_id
    whole = only(OrderIntended, outcomes).order
    assert whole.quantity == pytest.approx(held)
    assert whole.client_id != half.client_id
    outcomes = floor.trade(101.0)
    assert only(Filled, outcomes).fill.client_id == whole.client_id
    assert not of(OrderIntended, outcomes)
    assert only(PositionClosed, outcomes).trade.quantity == pytest.approx(held)


def test_half_a_close_that_fills_in_parts_stays_one_order():
    floor = Floor(playbook(volume_share="50 %"))
    floor.hold()
    half = only(OrderIntended, floor.close(fraction=0.5)).order
    part = half.quantity / 4
    outcomes = [outcome for _ in range(8) for outcome in floor.trade(101.0, volume=2 * part)]
    fills = [outcome.fill for outcome in of(Filled, outcomes)]
    assert len(fills) > 1
    assert {fill.client_id for fill in fills} == {half.client_id}
    assert sum(fill.quantity for fill in fills) == pytest.approx(half.quantity)
    assert not of(OrderIntended, outcomes)
