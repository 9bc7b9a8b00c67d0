"""The gate chain of every decision: what `/why` shows, for a trade as for no trade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from engine.domain import Decision, GateStep, Proposal, Refusal, Symbol
from engine.trader.memory import Memory

CAPITAL_CODES = frozenset(("NO_SIZE", "MIN_ORDER", "EXPOSURE", "STRATEGY_CAPITAL", "NO_CASH"))
DATA_CODES = frozenset(
    ("NO_PRICE", "DATA", "NOT_ENOUGH_GOOD_BARS", "FEED_DOWN", "NO_ANALYSIS", "DOUBTFUL", "BAD_BAR", "EXITS_ONLY")
)
COSTS = "COSTS"
GATES = ("data", "model", "threshold", "costs", "strategy", "risk", "capital", "consent")
_UNREACHED = {gate: GateStep(gate, None, "not reached") for gate in GATES}
_PASSED = {
    "risk": GateStep("risk", True, "every limit has room"),
    "capital": GateStep("capital", True, "sized and covered"),
}


def quiet(symbol: Symbol, at: datetime, steps: Sequence[GateStep]) -> Decision:
    """No signal: the analyst's steps, and nothing after them."""
    said = next((step.sentence for step in reversed(steps) if step.passed is False), "no signal")
    return Decision(symbol, at, _complete(steps), f"no trade: {said}")


def refused(symbol: Symbol, at: datetime, steps: Sequence[GateStep], no: Refusal) -> Decision:
    """A signal that was turned down; the gate that said no depends on the code."""
    gate = "capital" if no.code in CAPITAL_CODES else "data" if no.code in DATA_CODES else "risk"
    gate = "costs" if no.code == COSTS else gate
    own = [step for step in steps if step.gate != gate]
    if gate == "capital":
        own.append(_PASSED["risk"])
    own.append(GateStep(gate, False, no.sentence, dict(no.numbers)))
    return Decision(symbol, at, _complete(own), f"refused: {no.sentence}")


def proposed(symbol: Symbol, at: datetime, steps: Sequence[GateStep], proposal: Proposal, until: str) -> Decision:
    """A card went out (or changed) and waits; `until` when, in words."""
    numbers = {"quantity": proposal.quantity, "price": proposal.price, "worst_loss": proposal.worst_loss}
    risk = GateStep("risk", True, "every limit has room", {"exposure_after": proposal.exposure_after})
    capital = GateStep("capital", True, "sized and covered", numbers)
    asked = GateStep("consent", None, f"{proposal.id} waits for a person until {until}")
    return Decision(symbol, at, _complete([*steps, risk, capital, asked]), f"proposed as {proposal.id}")


def told(symbol: Symbol, at: datetime, steps: Sequence[GateStep], gate: str, passed: bool, words: str) -> Decision:
    """A decision that one gate tells: an exit, an observed signal, a digest line."""
    return Decision(symbol, at, _complete([*steps, GateStep(gate, passed, words)]), words)


def consent_given(desk: Memory, proposal: Proposal, passed: bool, words: str) -> None:
    """Write a person's answer into the symbol's chain."""
    decision = desk.decisions.get(proposal.symbol)
    if decision is None:
        return
    steps = [step for step in decision.steps if step.gate != "consent"]
    steps.append(GateStep("consent", passed, words))
    changed = replace(decision, steps=tuple(steps), verdict=f"{proposal.id} {words}")
    desk.decisions = {**desk.decisions, proposal.symbol: changed}


def _complete(steps: Sequence[GateStep]) -> tuple[GateStep, ...]:
    """All gates in order; those not reached say so, and that of the costs is there where somebody asks about them."""
    by_gate: Mapping[str, GateStep] = {step.gate: step for step in steps}
    return tuple(by_gate.get(gate, _UNREACHED[gate]) for gate in GATES if gate != "costs" or gate in by_gate)
