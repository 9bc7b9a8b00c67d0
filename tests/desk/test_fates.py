"""What became of every signal is followed to the end of its trade, and comes back from the ledger."""

from engine.messages import Started
from engine.trader import Trader
from tests.desk.kit import BTC, ETH, SOL, Floor, born, playbook, started


def fate(desk, symbol=BTC):
    return next(one for one in desk.view.fates.values() if one.symbol == symbol)


def again(desk):
    trader = Trader()
    for message, _ in desk.told:
        trader.on(message)
    return trader.snapshot()


def test_a_signal_is_followed_from_its_card_to_the_result():
    desk = Floor()
    card = desk.propose()
    assert (fate(desk).status, fate(desk).signal_at) == ("pending", card.opened)
    desk.ack(desk.press(card))
    assert (fate(desk).status, fate(desk).by) == ("approved", "U_TRADER")
    desk.trade(100.0)
    assert fate(desk).status == "open"
    desk.trade(90.0)
    closed = fate(desk)
    assert (closed.status, closed.why, closed.pnl) == ("closed", "stop", desk.view.trades[0].pnl)
    assert again(desk).fates == desk.view.fates
    assert Trader.load(desk.trader.dump(), 1, "").snapshot().fates == desk.view.fates


def test_a_wish_that_renews_its_card_is_counted_and_pushes_nothing_out_of_what_is_remembered():
    desk = Floor()
    desk.propose()
    for _ in range(3):
        desk.minute(signals=[desk.enter(BTC)])
    assert (fate(desk).renewed, fate(desk).renewed_at) == (3, desk.at)
    assert [seen.fate for seen in desk.view.signals] == ["proposed"]
    assert again(desk).fates == desk.view.fates


def test_rejected_withdrawn_expired_and_unfilled_signals_say_so():
    desk = Floor()
    rejected, withdrawn, expired = (desk.propose(symbol) for symbol in (BTC, ETH, SOL))
    desk.press(rejected, "reject")
    desk.minute(100.0, [desk.leave(ETH)])
    desk.later(minutes=11)
    desk.minute(100.0)
    assert [desk.view.fates[card.id].status for card in (rejected, withdrawn, expired)] == [
        "rejected",
        "withdrawn",
        "expired",
    ]
    assert desk.view.fates[rejected.id].by == "U_TRADER"


def test_an_approval_that_nothing_filled_is_told_as_unfilled():
    desk = Floor()
    desk.ack(desk.press(desk.propose()))
    desk.later(minutes=30)
    desk.minute({ETH: 100.0, SOL: 100.0})
    assert (fate(desk).status, bool(fate(desk).why)) == ("unfilled", True)


def test_every_limit_and_term_of_the_playbook_is_shown_with_its_use():
    desk = Floor()
    desk.propose()
    use = {limit.name: (limit.used, limit.limit) for limit in desk.view.limits}
    assert use["positions per coin"] == (1.0, 1.0)
    assert use["cards an hour"] == (1.0, 6.0)
    terms = dict(desk.view.terms)
    assert terms["price drift"] == "at most 0.5 % from the card, or a tenth of the way to its stop, whichever is more"
    fast = dict(Floor(speed="60").view.terms)
    assert fast["price drift"].endswith("whichever is more; both × √60, the market being so fast")
    assert fast["life of a card"] == "at most 10 min on your clock, 10 h of desk time"
    assert terms["stop (ema)"] == "5 % against the entry"
    assert terms["rest after a rejection or an expiry"] == "1 h for that coin"


def test_rules_that_changed_between_two_runs_are_remembered_with_the_instant():
    desk = Floor()
    assert desk.view.rules_since is None
    at = desk.later(minutes=1)
    desk.tell(with_rules(started(playbook(capital=2000), at), "b" * 64))
    assert (desk.view.rules, desk.view.rules_before, desk.view.rules_since) == ("b" * 12, "0" * 12, at)
    desk.tell(with_rules(started(playbook(capital=2000), desk.later(minutes=1)), "b" * 64))
    assert desk.view.rules_since == at
    assert again(desk).rules_since == at
    assert born().playbook_hash == "0" * 64


def with_rules(message, rules):
    values = {name: getattr(message, name) for name in message.__slots__}
    return Started(**(values | {"rules": rules}))
