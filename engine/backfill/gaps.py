"""Stretches without bars, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from engine.backfill.outages import Presence, stretches
from engine.domain import Symbol
from engine.store.history_gaps import COMPLETE, QUIET

OUTAGE, NOT_LISTED, NOT_FETCHED = "venue outage", "not listed", "not fetched"
REFUSED = "bad rows"  # the source had a bar, which could not be believed
CAUSES = (OUTAGE, QUIET, NOT_LISTED, NOT_FETCHED, REFUSED)


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch in which a symbol has no bar: opens from `start` to before `end`, and how many bars are missing."""

    symbol: Symbol
    start: datetime
    end: datetime
    cause: str
    bars: int


def complete(coin: Presence, out: np.ndarray, since: datetime, interval: timedelta) -> Iterator[Gap]:
    """The stretches in which every bar that is absent was not traded; `bars` counts those."""
    quiet = ~coin.present & ~coin.refused & coin.fetched & coin.listed & ~out
    for first, last in stretches(coin.present | quiet):
        bars = int(quiet[first:last].sum())
        if bars:
            yield Gap(coin.symbol, since + first * interval, since + last * interval, COMPLETE, bars)


def gaps_of(coin: Presence, out: np.ndarray, since: datetime, interval: timedelta) -> Iterator[Gap]:
    """Every gap of one symbol, in order. `out`: the bars in which the source was out (`outages`)."""
    missing, refused = ~coin.present & ~coin.refused, ~coin.present & coin.fetched & coin.refused
    reasons = (
        (REFUSED, refused),
        (NOT_FETCHED, ~coin.present & ~coin.fetched),
        (NOT_LISTED, missing & coin.fetched & ~coin.listed),
        (OUTAGE, missing & coin.fetched & coin.listed & out),
        (QUIET, missing & coin.fetched & coin.listed & ~out),
    )
    found = ((first, last, cause) for cause, marked in reasons for first, last in stretches(marked))
    for first, last, cause in sorted(found):
        yield Gap(coin.symbol, since + first * interval, since + last * interval, cause, last - first)
