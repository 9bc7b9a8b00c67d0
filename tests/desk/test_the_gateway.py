"""The gateway: recorded intents only, consent bound to content, unknown outcomes asked for before any resend."""

import ast
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
from engine.brokers.gateway import Gateway
from engine.brokers.paper import PaperBroker
from engine.client_ids import client_id, is_client_id
from engine.domain import Consent, Instrument, Order, Side
from engine.messages import Acked, Attempted
from engine.outcomes import OrderIntended
from engine.records import Record

START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
BTC = "BTC/USD"


def consent(**changes):
    return replace(Consent("P1", 1, BTC, Side.LONG, 0.5, 101.0, START + timedelta(minutes=10), "U1"), **changes)


def order(leg=0, **changes):
    made = Order(
        client_id=client_id("desk", "ema", BTC, 1, "entry", leg),
        strategy="ema",
        symbol=BTC,
        action="buy",
        quantity=0.5,
        kind="market",
        limit=None,
        purpose="entry",
        trade_id="T1",
        at=START,
        consent=consent(),
    )
    return replace(made, **changes)


def record(*outcomes):
    return Record(1, START, Attempted(START, "desk", "x", True), outcomes, (), {}, "")


class Venue:
    """Six lines of broker: remembers what it was given."""

    name = "venue"

    def __init__(self):
        self.placed, self.known = [], {}

    def place(self, item):
        self.placed.append(item.client_id)
        return self.known.setdefault(item.client_id, Acked(START, item.client_id, True))

    def find(self, client):
        return self.known.get(client)

    def cancel(self, client):
        raise AssertionError(f"nobody asked to cancel {client}")


def gateway(venue):
    answers = []
    return Gateway(venue, answers.append, lambda: START), answers


def test_an_approved_entry_goes_out_once_for_each_record():
    venue = Venue()
    door, answers = gateway(venue)
    door.start()
    door.on_record(record(OrderIntended(order())))
    door.stop()
    assert venue.placed == [order().client_id]
    assert [answer.ok for answer in answers] == [True]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"consent": None}, "needs consent"),
        ({"quantity": 0.51}, "above the 0.5"),
        ({"symbol": "ETH/USD"}, "was given for"),
        ({"action": "sell"}, "was given for"),
        ({"at": START + timedelta(minutes=11)}, "it ended at"),
        ({"kind": "limit", "limit": 102.0}, "worse than the 101"),
        ({"purpose": "whim"}, "neither entry nor an exit"),
        ({"client_id": "abc"}, "no derived client id"),
    ],
)
def test_an_order_that_its_consent_does_not_cover_never_leaves(changes, words):
    venue = Venue()
    answer = gateway(venue)[0].handle(order(**changes))
    assert not answer.ok
    assert words in answer.reason
    assert venue.placed == []


def test_a_consent_is_used_once():
    venue = Venue()
    door, _ = gateway(venue)
    assert door.handle(order(quantity=0.2)).ok
    later = order(leg=1, quantity=0.2, at=START + timedelta(seconds=1))
    assert "used already" in door.handle(later).reason
    assert len(venue.placed) == 1


def test_the_legs_of_one_decision_share_their_consent_up_to_its_quantity():
    door, _ = gateway(Venue())
    assert door.handle(order(leg=0, quantity=0.3)).ok
    assert door.handle(order(leg=1, quantity=0.2)).ok
    assert "0.6 in all" in door.handle(order(leg=2, quantity=0.1)).reason


def test_an_exit_needs_no_consent_but_a_purpose():
    assert gateway(Venue())[0].handle(order(purpose="stop", action="sell", consent=None)).ok


def test_after_a_restart_an_intent_without_an_outcome_is_asked_for_before_it_is_sent():
    venue = Venue()
    known = order()
    venue.known[known.client_id] = Acked(START, known.client_id, True, "was there")
    unknown = order(leg=1, purpose="stop", action="sell", consent=None)
    door, answers = gateway(venue)
    door.resume([known, unknown], [known])
    door.start()
    door.stop()
    assert venue.placed == [unknown.client_id]
    assert [answer.reason for answer in answers] == ["was there", ""]


def test_after_a_restart_a_used_consent_stays_used():
    door, _ = gateway(Venue())
    door.resume([], [order()])
    assert "used already" in door.handle(order(leg=1, at=START + timedelta(seconds=5))).reason


@given(st.tuples(st.text(), st.text(), st.text(), st.integers(0), st.text(), st.integers(0), st.integers(0)))
def test_a_client_id_depends_on_every_part_and_on_nothing_else(parts):
    made = client_id(*parts)
    assert is_client_id(made)
    assert made == client_id(*parts)
    changed = [*parts[:6], parts[6] + 1]
    assert client_id(*changed) != made


def test_the_paper_broker_refuses_what_the_venue_would_find_too_small():
    instruments = {BTC: Instrument(BTC, min_quantity=0.1, min_notional=20.0)}
    broker = PaperBroker(lambda: START, instruments)
    small = broker.place(order(quantity=0.05))
    cheap = broker.place(order(leg=1, quantity=0.15, consent=consent(worst_price=101.0)))
    exit_ = broker.place(order(leg=2, quantity=0.05, purpose="stop", action="sell", consent=None))
    assert [item.ok for item in (small, cheap, exit_)] == [False, False, True]
    assert "MIN_ORDER" in small.reason
    assert broker.find(small.client_id) == small
    assert broker.place(order(quantity=0.05)) == small
    assert broker.find("0" * 32) is None


def test_a_paper_mode_that_needs_the_venue_says_that_it_comes_later():
    assert PaperBroker(lambda: START, {}).notice == ""
    assert "comes with live trading" in PaperBroker(lambda: START, {}, "production").notice


ORDER_CALLS = {
    "place",
    "create_order",
    "createOrder",
    "add_order",
    "private_post_addorder",
    "cancel_order",
    "edit_order",
}


def test_order_calls_are_reachable_from_the_gateway_alone():
    root = Path(engine.__file__).parents[1]
    callers = set()
    for path in [*root.glob("engine/**/*.py"), *root.glob("bot/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if is_call and node.func.attr in ORDER_CALLS:
                callers.add(str(path.relative_to(root)))
    assert callers == {"engine/brokers/gateway.py"}


def test_a_desk_whose_lease_is_lost_sends_nothing_and_answers_why():
    venue, why = Venue(), ["another desk has the database"]
    gateway = Gateway(venue, [].append, lambda: START, lambda: why[0])
    exit_order = order(consent=None, purpose="stop", action="sell")
    for each in (order(), exit_order):
        answer = gateway.handle(each)
        assert (answer.ok, answer.reason) == (False, "LEASE: another desk has the database")
    assert venue.placed == []
    venue.known[exit_order.client_id] = Acked(START, exit_order.client_id, True)
    assert gateway.handle(exit_order, ask_first=True).ok, "what the venue took already is still learnt"
    why[0] = ""
    assert gateway.handle(order()).ok
