"""The only way to a broker: recorded intents go in, acknowledgements come back through the inbox."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from datetime import datetime

from engine.brokers.consents import Consents
from engine.domain import Order
from engine.messages import Acked, Message
from engine.outcomes import OrderIntended
from engine.ports import Broker
from engine.records import Record

_log = logging.getLogger(__name__)
_ASK_AGAIN = 5.0  # real seconds before an order without a known outcome is asked for


class Gateway:
    """Sends orders from a worker thread of its own. It is handed ledger records, so an intent is durable before it
    leaves, and an order whose outcome is unknown is asked for by client id before it is sent again."""

    def __init__(
        self,
        broker: Broker,
        submit: Callable[[Message], object],
        now: Callable[[], datetime],
        barred: Callable[[], str] = str,
    ) -> None:
        """`barred` says why nothing may be ordered at this moment (another desk has the database), "" when it may."""
        self._broker = broker
        self._submit = submit
        self._now = now
        self._barred = barred
        self._consents = Consents()
        self._waiting: queue.SimpleQueue[tuple[Order, bool] | None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._in_hand: Order | None = None
        self._thread = threading.Thread(target=self._work, name="gateway", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def trouble(self) -> str:
        """Why nothing is ordered any more; "" while the worker runs."""
        return "" if self._thread.is_alive() or self._ended.is_set() else "its thread ended"

    def revive(self) -> None:
        """A new thread for what waits. The order that the old one had in hand is asked for before it is sent again."""
        if self._in_hand is not None:
            self._waiting.put((self._in_hand, True))
        self._thread = threading.Thread(target=self._work, name="gateway", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Send what was handed over, then end."""
        if self._thread.is_alive():
            self._ended.set()
            self._waiting.put(None)
            self._thread.join(timeout)

    def on_record(self, record: Record) -> None:
        """Take the order intents of a durable record; returns at once."""
        for outcome in record.outcomes:
            if isinstance(outcome, OrderIntended):
                self._waiting.put((outcome.order, False))

    def resume(self, unanswered: Iterable[Order], consented: Iterable[Order]) -> None:
        """After a restart: ask about every intent without an acknowledgement. `consented`: what used its consent."""
        for order in consented:
            self._consents.use(order)
        for order in unanswered:
            self._waiting.put((order, True))

    def handle(self, order: Order, ask_first: bool = False) -> Acked | None:
        """Send one recorded intent and return the answer; None when it will come as a message later."""
        fault = self._consents.fault(order)
        if fault:
            _log.error("order %s for %s was not sent: %s", order.client_id, order.symbol, fault)
            return Acked(self._now(), order.client_id, False, fault)
        known = self._broker.find(order.client_id) if ask_first else None
        if known is None and (why := self._barred()):
            _log.critical("order %s for %s was not sent: %s", order.client_id, order.symbol, why)
            return Acked(self._now(), order.client_id, False, f"LEASE: {why}")
        self._consents.use(order)
        return known or self._broker.place(order)

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            order, ask_first = item
            self._in_hand = order
            try:
                answer = self.handle(order, ask_first)
            except (OSError, RuntimeError, ValueError):
                _log.exception(
                    "order %s for %s has no known outcome; it is asked for again", order.client_id, order.symbol
                )
                self._ended.wait(_ASK_AGAIN)
                self._waiting.put((order, True))
                continue
            if answer is not None:
                self._submit(answer)
            self._in_hand = None
