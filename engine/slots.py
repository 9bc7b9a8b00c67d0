"""When reports are due and what they cover (SEMANTICS 6), computed from a zone and nothing else.

A slot is keyed by report and local date (`evening:2026-11-20`). A local time that does not exist runs at the next
that does; one that comes twice runs once, the first time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from engine.domain import require_utc

MORNING, EVENING, WEEK = "morning", "evening", "week"
REPORTS = (MORNING, EVENING, WEEK)
LATE_AFTER = timedelta(minutes=5)  # of desk time at speed 1; a faster desk allows as much more

_AT = {MORNING: time(7), EVENING: time(19), WEEK: time(19)}
_SUNDAY = 6


@dataclass(frozen=True, slots=True)
class Slot:
    """One scheduled report. `due` and the covered span are UTC instants; the span is due's local day arithmetic."""

    report: str
    local_date: date
    due: datetime
    covers_from: datetime
    covers_to: datetime

    @property
    def key(self) -> str:
        return f"{self.report}:{self.local_date.isoformat()}"


class SlotKeyError(ValueError):
    """A slot key that names no report or no date."""


def local_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The UTC instant of a wall-clock time: the first of two, or the next that exists."""
    naive = datetime.combine(day, at)
    first = naive.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == naive:
        return first
    probe = naive.replace(tzinfo=zone, fold=1).astimezone(UTC)  # inside the gap's shadow: before the clocks jump
    while probe.astimezone(zone).replace(tzinfo=None) < naive:
        probe += timedelta(minutes=1)
    return probe


def slot(report: str, day: date, zone: ZoneInfo) -> Slot:
    """The slot of a report on a local date."""
    due = local_instant(day, _AT[report], zone)
    back = timedelta(days=7 if report == WEEK else 1)
    return Slot(report, day, due, local_instant(day - back, _AT[EVENING], zone), due)


def slot_of(key: str, zone: ZoneInfo) -> Slot:
    """The slot that a key names. Raises `SlotKeyError`."""
    report, _, day = key.partition(":")
    if report not in REPORTS:
        raise SlotKeyError(f"report slot was {key!r}; it must start with one of {', '.join(REPORTS)}")
    try:
        return slot(report, date.fromisoformat(day), zone)
    except ValueError as error:
        raise SlotKeyError(f"report slot was {key!r}; it must end with a date such as 2026-11-20") from error


def slots(after: datetime, until: datetime, zone: ZoneInfo) -> list[Slot]:
    """Every slot with `after` < due ≤ `until`, in order; on Sunday evening the day comes before the week."""
    day = require_utc(after).astimezone(zone).date() - timedelta(days=1)
    last = require_utc(until).astimezone(zone).date()
    found: list[Slot] = []
    while day <= last:
        kinds = REPORTS if day.weekday() == _SUNDAY else (MORNING, EVENING)
        found.extend(slot(report, day, zone) for report in kinds)
        day += timedelta(days=1)
    return [item for item in found if after < item.due <= until]


def next_slot(after: datetime, zone: ZoneInfo) -> Slot:
    """The first slot after an instant."""
    return slots(after, after + timedelta(days=3), zone)[0]


def times(at: str, zone: ZoneInfo, sundays: bool, after: datetime, until: datetime) -> list[datetime]:
    """When `at` (24-hour clock of `zone`) comes with `after` < due ≤ `until`, on every day or on Sundays only; UTC."""
    hour, minute = map(int, at.split(":"))
    day, last = require_utc(after).astimezone(zone).date(), require_utc(until).astimezone(zone).date()
    found = []
    while day <= last:
        if not sundays or day.weekday() == _SUNDAY:
            found.append(local_instant(day, time(hour, minute), zone))
        day += timedelta(days=1)
    return [due for due in found if after < due <= until]


def last_slot(until: datetime, zone: ZoneInfo) -> Slot:
    """The latest slot that has fallen due."""
    return slots(until - timedelta(days=3), until, zone)[-1]
