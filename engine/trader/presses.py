"""A person presses a card: everything is judged again as of now, and every "no" says why and places no order."""

from __future__ import annotations

from dataclasses import replace

from engine.core.events import Event, EventKind
from engine.domain import Consent, Proposal, ProposalStatus, Quote, Role, Side, State, micros
from engine.messages import Press
from engine.trader import holds
from engine.trader.cards import change_card, close_card, drop_card
from engine.trader.chains import COSTS, consent_given
from engine.trader.events import apply
from engine.trader.memory import Card, Memory, Story
from engine.trader.orders import intend_entry, is_unknown
from engine.trader.sentences import refusal, sentence_of, who
from engine.trader.spreads import priced

ACTIONS = ("approve", "reject", "half")
_DONE = {
    ProposalStatus.APPROVED: ("DUPLICATE", "already approved by {by} at {at}"),
    ProposalStatus.REJECTED: ("DUPLICATE", "already rejected by {by} at {at}"),
    ProposalStatus.EXPIRED: ("EXPIRED", "this proposal expired at {at}; no order was placed"),
    ProposalStatus.WITHDRAWN: ("WITHDRAWN", "this proposal was withdrawn at {at}: {why}"),
    ProposalStatus.REFUSED: ("REFUSED", "risk refused this proposal at {at}: {why}"),
}


def on_press(desk: Memory, message: Press) -> None:
    """Approve, halve or reject a card, or refuse the press."""
    card = desk.cards.get(message.proposal)
    no = _unanswerable(desk, message, card)
    if no:
        _refuse(desk, message, *no)
    elif card is not None and message.action == "reject":
        drop_card(desk, card, ProposalStatus.REJECTED, message.by, message.at, message.reason or None)
        consent_given(desk, card.proposal, False, f"rejected by {who(message.by)}")
    elif card is not None:
        _approve(desk, message, card)


def _refuse(desk: Memory, message: Press, code: str, sentence: str) -> None:
    card = desk.cards.get(message.proposal)
    known = card.proposal if card else desk.closed_cards.get(message.proposal)
    strategy, symbol = (known.strategy, known.symbol) if known else (None, None)
    desk.refuse(refusal(code, message.at, strategy, symbol, sentence=sentence))


def _unanswerable(desk: Memory, message: Press, card: Card | None) -> tuple[str, str] | None:
    """Why this press cannot decide anything, whatever the market does."""
    if message.role.rank < Role.TRADER.rank:
        return "NOT_ALLOWED", f"{who(message.by)} has the role {message.role}; approving and rejecting needs trader"
    if message.action not in ACTIONS:
        return "UNKNOWN_ACTION", f"{message.action!r} is no way to answer a proposal"
    if card is None:
        return _of_closed(desk, desk.closed_cards.get(message.proposal), message.proposal)
    if message.revision != card.proposal.revision:
        return "REVISION", (
            f"the card changed (revision {card.proposal.revision}, pressed {message.revision}); press it again"
        )
    return None


def _of_closed(desk: Memory, proposal: Proposal | None, name: str) -> tuple[str, str]:
    if proposal is None or proposal.decided_at is None:
        return "UNKNOWN_PROPOSAL", f"there is no proposal {name} any more"
    code, words = _DONE[proposal.status]
    at, by = desk.plan.clock(proposal.decided_at), who(proposal.decided_by)
    return code, words.format(by=by, at=at, why=proposal.decided_why or "no reason given")


def _approve(desk: Memory, message: Press, card: Card) -> None:
    no = _not_now(desk, message, card.proposal)
    if no or message.quote is None:
        _refuse(desk, message, *(no or ("STALE", "there is no price for this symbol")))
        return
    price = executable(message.quote, card.proposal.side)
    limit = desk.plan.drift_limit(card.proposal.price, card.proposal.stop)
    drift = abs(price / card.proposal.price - 1)
    if card.unwished is not None:
        since = desk.plan.clock(card.unwished)
        words = (
            f"since {since} the model's forecast is no longer strong enough; nothing was ordered, and the card waits"
        )
        _refuse(desk, message, "UNWISHED", f"{words} until it is again, or until it expires")
    elif level := _beyond(card, price):
        words = f"{price:g} is at or beyond the {level}; the card was re-quoted, press again when it is back"
        _requote(desk, message, card, price, "level", ("BEYOND_STOP", words))
    elif drift > limit:
        words = f"the price moved {drift:.2%} to {price:g} (limit {limit:.2%}); the card was re-quoted, press once more"
        _requote(desk, message, card, price, "drift", ("DRIFT", words))
    elif dear := _too_dear(desk, message, card):
        _refuse(desk, message, COSTS, f"{dear}; nothing was ordered, and the card waits for a narrower spread")
    else:
        _grant(desk, message, card, price, limit)


def _too_dear(desk: Memory, message: Press, card: Card) -> str:
    """Why the spread of this moment makes the entry cost more than it promises; "" where it does not."""
    step = priced(desk, card.signal, message.quote, message.at)[1]
    return "" if step is None or step.passed else sentence_of(COSTS, step.numbers)


def _beyond(card: Card, price: float) -> str:
    """Which absolute level `price` is at or beyond: they do not move with a new quote (SEMANTICS 2). "" for none."""
    side = 1.0 if card.proposal.side is Side.LONG else -1.0
    stop, target = card.signal.stop, card.signal.target
    if stop is not None and side * (price - stop) <= 0.0:
        return f"stop of {stop:g}"
    return f"target of {target:g}" if target is not None and side * (target - price) <= 0.0 else ""


def executable(quote: Quote, side: Side) -> float:
    """What an entry would pay: the ask to buy, the bid to sell."""
    return quote.ask if side is Side.LONG else quote.bid


def _not_now(desk: Memory, message: Press, proposal: Proposal) -> tuple[str, str] | None:
    """Why nothing may be approved at this moment."""
    if desk.level is not State.ACTIVE:
        return "HELD", sentence_of("HELD", {}, holds.why_held(desk))
    if desk.stopping:
        return "STOPPING", sentence_of("STOPPING", {})
    if is_unknown(desk, proposal.symbol):
        return "UNKNOWN_ORDER", sentence_of("UNKNOWN_ORDER", {})
    if not desk.feed_up or proposal.symbol in desk.silent:
        return "FEED_DOWN", "the market feed is down; nothing was ordered"
    if proposal.symbol in desk.doubted:
        return "DOUBTFUL", f"{desk.doubted[proposal.symbol]}; nothing was ordered"
    if barred := desk.plan.barred(proposal.symbol):
        return "EXITS_ONLY", f"{barred}; nothing was ordered"
    if message.quote is None:
        return "STALE", f"there is no price for {proposal.symbol}; nothing was ordered"
    age = message.at - message.quote.at
    if age > desk.plan.quote_age:
        seconds = age.total_seconds()
        return "STALE", f"the last price of {proposal.symbol} is {seconds:.0f} s old; nothing was ordered"
    return None


def _requote(desk: Memory, message: Press, card: Card, price: float, why: str, no: tuple[str, str]) -> None:
    """Offer the card again at this price."""
    for event in desk.book.requote(card.intent, micros(message.at), price):
        if event.kind == EventKind.INTENT:
            change_card(desk, card, event, message.at, why)
            _refuse(desk, message, *no)
        elif event.kind == EventKind.REFUSED:
            _refused_by_risk(desk, message, card, event)


def _refused_by_risk(desk: Memory, message: Press, card: Card, event: Event) -> None:
    no = refusal(event.code, message.at, event.strategy, event.symbol, event.numbers)
    close_card(desk, card, ProposalStatus.REFUSED, message.by, message.at, no.sentence)
    desk.refuse(no)


def _grant(desk: Memory, message: Press, card: Card, price: float, limit: float) -> None:
    proposal = card.proposal
    quantity = proposal.quantity * (0.5 if message.action == "half" else _spend(limit))
    worst = proposal.price * (1 + limit if proposal.side is Side.LONG else 1 - limit)
    granted = False
    for event in desk.book.grant(card.intent, micros(message.at), price, quantity, worst):
        if event.kind == EventKind.GRANTED:
            granted = True
            _granted(desk, message, card, event, quantity, worst)
        elif event.kind == EventKind.REFUSED:
            _refused_by_risk(desk, message, card, event)
        elif granted:
            apply(desk, [event])


def _spend(limit: float) -> float:
    """What a whole approval allows, as a multiple of the card's quantity: the card's money at the best price within the
    drift limit, and never more.

    SEMANTICS 2 asks consent for a maximum quantity. The core sizes in money (so that backtest and desk make the same
    trades: the quantity is known only at the fill), and a price that comes down buys more of the coin for the same
    money. A maximum of just the card's quantity would cut every such fill below what the backtest buys; so the
    consent's maximum is the most that the approved money can become before the card would have to be quoted anew.
    Money, and the worst price, stay the card's own.
    """
    return 1 / (1 - min(limit, 0.99))


def _granted(desk: Memory, message: Press, card: Card, event: Event, most: float, worst: float) -> None:
    quantity = event.quantity or most
    why = "half size" if message.action == "half" else None
    closed = close_card(desk, card, ProposalStatus.APPROVED, message.by, message.at, why, (quantity, event.price))
    desk.trades_made += 1
    story = Story(f"T{desk.trades_made}", closed, card.intent, card.offered or card.signal, closed.expires)
    desk.stories[(closed.strategy, closed.symbol)] = story
    consent = Consent(
        proposal=closed.id,
        revision=closed.revision,
        symbol=closed.symbol,
        side=closed.side,
        max_quantity=most,
        worst_price=worst,
        expires=closed.expires,
        by=message.by,
    )
    intend_entry(desk, story, message.at, min(quantity, most), consent)
    consent_given(desk, replace(closed), True, f"approved by {who(message.by)}")
