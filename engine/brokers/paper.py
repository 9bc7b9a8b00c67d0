"""The paper broker: takes orders as a venue would and sends nothing anywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from engine.domain import Instrument, Order, Symbol
from engine.messages import Acked

ENTRY = "entry"
REMEMBERED = 10_000  # orders; one that was answered is asked for again only around a crash


class PaperBroker:
    """Acknowledges orders after the venue's minimum check; fills come from the core's own fill model.

    `environment` is the paper mode of SPEC 7. Validation by the venue comes with live trading: until then `notice`
    says so and every acknowledgement carries `validated=None`.
    """

    name = "paper"

    def __init__(
        self, now: Callable[[], datetime], instruments: Mapping[Symbol, Instrument], environment: str = "development"
    ) -> None:
        self._now = now
        self._instruments = instruments
        self._seen: dict[str, Acked] = {}
        self.notice = (
            ""
            if environment == "development"
            else f"ENVIRONMENT={environment} asks for orders validated by the venue; that comes with live trading, "
            "so paper orders are checked against the venue's minimums only and are not marked as validated"
        )

    def place(self, order: Order) -> Acked:
        """Take one order; the same client id is the same order and gives the same answer."""
        if order.client_id not in self._seen:
            if len(self._seen) >= REMEMBERED:
                del self._seen[next(iter(self._seen))]
            reason = self._too_small(order)
            self._seen[order.client_id] = Acked(self._now(), order.client_id, not reason, reason)
        return self._seen[order.client_id]

    def find(self, client_id: str) -> Acked | None:
        """What became of an order; None when this broker never saw it."""
        return self._seen.get(client_id)

    def cancel(self, client_id: str) -> None:
        """Nothing rests at a venue on paper: the core cancels its own resting orders."""

    def _too_small(self, order: Order) -> str:
        """The venue's own check, of each order on its own; the core's (`least_order`) judged the whole entry."""
        instrument = self._instruments.get(order.symbol)
        if instrument is None or order.purpose != ENTRY:
            return ""
        if order.quantity < instrument.min_quantity:
            return f"MIN_ORDER: {order.quantity:g} is below the venue's minimum of {instrument.min_quantity:g}"
        price = order.limit or (order.consent.worst_price if order.consent else 0.0)
        if price and order.quantity * price < instrument.min_notional:
            return f"MIN_ORDER: {order.quantity * price:g} is below the venue's minimum of {instrument.min_notional:g}"
        return ""
