"""/health and /report: how the desk is, and what the day came to so far."""

from __future__ import annotations

import asyncio

from bot.blocks import Rendered, assemble, section, stacked
from bot.cards import labelled
from bot.commands.asking import lines, near
from bot.files import send_drawing
from bot.front import Answer, Ask, Front

REPORTS = {"": "daily", "daily": "daily", "weekly": "weekly"}


async def health(front: Front, ask: Ask) -> Rendered:
    """Every reading of the health check, the worst first."""
    readings = front.desk.health()
    order = {"critical": 0, "warning": 1, "ok": 2}
    ranked = sorted(readings, key=lambda item: order[item.status])
    bad = [item for item in ranked if item.status != "ok"]
    head = assemble(front.words.parts("health", {"bad": bad, "count": len(ranked), "alarms": front.snapshot().alarms}))
    rows = [front.words.line("health_rows", "line", item=item) for item in ranked]
    listed = Rendered("\n".join(rows), [section(text) for text in lines(rows)])
    return labelled(stacked(head, listed), front.snapshot().label)


async def report(front: Front, ask: Ask) -> Rendered | Answer:
    """That report now, for the one who asks; its chart follows."""
    name = REPORTS.get(ask.text.lower())
    if name is None:
        meant = near(ask.text, filter(None, REPORTS))
        return front.sentence("usage", command="/report", usage="[daily|weekly]", given=ask.text, meant=meant)
    if front.reports is None:
        return front.sentence("no_report")
    made = await asyncio.to_thread(front.reports.now, name)

    async def chart() -> None:
        if made.drawing.equity:
            await send_drawing(front, ask, made.drawing, made.alt)

    return Answer(made.words, then=chart)
