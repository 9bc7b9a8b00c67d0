"""Is the market data well? Gaps and their healing, what was set aside, late and lost prints, absent coins. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.crosscheck import LAPSES, CrossStatus
from engine.healing import HealingStatus
from engine.health import OK, WARNING, Reading
from engine.ports import FeedStatus
from engine.store.tick_writer import TickStatus

OPEN_WARNING = timedelta(minutes=5)  # × speed
SOURCE_SILENT = timedelta(minutes=5)
STRIKES = 3  # comparisons in a row that differ make an alarm
NAMED = 3
LAPSES_MIN = LAPSES // timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What was measured at `now` (desk time)."""

    now: datetime
    feed: FeedStatus
    healing: HealingStatus = field(default_factory=HealingStatus)
    cross: CrossStatus | None = None
    started: datetime | None = None
    speed: float = 1.0
    ticks: TickStatus | None = None  # None: raw trades are not kept
    live: bool = False
    broken: Mapping[str, str] = field(default_factory=dict)  # task → what broke it lately


def judge_data(facts: DataFacts) -> tuple[Reading, ...]:
    """The readings of the market data, in the order in which `/health` shows them."""
    return tuple(reading for check in _CHECKS for reading in check(facts))


def _gaps(facts: DataFacts) -> Iterator[Reading]:
    it = facts.healing
    long = [gap for gap in it.open.values() if facts.now - gap.start > OPEN_WARNING * facts.speed]
    count = max(it.seen, facts.feed.gaps)  # a break is known at once, its minutes when they have closed
    words = [f"{_count(count, 'gap')} in the data since the start"]
    oldest = sorted(it.open.values(), key=lambda gap: (gap.start, gap.symbol))
    words += [f"open now: {gap.symbol} since {gap.start:%H:%M} UTC ({gap.cause})" for gap in oldest[:NAMED]]
    if len(oldest) > NAMED:
        words.append(f"and {len(oldest) - NAMED} more")
    if it.healed or it.revised:
        words.append(f"{it.healed} healed ({_count(it.added, 'bar')} added, {it.revised} revised)")
    if it.waiting:
        words.append(f"{it.waiting} to be healed")
    if it.beyond:
        words.append(f"{it.beyond} beyond the feed's own history: `nightdesk backfill` fills them")
    if it.trouble:
        words.append(f"history cannot be had: {it.trouble}")
    status = WARNING if long or (it.trouble and it.waiting) else OK
    yield Reading("gaps", status, float(count), "count", "; ".join(words) + ".")


def _quarantine(facts: DataFacts) -> Iterator[Reading]:
    counts = facts.feed.quarantined
    total = sum(counts.values())
    by_reason = ", ".join(f"{code} {count:,}" for code, count in sorted(counts.items(), key=lambda one: -one[1]))
    sentence = f"Set aside since the start: {_count(total, 'market message')}{f' ({by_reason})' if by_reason else ''}."
    yield Reading("quarantine", OK, float(total), "count", sentence)


def _prints(facts: DataFacts) -> Iterator[Reading]:
    late, lost = facts.feed.late_prints, facts.feed.lost_prints
    if late or lost:
        sentence = (
            f"{_count(late, 'print')} came after the minute had closed, {lost} never came; history fills them in."
        )
        yield Reading("late prints", OK, float(late + lost), "count", sentence)


def _vouched(facts: DataFacts) -> Iterator[Reading]:
    if facts.feed.warning:
        yield Reading("lost trades", WARNING, None, "", facts.feed.warning)


def _wary(facts: DataFacts) -> Iterator[Reading]:
    wary = facts.feed.wary
    if wary:
        sentence = f"Minutes are doubtful, and nothing is entered on them: {_named(wary)}."
        yield Reading("doubtful minutes", WARNING, float(len(wary)), "count", sentence)


def _ticks(facts: DataFacts) -> Iterator[Reading]:
    it = facts.ticks
    if it is None:
        return
    words = [f"{_count(it.written, 'raw trade')} kept since the start"]
    if it.p99_ms is not None:
        words.append(f"99 of 100 on disk within {it.p99_ms:.0f} ms")
    if it.dropped:
        words.append(f"{it.dropped:,} not kept")
    if it.problem:
        words.append(it.problem)
    yield Reading("raw trades", WARNING if it.problem else OK, float(it.dropped), "count", "; ".join(words) + ".")


def _second_source(facts: DataFacts) -> Iterator[Reading]:
    it = facts.cross
    if it is None:
        if facts.live:
            sentence = "Prices are not compared: no second source is set (SECOND_SOURCE)."
            yield Reading("second source", OK, None, "", sentence)
        return
    standing = {symbol: count for symbol, count in it.strikes.items() if count >= STRIKES}
    silent = facts.now - (it.answered or facts.started or facts.now) > SOURCE_SILENT
    why = f" ({it.trouble})" if it.trouble else ""
    away = f"{it.source} does not answer{why}"
    if it.strikes:
        lapses = f" {away}: what it does not repeat for {LAPSES_MIN} min is doubted no longer."
        sentence = f"Nothing is entered in {_named(it.details)}.{lapses if it.trouble or silent else ''}"
    elif it.trouble or silent:
        sentence = f"{away}; prices are not compared, and nothing else changes."
    else:
        kin = "; it is the feed's own venue by another way" if _same_venue(facts.feed.name, it.source) else ""
        sentence = f"{it.source} agrees on {_count(it.compared, 'price')}{kin}."
    yield Reading("second source", WARNING if standing or silent else OK, float(len(it.strikes)), "count", sentence)


def _same_venue(feed: str, source: str) -> bool:
    """`kraken-rest` and `ccxt:kraken` are the venue of the feed `kraken`."""
    return feed in source.replace(":", "-").split("-")


def _tasks(facts: DataFacts) -> Iterator[Reading]:
    if facts.broken:
        sentence = f"Broke, and began again: {_named(facts.broken)}. See the error log."
        yield Reading("tasks", WARNING, float(len(facts.broken)), "count", sentence)


def _coins(facts: DataFacts) -> Iterator[Reading]:
    absent = facts.feed.refused_symbols
    if absent:
        sentence = f"Not traded: {_named(absent)}. `/desk universe` lists every coin."
        yield Reading("coins", OK, float(len(absent)), "count", sentence)


_CHECKS = (_gaps, _quarantine, _prints, _vouched, _wary, _second_source, _ticks, _coins, _tasks)


def _named(details: Mapping[str, str]) -> str:
    shown = [f"{symbol} ({words})" for symbol, words in sorted(details.items())]
    return ", ".join(shown[:NAMED]) + (f" and {len(shown) - NAMED} more" if len(shown) > NAMED else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
