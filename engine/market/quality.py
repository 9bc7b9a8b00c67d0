"""The quality gate: every price is judged before anything may believe it.

A bad one is counted under its reason and kept, newest last, in a short quarantine. A price more than half away from
the last believed one is *doubtful*: it waits until a second message confirms it (SEMANTICS 1).
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from engine.domain import Print, Quote, Symbol, instant

JUMP_LIMIT = 0.5  # share of the last believed price
AGREEMENT = 0.1  # two doubtful prices this close confirm each other
KEPT = 100
_ENDLESS = math.inf
_LONG_AGO = instant(0)


class Reason(StrEnum):
    """Why a message was not believed."""

    PRICE_NOT_POSITIVE = "PRICE_NOT_POSITIVE"
    NOT_FINITE = "NOT_FINITE"
    VOLUME_NEGATIVE = "VOLUME_NEGATIVE"
    FUTURE = "FUTURE"
    STALE = "STALE"
    CROSSED = "CROSSED"
    JUMP = "JUMP"
    DUPLICATE = "DUPLICATE"
    MALFORMED = "MALFORMED"
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    UNKNOWN_CHANNEL = "UNKNOWN_CHANNEL"
    CHECKSUM = "CHECKSUM"
    BAR_IMPOSSIBLE = "BAR_IMPOSSIBLE"


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One message that was not believed."""

    at: datetime
    symbol: Symbol | None
    code: Reason
    detail: str


class Quarantine:
    """Counts by reason since the start, and the last messages with their reasons (at most `KEPT`)."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.last: deque[Quarantined] = deque(maxlen=KEPT)

    def put(self, at: datetime, symbol: Symbol | None, code: Reason, detail: str) -> None:
        self.counts[code.value] += 1
        self.last.append(Quarantined(at, symbol, code, detail[:200]))


@dataclass(slots=True)
class _Believed:
    """What the gate remembers of one symbol."""

    price: float = 0.0
    at: datetime | None = None
    doubtful: Print | Quote | None = None
    doubted: datetime | None = None
    ids: set[int] = field(default_factory=set)  # of the newest prints
    older_ids: set[int] = field(default_factory=set)
    turn: datetime = _LONG_AGO  # when the newest become the older ones

    def remember(self, trade_id: int, now: datetime, span: timedelta) -> bool:
        """False when it was here before, `span` ago or less."""
        if trade_id in self.ids or trade_id in self.older_ids:
            return False
        if now >= self.turn:
            self.ids, self.older_ids, self.turn = set(), self.ids, now + span
        self.ids.add(trade_id)
        return True


def _price(item: Print | Quote) -> float:
    return item.price if isinstance(item, Print) else item.mid


def _fault(item: Print | Quote) -> Reason | None:
    """What is impossible about the numbers alone."""
    numbers = (item.price, item.quantity) if isinstance(item, Print) else (item.bid, item.ask)
    if not all(math.isfinite(number) for number in numbers):
        return Reason.NOT_FINITE
    if isinstance(item, Print):
        if item.price <= 0:
            return Reason.PRICE_NOT_POSITIVE
        return Reason.VOLUME_NEGATIVE if item.quantity < 0 else None
    if item.bid <= 0 or item.ask <= 0:
        return Reason.PRICE_NOT_POSITIVE
    return Reason.CROSSED if item.bid > item.ask else None


class QualityGate:
    """Judges prints and quotes of one feed. All spans are desk time; above speed 1 they are multiplied by it."""

    def __init__(
        self,
        quarantine: Quarantine,
        speed: float = 1.0,
        *,
        confirm_within: timedelta = timedelta(seconds=3),
        skew: timedelta = timedelta(seconds=5),
        max_age: timedelta = timedelta(seconds=60),
    ) -> None:
        scale = max(1.0, speed)
        self._quarantine = quarantine
        self._confirm_within = confirm_within * scale
        self._fresh = timedelta(seconds=60) * scale
        self._skew = skew * scale
        self._least_age = -self._skew
        self._max_age = max_age * scale
        self._remembered = self._max_age + self._skew  # what comes again after that is refused as stale
        self._believed: dict[Symbol, _Believed] = {}
        self.refused: Reason | None = None  # why the last message was not believed
        self.confirmed: Print | None = None  # the earlier one, as it was, that the last message confirmed

    def seed(self, symbol: Symbol, price: float, at: datetime) -> None:
        """Believe a price from history, so that the first live one is judged too; a live one stands."""
        self._believed.setdefault(symbol, _Believed(price, at))

    def is_plain(self, item: Print, now: datetime) -> bool:
        """Whether a print is beyond doubt, and then believe it: what `admit` would say of most, many times faster.

        False says nothing: `admit` judges such a print.
        """
        believed = self._believed.get(item.symbol)
        if believed is None or believed.at is None:
            return False
        price = item.price
        if not (
            abs(price / believed.price - 1) <= JUMP_LIMIT  # so it is finite and above 0 as well
            and 0 <= item.quantity < _ENDLESS
            and self._least_age <= now - item.at <= self._max_age
            and (item.trade_id is None or believed.remember(item.trade_id, now, self._remembered))
        ):
            return False
        believed.price, believed.at = price, now
        believed.doubtful = believed.doubted = None
        return True

    def admit(self, item: Print | Quote, now: datetime) -> tuple[Print | Quote, ...]:
        """What may be believed because of `item`: itself, a print that it confirms as well, or nothing."""
        self.confirmed = None
        self.refused = fault = _fault(item) or self._refused(item, now)
        if fault:
            self._quarantine.put(now, item.symbol, fault, _words(item))
            return ()
        believed = self._believed.setdefault(item.symbol, _Believed())
        price = _price(item)
        if believed.at is None or abs(price / believed.price - 1) <= JUMP_LIMIT:
            return self._believe(believed, item, now)
        if self._confirms(believed, price, now):
            return self._confirmed(believed, item, now)
        self.refused = Reason.JUMP
        self._quarantine.put(now, item.symbol, Reason.JUMP, f"{_words(item)}, last {believed.price:.10g}")
        believed.doubtful, believed.doubted = item, now
        return ()

    def _refused(self, item: Print | Quote, now: datetime) -> Reason | None:
        """A print that comes again is a duplicate, however old; one from the future may come again in its time."""
        if item.at > now + self._skew:
            return Reason.FUTURE
        if isinstance(item, Print) and item.trade_id is not None:
            believed = self._believed.setdefault(item.symbol, _Believed())
            if not believed.remember(item.trade_id, now, self._remembered):
                return Reason.DUPLICATE
        return Reason.STALE if item.at < now - self._max_age else None

    def _believe(self, believed: _Believed, item: Print | Quote, now: datetime) -> tuple[Print | Quote, ...]:
        believed.price, believed.at = _price(item), now
        believed.doubtful = believed.doubted = None
        return (item,)

    def _confirms(self, believed: _Believed, price: float, now: datetime) -> bool:
        """A second message agrees in time: within 3 s, or within 5 minutes when nothing was believed for 60 s.

        SEMANTICS 1 confirms within 3 s where prices come all the time. After a minute of silence (an outage, a coin
        that hardly trades) the market may really have halved, and its next trade may come minutes later: with 3 s
        alone each honest price would be doubted for ever, and the stop of a held position could never act. The second
        message must still agree with the first, so one wild print alone changes nothing.
        """
        if believed.doubtful is None or believed.doubted is None or believed.at is None:
            return False
        quiet = now - believed.at > self._fresh
        window = max(self._confirm_within, self._fresh * 5) if quiet else self._confirm_within
        return now - believed.doubted <= window and abs(price / _price(believed.doubtful) - 1) <= AGREEMENT

    def _confirmed(self, believed: _Believed, item: Print | Quote, now: datetime) -> tuple[Print | Quote, ...]:
        """A doubtful print confirmed by a quote counts from now on; confirmed by a print, the second one counts."""
        first = believed.doubtful
        accepted = self._believe(believed, item, now)
        self.confirmed = first if isinstance(first, Print) else None
        if isinstance(first, Print) and isinstance(item, Quote):
            trade = Print(
                first.symbol, item.at, first.price, first.quantity, first.received, first.trade_id, first.side
            )
            return (trade, *accepted)
        return accepted


def _words(item: Print | Quote) -> str:
    if isinstance(item, Print):
        return f"print {item.price!r} × {item.quantity!r} at {item.at.isoformat()}"
    return f"quote {item.bid!r} / {item.ask!r} at {item.at.isoformat()}"
