"""Proposal cards: opened, refreshed, withdrawn, expired. At most one waits per strategy and symbol."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from engine.core.events import Event
from engine.domain import Proposal, ProposalStatus, Side, Signal, instant
from engine.outcomes import ProposalChanged, ProposalClosed, ProposalOpened
from engine.playbook.model_terms import Label
from engine.snapshot import Fate
from engine.trader.memory import CARDS_KEPT, SIGNALS_KEPT, Card, Memory
from engine.trader.sentences import refusal

_HOUR = timedelta(hours=1)


def may_ask(desk: Memory, at: datetime) -> bool:
    """Whether one more card may go out within this hour."""
    while desk.asked and desk.asked[0] <= at - _HOUR:
        desk.asked.popleft()
    return len(desk.asked) < desk.plan.playbook.proposal.max_cards_per_hour


def open_card(desk: Memory, event: Event, signal: Signal, at: datetime) -> Proposal:
    """A new proposal from the core's intent."""
    desk.proposals_made += 1
    proposal = _offer(desk, event, signal, f"P{desk.proposals_made}", 1, at, at)
    desk.cards[proposal.id] = Card(proposal, event.intent, signal, signal)
    desk.asked.append(at)
    fate = Fate(proposal.strategy, proposal.symbol, signal.at, proposal.status.value, at)
    desk.fates = dict([*desk.fates.items(), (proposal.id, fate)][-SIGNALS_KEPT:])
    desk.saw(signal, "proposed")
    desk.say(ProposalOpened(proposal))
    return proposal


def change_card(desk: Memory, card: Card, event: Event, at: datetime, why: str) -> Proposal:
    """A new revision of a waiting card: new price, size and expiry. `event` is the core's requoted intent."""
    old = card.proposal
    card.proposal = _offer(desk, event, card.signal, old.id, old.revision + 1, old.opened, at)
    card.offered = card.signal
    drift = card.proposal.price / old.price - 1 if old.price else 0.0
    desk.say(
        ProposalChanged(card.proposal, why, {"old_price": old.price, "price": card.proposal.price, "drift": drift})
    )
    return card.proposal


def _offer(
    desk: Memory, event: Event, signal: Signal, name: str, revision: int, opened: datetime, at: datetime
) -> Proposal:
    numbers = event.numbers
    label = _label(desk, signal)
    notional = event.price * event.quantity
    return Proposal(
        id=name,
        revision=revision,
        strategy=event.strategy,
        symbol=event.symbol,
        side=signal.side,
        quantity=event.quantity,
        price=event.price,
        price_at=instant(event.at),
        notional=numbers.get("amount", notional) or notional,
        stop=numbers.get("stop"),
        target=numbers.get("target"),
        trailing=signal.trailing,
        max_hold=signal.max_hold or _hold(desk, signal.strategy),
        confidence=signal.confidence,
        reasons=(signal.reason,) if signal.reason else (),
        worst_loss=numbers.get("worst_loss", 0.0),
        fees=event.fee,
        slippage=event.slippage,
        exposure_before=numbers.get("exposure_before", 0.0),
        exposure_after=numbers.get("exposure_after", 0.0),
        opened=opened,
        expires=at + desk.plan.life(signal.strategy),
        horizon=label.horizon if label else None,
        band=label.band if label else None,
    )


def _label(desk: Memory, signal: Signal) -> Label | None:
    """What the model says is so likely; None where the confidence is no probability of the model's for this side."""
    model, told = desk.plan.playbook.model, signal.numbers.get("p_up" if signal.side is Side.LONG else "p_down")
    return model.label if model is not None and told is not None and told == signal.confidence else None


def _hold(desk: Memory, strategy: str) -> timedelta | None:
    held = next((one.max_hold_us for one in desk.plan.rules.strategies if one.name == strategy), None)
    return None if held is None else timedelta(microseconds=held)


def close_card(
    desk: Memory,
    card: Card,
    status: ProposalStatus,
    by: str,
    at: datetime,
    why: str | None = None,
    granted: tuple[float, float] | None = None,
) -> Proposal:
    """A card's end; `granted` is quantity and price of an approval. Its symbol rests after a rejection or an expiry."""
    proposal = replace(card.proposal, status=status, decided_by=by, decided_at=at, decided_why=why)
    if granted is not None:
        proposal = _resized(proposal, *granted)
    del desk.cards[proposal.id]
    desk.closed_cards[proposal.id] = proposal
    desk.follow(proposal.id, status.value, at, by=by, why=why)
    if len(desk.closed_cards) > CARDS_KEPT:
        del desk.closed_cards[next(iter(desk.closed_cards))]
    if status in (ProposalStatus.REJECTED, ProposalStatus.EXPIRED):
        desk.rests[proposal.symbol] = at + desk.plan.playbook.proposal.rest_after_rejection
    desk.say(ProposalClosed(proposal))
    return proposal


def _resized(proposal: Proposal, quantity: float, price: float) -> Proposal:
    """The card for what was granted: everything that is money follows it."""
    share = min(1.0, quantity * price / (proposal.quantity * proposal.price))
    added = proposal.exposure_after - proposal.exposure_before
    return replace(
        proposal,
        quantity=quantity,
        notional=proposal.notional * share,
        worst_loss=proposal.worst_loss * share,
        fees=proposal.fees * share,
        slippage=proposal.slippage * share,
        exposure_after=proposal.exposure_before + added * share,
    )


def drop_card(desk: Memory, card: Card, status: ProposalStatus, by: str, at: datetime, why: str | None = None) -> None:
    """Close a card and give its reserved slot, cash and heat back."""
    desk.book.withdraw(card.intent)
    close_card(desk, card, status, by, at, why)


def withdraw_all(desk: Memory, why: str, at: datetime) -> None:
    """Close every waiting card."""
    for card in list(desk.cards.values()):
        drop_card(desk, card, ProposalStatus.WITHDRAWN, "desk", at, why)


def expire_cards(desk: Memory, at: datetime) -> None:
    """End every card whose time is over."""
    for card in list(desk.cards.values()):
        if card.proposal.expires <= at:
            drop_card(desk, card, ProposalStatus.EXPIRED, "desk", at, "nobody decided in time")
    desk.rests = {symbol: until for symbol, until in desk.rests.items() if until > at}


def refresh_card(desk: Memory, card: Card, signal: Signal, price: float, at_us: int, at: datetime) -> None:
    """The same wish came again: the card gets the new price, or ends when risk refuses it now.

    A wish that comes with every minute leaves a card alone whose price still holds and that has half its life: a person
    presses the revision that was seen, and would else be told to press again.
    """
    card.signal = signal
    old = card.proposal
    holds = abs(price / old.price - 1) <= desk.plan.drift_limit(old.price, old.stop) / 2
    if holds and at <= old.expires - desk.plan.life(old.strategy) / 2:
        desk.renewed(old.id, signal)
        return
    for event in desk.book.requote(card.intent, at_us, price):
        if event.kind == "INTENT":
            change_card(desk, card, event, at, "refreshed")
            desk.renewed(old.id, signal)
        elif event.kind == "REFUSED":
            no = refusal(event.code, at, event.strategy, event.symbol, event.numbers)
            close_card(desk, card, ProposalStatus.REFUSED, "desk", at, no.sentence)
            desk.saw(signal, "refused", no)
