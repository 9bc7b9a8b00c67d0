"""A coin whose venue takes no new entries: what is held leaves as ever, nothing is entered, and it is said."""

from dataclasses import replace

from engine.domain import Instrument, Side
from engine.outcomes import OrderIntended, PositionClosed, ProposalOpened, SignalSeen
from tests.desk.kit import BTC, ETH, SYMBOLS, Floor, codes, of, only, started

CLOSED = "Kraken lists BTC/USD as reduce_only"


def restarted(floor: Floor) -> None:
    """The desk starts again and hears that its venue has closed BTC to entries."""
    listed = tuple(Instrument(symbol, barred=CLOSED if symbol == BTC else "") for symbol in SYMBOLS)
    floor.tell(replace(started(at=floor.at), instruments=listed))


def test_nothing_is_entered_and_the_gate_says_why() -> None:
    floor = Floor()
    restarted(floor)
    outcomes = floor.minute(signals=[floor.enter(BTC), floor.enter(ETH)])
    assert only(ProposalOpened, outcomes).proposal.symbol == ETH
    seen = {item.signal.symbol: item for item in of(SignalSeen, outcomes)}
    assert (seen[BTC].refusal.code, seen[BTC].refusal.sentence) == ("EXITS_ONLY", CLOSED)
    assert floor.view.decisions[BTC].steps[0].sentence == CLOSED


def test_a_card_from_before_can_no_longer_be_approved() -> None:
    floor = Floor()
    card = floor.propose(BTC)
    restarted(floor)
    outcomes = floor.press(card)
    assert (codes(outcomes), of(OrderIntended, outcomes)) == (["EXITS_ONLY"], [])


def test_what_is_held_still_leaves_by_its_stop_and_by_hand() -> None:
    for leave in (lambda floor: floor.trade(94.0), lambda floor: (floor.ack(floor.close()), floor.trade(100.0))[1]):
        floor = Floor()
        floor.hold(BTC)
        restarted(floor)
        assert only(PositionClosed, leave(floor)).trade.side is Side.LONG
        assert floor.view.positions == ()
