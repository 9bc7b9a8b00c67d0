"""What the gateway demands before an entry leaves: consent bound to the order's content, used once."""

from __future__ import annotations

from datetime import datetime

from engine.client_ids import is_client_id
from engine.domain import Consent, ExitReason, Order, Side

_EXITS = frozenset(reason.value for reason in ExitReason)
_ROUNDING = 1e-9


class Consents:
    """Remembers which consent was used by which orders. The legs of one decision share an instant and a consent."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, int], dict[str, Order]] = {}

    def fault(self, order: Order) -> str:
        """Why this order may not leave, or an empty text. Entries need consent that covers them."""
        if not is_client_id(order.client_id):
            return f"CLIENT_ID: {order.client_id!r} is no derived client id"
        if order.purpose in _EXITS:
            return ""
        if order.purpose != "entry":
            return f"PURPOSE: {order.purpose!r} is neither entry nor an exit's reason"
        if order.consent is None:
            return "CONSENT: an entry needs consent and this one has none"
        return _mismatch(order, order.consent) or self._overused(order, order.consent)

    def use(self, order: Order) -> None:
        """Remember that this order used its consent, until that ends: from then on `fault` refuses it by its time."""
        if order.consent is None:
            return
        self._used = {key: used for key, used in self._used.items() if any(_lasts(o, order.at) for o in used.values())}
        self._used.setdefault((order.consent.proposal, order.consent.revision), {})[order.client_id] = order

    def _overused(self, order: Order, consent: Consent) -> str:
        used = self._used.get((consent.proposal, consent.revision), {})
        others = [other for other in used.values() if other.client_id != order.client_id]
        if any(other.at != order.at for other in others):
            return f"CONSENT: the consent for {consent.proposal} was used already"
        total = order.quantity + sum(other.quantity for other in others)
        if total > consent.max_quantity * (1 + _ROUNDING):
            return f"CONSENT: {total:g} in all is above the {consent.max_quantity:g} that was approved"
        return ""


def _lasts(order: Order, at: datetime) -> bool:
    return order.consent is not None and order.consent.expires >= at


def _mismatch(order: Order, consent: Consent) -> str:
    side = Side.LONG if order.action == "buy" else Side.SHORT
    if (consent.symbol, consent.side) != (order.symbol, side):
        return f"CONSENT: it was given for {consent.side} {consent.symbol}, not for {side} {order.symbol}"
    if order.quantity > consent.max_quantity * (1 + _ROUNDING):
        return f"CONSENT: {order.quantity:g} is above the {consent.max_quantity:g} that was approved"
    if order.at > consent.expires:
        return f"CONSENT: it ended at {consent.expires.isoformat()}"
    if order.limit is not None and _beyond(order.limit, consent):
        return f"CONSENT: the limit {order.limit:g} is worse than the {consent.worst_price:g} that was approved"
    return ""


def _beyond(price: float, consent: Consent) -> bool:
    worst = consent.worst_price
    return price > worst * (1 + _ROUNDING) if consent.side is Side.LONG else price < worst * (1 - _ROUNDING)
