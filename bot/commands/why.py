"""/why SYMBOL: the gate chain of the last decision, as clear about a no as about a yes."""

from __future__ import annotations

import asyncio

from bot.blocks import Rendered, assemble, section, stacked
from bot.cards import labelled
from bot.commands.asking import lines, symbol_of
from bot.front import Ask, Front
from bot.numbers import named
from engine.domain import GateStep, Symbol
from engine.forecasts import Explanation

PARTS = 6  # features that are named


async def why(front: Front, ask: Ask) -> Rendered:
    symbols = front.snapshot().symbols
    if not ask.text:
        return front.sentence("usage", command="/why", usage="SYMBOL, for example /why BTC", given="")
    symbol = symbol_of(ask.text, symbols)
    if symbol is None:
        return front.sentence("unknown_symbol", text=ask.text, symbols=list(symbols))
    return await explain(front, symbol)


async def explain(front: Front, symbol: Symbol) -> Rendered:
    """What the desk last decided about a symbol, gate by gate, and what weighed in the model's last forecast."""
    snapshot = front.snapshot()
    decision = snapshot.decisions.get(symbol)
    if decision is None:
        return front.sentence("no_decision", symbol=symbol)
    held = any(position.symbol == symbol for position in snapshot.positions)
    close = snapshot.closes.get(symbol)
    head = assemble(front.words.parts("why", {"decision": decision, "held": held, "close": close}))
    rows = [front.words.line("why", "row_step", step=step, numbers=_shown(step)) for step in decision.steps]
    chain = Rendered("\n".join(rows), [section(text) for text in lines(rows)])
    serving = front.desk.serving
    told = await asyncio.to_thread(serving.explain, symbol) if serving is not None else None
    if told is None:
        return labelled(stacked(head, chain), snapshot.label)
    text = front.words.line("why", "row_forecast", told=told, parts=told.parts[:PARTS], towards=_towards(told))
    return labelled(stacked(head, chain, Rendered(text, [section(part) for part in lines([text])])), snapshot.label)


def _towards(told: Explanation) -> str:
    """The class whose margin the contributions add up to: up of two, the likeliest of three."""
    classes = len(told.forecast.probabilities)
    return "up" if classes == 2 else ("down", "flat", "up")[told.forecast.guess]


def _shown(step: GateStep) -> list[tuple[str, str]]:
    """The numbers that the sentence has not said already: a limit's "no" names its own."""
    refused = step.passed is False and step.gate in ("data", "risk", "capital")
    return [] if refused else named(step.numbers)[:8]
