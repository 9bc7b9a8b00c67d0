"""The spread as a cost of an entry: what a forecast promises must be worth fees, slippage and the live spread together.

The analyst subtracts fee and slippage, which are the playbook's; it sees bars and knows no quote. The quotes are
stamped on its answer, and on a press, as they enter the inbox, and the spread is subtracted here. It counts whole, half
on the way in and half on the way out, on top of the slippage: a fill takes the ask and the bid, and slippage is charged
beside it. A backtest, or a source without quotes, knows no spread: there the slippage alone stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from engine.domain import GateStep, Quote, Signal, Symbol
from engine.trader.memory import Memory


def quote_of(quotes: Iterable[Quote], symbol: Symbol) -> Quote | None:
    return next((quote for quote in quotes if quote.symbol == symbol), None)


def spread_of(quote: Quote | None, at: datetime, oldest: timedelta) -> float | None:
    """Ask less bid as a share of their middle; None without a quote, or with one older than `oldest`."""
    if quote is None or at - quote.at > oldest:
        return None
    return (quote.ask - quote.bid) / quote.mid


def priced(desk: Memory, signal: Signal, quote: Quote | None, at: datetime) -> tuple[Signal, GateStep | None]:
    """The wish with the spread taken off its value, and the gate that says whether it is still worth its costs.

    No gate where nobody asks: no forecast is behind it, or the playbook's `cost_filter` is off.
    """
    use = next((one for one in desk.plan.playbook.strategies if one.name == signal.strategy), None)
    if signal.expected_value is None or use is None or not use.cost_filter:
        return signal, None
    value, costs = signal.expected_value + signal.numbers.get("spread", 0.0), desk.plan.playbook.round_trip(use)
    numbers = {"expected": value + costs, "costs": costs}
    both = f"the {costs:.2%} of fee and slippage that entering and leaving cost"
    spread = spread_of(quote, at, desk.plan.quote_age)
    if spread is None:
        words = (
            f"An expected {value + costs:+.2%} exceeds {both}; no fresh quote is known, so the spread is not counted."
        )
        return signal, GateStep("costs", True, words, numbers)
    passed = value > spread
    word = "exceeds" if passed else "does not cover"
    words = f"An expected {value + costs:+.2%} {word} {both} and the spread of {spread:.3%}."
    reason = f"{signal.reason}; the spread takes {spread:.3%} of it" if signal.reason else ""
    known = {**signal.numbers, "spread": spread}
    told = replace(signal, expected_value=value - spread, reason=reason, numbers=known)
    return told, GateStep("costs", passed, words, {**numbers, "spread": spread})
