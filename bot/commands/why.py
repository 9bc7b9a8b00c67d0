"""/why SYMBOL: the gate chain of the last decision, as clear about a no as about a yes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from bot.blocks import Rendered, assemble, section, stacked
from bot.cards import labelled
from bot.commands.asking import lines, symbol_of
from bot.front import Ask, Front
from bot.numbers import named
from engine.domain import Decision, GateStep, Symbol
from engine.forecasts import Explanation, Part

PARTS = 6  # features that are named
WORDS = {2: ("down", "up"), 3: ("down", "flat", "up")}


async def why(front: Front, ask: Ask) -> Rendered:
    symbols = front.snapshot().symbols
    if not ask.text:
        return front.sentence("usage", command="/why", usage="SYMBOL, for example /why BTC", given="")
    symbol = symbol_of(ask.text, symbols)
    if symbol is None:
        return front.sentence("unknown_symbol", text=ask.text, symbols=list(symbols))
    return await explain(front, symbol)


async def explain(front: Front, symbol: Symbol) -> Rendered:
    """What the desk last decided about a symbol, gate by gate, with what weighed in it; then, apart, the last minute
    where it is a later one. Each stands under its own time."""
    snapshot = front.snapshot()
    decision = snapshot.decisions.get(symbol)
    if decision is None:
        return front.sentence("no_decision", symbol=symbol)
    held = any(position.symbol == symbol for position in snapshot.positions)
    close = snapshot.closes.get(symbol)
    head = assemble(front.words.parts("why", {"decision": decision, "held": held, "close": close}))
    rows = [front.words.line("why", "row_step", step=step, numbers=_shown(step)) for step in decision.steps]
    serving = front.desk.serving
    latest = await asyncio.to_thread(serving.explain, symbol) if serving is not None else None
    after = [_latest(front, latest)] if latest is not None else []
    if latest is not None and latest.forecast.at == decision.at:
        rows, after = rows + after, []
    elif decision.weighed:
        parts = [Part(*one, serving.words_of(*one[:2]) if serving else "") for one in decision.weighed]
        rows.append(_weighed(front, decision.at, parts, chances(decision), None))
    now = snapshot.since.get(symbol)
    if now is not None:
        after.insert(0, front.words.line("why", "row_now", now=now, said=chances(now)))
    return labelled(stacked(head, _gathered(rows), _gathered(after)), snapshot.label)


def _gathered(rows: Sequence[str]) -> Rendered:
    return Rendered("\n".join(rows), [section(text) for text in lines(rows)])


def chances(decision: Decision) -> list[tuple[str, float]]:
    """The classes of the forecast that a decision was made on, with their probabilities; empty without one."""
    model = next((step for step in decision.steps if step.gate == "model"), None)
    numbers = model.numbers if model is not None else {}
    return [(word, numbers[f"p_{word}"]) for word in WORDS[3] if f"p_{word}" in numbers]


def _latest(front: Front, latest: Explanation) -> str:
    """What weighed in the champion's last forecast."""
    told = latest.forecast
    said = [*zip(WORDS[len(told.probabilities)], told.probabilities, strict=True)]
    return _weighed(front, told.at, latest.parts[:PARTS], said, latest.bias)


def _weighed(
    front: Front, at: datetime, parts: Sequence[Part], said: list[tuple[str, float]], bias: float | None
) -> str:
    """What weighed in one forecast, towards the class whose margin the contributions add up to: up of two, the
    likeliest of three."""
    towards = "up" if len(said) != len(WORDS[3]) else max(said, key=lambda one: one[1])[0]
    return front.words.line("why", "row_forecast", at=at, bias=bias, parts=parts, towards=towards)


def _shown(step: GateStep) -> list[tuple[str, str]]:
    """The numbers that the sentence has not said already: a limit's "no" names its own."""
    refused = step.passed is False and step.gate in ("data", "risk", "capital")
    return [] if refused else named(step.numbers)[:8]
