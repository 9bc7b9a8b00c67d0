"""/performance: a window's figures at once as words; the equity chart follows."""

from __future__ import annotations

import asyncio
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.blocks import Rendered
from bot.commands.asking import near, symbol_of
from bot.files import send_chart
from bot.front import Answer, Ask, Front
from engine import performance as figures
from engine.domain import EquityPoint
from engine.snapshot import Snapshot

WINDOWS = ("today", "7d", "30d", "all")
USAGE = "[today|7d|30d|all] [strategy or symbol]"


async def performance(front: Front, ask: Ask) -> Rendered | Answer:
    """P&L after costs and what stands behind it, over a window, for all or for one strategy or symbol."""
    snapshot = front.snapshot()
    window, about = _parsed(ask.words)
    only = _only(about, snapshot) if about else ""
    if only is None:
        meant = near(about, [*WINDOWS, *snapshot.tiers, *(symbol.lower() for symbol in snapshot.symbols)])
        return front.sentence("usage", command="/performance", usage=USAGE, given=ask.text, meant=meant)
    start = window_start(window, snapshot, front.words.zone)
    measured = await asyncio.to_thread(_measure, snapshot, start, only)
    words = front.say(
        "performance",
        window=window,
        only=only,
        measured=measured,
        total=measured.total,
        start=start,
        younger=window != "all" and start == born(snapshot),
        since_rules=_measure(snapshot, snapshot.rules_since, only) if snapshot.rules_since else None,
    )
    points = [point for point in snapshot.equity_curve if point.at >= start]
    if only or len(points) < 2:
        return words

    async def chart() -> None:
        await send_chart(front, ask, points, f"Equity, {window}")

    return Answer(words, then=chart)


def _parsed(given: list[str]) -> tuple[str, str]:
    """The window (7d unless named) and what is left."""
    windows = [word.lower() for word in given if word.lower() in WINDOWS]
    rest = [word for word in given if word.lower() not in WINDOWS]
    return (windows[0] if windows else "7d"), " ".join(rest)


def _only(about: str, snapshot: Snapshot) -> str | None:
    """The strategy or symbol that was named; None when it is neither."""
    strategies = {*snapshot.tiers, *(trade.strategy for trade in snapshot.trades)}
    known = {name.lower(): name for name in strategies}
    return known.get(about.lower()) or symbol_of(about, snapshot.symbols)


def window_start(window: str, snapshot: Snapshot, zone: ZoneInfo) -> datetime:
    """When a window begins: local midnight, so many days before now, never before the desk itself."""
    if window == "all":
        return born(snapshot)
    local = snapshot.at.astimezone(zone)
    midnight = datetime.combine(local.date(), time(), zone).astimezone(snapshot.at.tzinfo)
    asked = midnight if window == "today" else snapshot.at - timedelta(days=int(window.removesuffix("d")))
    return max(asked, born(snapshot))


def born(snapshot: Snapshot) -> datetime:
    """When the desk's first minute, trade or start was."""
    first: list[datetime] = [point.at for point in snapshot.equity_curve[:1]]
    return min([*first, *(trade.entry_time for trade in snapshot.trades[:1]), snapshot.started])


def _measure(snapshot: Snapshot, start: datetime, only: str) -> figures.Performance:
    """The engine's figures; a strategy or symbol alone has no equity of its own."""
    if not only:
        held = [position.entry_time for position in snapshot.positions]
        curve, benchmark = list(snapshot.equity_curve), list(snapshot.benchmark)
        return figures.measure(list(snapshot.trades), curve, start, snapshot.at, benchmark, held)
    chosen = [trade for trade in snapshot.trades if only in (trade.strategy, trade.symbol)]
    held = [item.entry_time for item in snapshot.positions if only in (item.strategy, item.symbol)]
    nothing: list[EquityPoint] = []
    return figures.measure(chosen, nothing, start, snapshot.at, nothing, held)
