"""What a backfill is asked for, and the names by which its finished pieces are known again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.backfill.errors import BackfillError
from engine.domain import Symbol, require_utc
from engine.market.symbols import current
from engine.ports import Listing, Piece
from engine.store.bars import INTERVALS, MINUTE, floor

LIVE = "live"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Bars that open at or after `since` and before `until`; without `symbols` all that the source has.

    `again`: fetch pieces that were finished before once more. `replace`: bars that another source gave become this
    one's, as new revisions; without it they stay, and the differences are reported.
    """

    source: str
    symbols: tuple[Symbol, ...]
    since: datetime
    until: datetime
    interval: timedelta = MINUTE
    market: str = LIVE
    again: bool = False
    replace: bool = False

    @property
    def interval_name(self) -> str:
        """`1m`, as the store writes it."""
        return next(name for name, span in INTERVALS.items() if span == self.interval)

    def mark(self, piece: Piece) -> str:
        """The name of a finished piece: another range, interval or set of symbols is another piece."""
        symbols = hashlib.sha256(",".join(sorted(piece.symbols)).encode()).hexdigest()[:8]
        range_ = f"{piece.since:%Y%m%dT%H%M}-{piece.until:%Y%m%dT%H%M}"
        return " ".join([piece.key, self.interval_name, range_, symbols, *(["replace"] if self.replace else [])])


def in_dates_of(asked: Wanted, listings: Iterable[Listing], *, since: bool, until: bool) -> Wanted:
    """The request from the first (`since`) and to the last (`until`) bar that the source names; nothing that has not
    closed by the request's own end. Raises `BackfillError` for an empty range."""
    known = [one for one in listings if one.first is not None and one.last is not None]
    if not known:
        return asked
    first = min(one.first for one in known if one.first is not None) if since else asked.since
    last = max(one.last for one in known if one.last is not None) if until else asked.until
    return wanted(
        asked.source,
        asked.symbols,
        first,
        last,
        asked.until,
        interval=asked.interval_name,
        again=asked.again,
        replace=asked.replace,
    )


def wanted(
    source: str,
    symbols: tuple[Symbol, ...],
    since: datetime,
    until: datetime,
    now: datetime,
    *,
    interval: str = "1m",
    again: bool = False,
    replace: bool = False,
) -> Wanted:
    """A request made whole: bounds on the grid of its bars, and nothing that has not closed by `now`.

    Raises `BackfillError` for an interval that is not kept, or an empty range.
    """
    span = INTERVALS.get(interval)
    if span is None:
        raise BackfillError(f"bars of {interval} are not kept; choose one of {', '.join(INTERVALS)}")
    first, last = floor(require_utc(since), span), floor(min(require_utc(until), require_utc(now)), span)
    if first >= last:
        raise BackfillError(
            f"there are no closed bars from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC; choose an earlier"
            " start or a later end"
        )
    return Wanted(source, tuple(dict.fromkeys(map(current, symbols))), first, last, span, again=again, replace=replace)
