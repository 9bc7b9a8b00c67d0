"""History before a training: from which sources, from when until when, and what its closing report says."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from bot.jobs import Plan
from bot.market_choice import massive_access
from bot.settings import Settings
from engine import StoreError

if TYPE_CHECKING:
    from engine import Desk

log = logging.getLogger(__name__)

FILES = "massive-files"
USUAL = timedelta(days=2)  # yesterday and the day before: late bars of the first are there by then
FARTHEST = timedelta(days=30)  # older holes are a person's to fill: `/desk backfill`
PUBLISHED = timedelta(hours=17)  # after the end of a day: its flat file comes about 16:00 UTC on the next
_NO_FAULT = ("no trades", "not listed")  # causes of gaps that are no defect


def sources_of(settings: Settings, feed: str) -> tuple[str, ...]:
    """Where history is asked for, in this order, each for what the one before did not bring; empty: nowhere.

    By itself that is the feed's own history. Flat files go before it where their keys are set, with Massive's REST for
    the days whose file is not there yet or could not be had.
    """
    access = massive_access(settings)
    by_rest = ("massive",) if access.key else ()
    if settings.history_source == FILES:
        return (FILES, *by_rest)
    if settings.history_source != "auto":
        return () if settings.history_source == "off" else (settings.history_source,)
    files = (FILES, *by_rest) if access.files_key and access.files_secret else ()
    own = (feed,) if feed in ("kraken", "massive") else ()
    return tuple(dict.fromkeys((*files, *own)))


def span_of(desk: Desk, now: datetime, down_since: datetime | None) -> tuple[datetime, datetime]:
    """The whole days to ask for: the last two, and back to the oldest hole that is known, at most a month.

    `down_since`: the last that this desk knew before it started. Blocks on the database.
    """
    holes = [down_since] if down_since is not None else []
    try:
        holes += [gap.start for gap in desk.storage.unhealed()]
    except StoreError as error:
        log.warning("which bars are missing is not known: %s", error)
    until = _midnight(now)
    oldest = min((_midnight(hole) for hole in holes), default=until)
    return max(until - FARTHEST, min(until - USUAL, oldest)), until


def last_of(source: str, now: datetime) -> datetime:
    """Until when a source has whole days by `now`: a flat file comes on the afternoon of the next day."""
    return _midnight(now - PUBLISHED if source == FILES else now)


def download_plan(desk: Desk, source: str, since: datetime, until: datetime) -> Plan:
    """The command line that fetches these days; those that an earlier one finished cost nothing."""
    days = (f"{since:%Y-%m-%d}", f"{until:%Y-%m-%d}")
    asked = ("--source", source, "--symbols", ",".join(desk.snapshot().symbols), "--from", days[0], "--to", days[1])
    where = ("--data-dir", str(desk.terms.data), "--progress", "json", "--gentle")
    return Plan("backfill", " ".join((source, *days)), ("backfill", *asked, *where))


def looked_through(reports: Sequence[Mapping[str, Any]]) -> str:
    """What the closing reports of downloads found, in words: bars that should be there, outliers, rows not taken."""
    gaps: dict[str, int] = {}
    for report in reports:
        for cause, found in report.get("gaps", {}).items():
            if cause not in _NO_FAULT and found["bars"]:
                gaps[cause] = gaps.get(cause, 0) + found["bars"]
    outliers = sum(report.get("outliers", {}).get("count", 0) for report in reports)
    rejected = sum(sum(report.get("rejected", {}).values()) for report in reports)
    missing = ", ".join(f"{bars:,} bars missing ({cause})" for cause, bars in gaps.items()) or "no bar missing"
    turned = f", {rejected:,} rows turned away" if rejected else ""
    return f"history checked: {missing}, {outliers or 'no'} outlier{'' if outliers == 1 else 's'}{turned}"


def _midnight(at: datetime) -> datetime:
    day: date = at.astimezone(UTC).date()
    return datetime.combine(day, time(0), UTC)
