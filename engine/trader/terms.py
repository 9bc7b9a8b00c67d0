"""The numbers of a playbook that are no limits with a use, in words: how cards, rests, stops and targets work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from engine.domain import LimitUse
from engine.playbook import Playbook
from engine.playbook.model_terms import ModelTerms
from engine.playbook.parts import Distance, Exits, StrategyUse
from engine.trader.memory import Memory

_HOUR = timedelta(hours=1)
_OR_A_TENTH = "or a tenth of the way to its stop, whichever is more"


def terms_of(playbook: Playbook, stretch: float = 1.0) -> tuple[tuple[str, str], ...]:
    """(name, value in words) of everything that binds the desk beside its limits, at `stretch` times life's speed."""
    card = playbook.proposal
    fast = stretch > 1  # then drift grows with the root of the speed, and lives with the speed
    wider = f"; both × √{stretch:g}, the market being so fast" if fast else ""
    longer = f" on your clock, {_span(card.max_life * stretch)} of desk time" if fast else ""
    rows = [
        ("price drift", f"at most {_share(card.max_drift)} from the card, {_OR_A_TENTH}{wider}"),
        ("life of a card", f"at most {_span(card.max_life)}{longer}"),
        ("rest after a rejection or an expiry", f"{_span(card.rest_after_rejection)} for that coin"),
        ("good minutes after a hole", str(playbook.quality.good_minutes)),
    ]
    if playbook.limits.cool_down is not None:
        rows.append(("rest after a trade", f"{_span(playbook.limits.cool_down)} for that coin"))
    if playbook.limits.losses_pause is not None:
        rows.append(("pause after losses in a row", _span(playbook.limits.losses_pause)))
    rows.extend(_errors(playbook))
    if playbook.limits.timeout is not None:
        rows.append(("longest life of a position", _span(playbook.limits.timeout)))
    if playbook.model is not None:
        rows.extend((f"model: {name}", words) for name, words in _model(playbook.model))
    for use in playbook.strategies:
        rows.extend((f"{name} ({use.name})", words) for name, words in _entries(playbook, use))
        rows.extend((f"{name} ({use.name})", words) for name, words in _exits(use.exits))
    return tuple(rows)


def own_limits(desk: Memory) -> tuple[LimitUse, ...]:
    """The limits that the desk keeps itself, and the core's limit per coin, with their use."""
    limits, hour = desk.plan.playbook.limits, desk.now - _HOUR
    waiting = [(card.proposal.strategy, card.proposal.symbol) for card in desk.cards.values()]
    busiest = max(Counter(symbol for _, symbol in {*desk.stories, *waiting}).values(), default=0)
    asked = sum(at > hour for at in desk.asked)
    most = desk.plan.playbook.proposal.max_cards_per_hour
    rows = []
    if limits.max_per_symbol is not None:
        words = "positions and entries under way in the busiest coin"
        rows.append(LimitUse("positions per coin", float(limits.max_per_symbol), float(busiest), "count", words))
    rows.append(LimitUse("cards an hour", float(most), float(asked), "count", "cards of the last hour"))
    if (errors := desk.plan.playbook.errors.in_a_row) is not None:
        worst = float(max(desk.failures.values(), default=0))
        words = "failed orders, or minutes without an analysis"
        rows.append(LimitUse("errors in a row", float(errors), worst, "count", words))
    return tuple(rows)


def _model(model: ModelTerms) -> Iterator[tuple[str, str]]:
    label, gate, watch, again = model.label, model.acceptance, model.watch, model.retrain
    what = "up or down" if label.band is None else f"up, down or flat (±{_share(label.band)})"
    yield "forecast", f"{what} in {_span(label.horizon)}, every {_span(model.predict_every)}, from {model.features}"
    day = "on Sundays" if again.day == "sunday" else "every day"
    zone = "UTC" if again.zone == "utc" else "of the desk's clock"
    yield "training", f"{day} at {again.at} {zone}, on {model.history.days} days"
    accuracy = "" if gate.least_accuracy is None else f"right at least {_share(gate.least_accuracy)} of the time, "
    yield "may trade", f"{accuracy}at least {gate.fewest_trades} trades on the test, promoted by {model.promotion}"
    alert, stop = _share(watch.alert_accuracy), _share(watch.stop_accuracy)
    yield "live accuracy", f"alert below {alert}, no entries below {stop}, from {watch.fewest_settled} forecasts on"
    yield "expires", f"after {model.expires_after.days} days"


def _errors(playbook: Playbook) -> Iterator[tuple[str, str]]:
    if playbook.errors.critical == "stop":
        yield "critical alarm", "no entries until a person resumes"
    if playbook.errors.in_a_row is not None:
        then = " and close every position" if playbook.errors.then == "close" else ""
        yield "errors in a row", f"{playbook.errors.in_a_row} halt the desk{then}"


def _entries(playbook: Playbook, use: StrategyUse) -> Iterator[tuple[str, str]]:
    if use.min_confidence is not None:
        yield "least confidence", _share(use.min_confidence)
    if use.cost_filter:
        costs = _share(playbook.round_trip(use))
        yield "expected move", f"more than {costs}, what entering and leaving costs, and the live spread"
    if use.sides != ("long",):
        yield "sides", " and ".join(use.sides)


def _exits(exits: Exits) -> Iterator[tuple[str, str]]:
    yield "stop", _away(exits.stop, "against the entry") if exits.stop else "none"
    yield "target", _away(exits.target, "beyond the entry") if exits.target else "none"
    if exits.trailing is not None:
        armed = exits.trailing.arm_at
        yield "trailing stop", f"{_share(exits.trailing.percent)}" + (f", armed at {_share(armed)}" if armed else "")
    if exits.max_hold is not None:
        yield "time limit", _span(exits.max_hold)
    if exits.max_bars is not None:
        yield "time limit", f"{exits.max_bars:,} bars"


def _away(distance: Distance, where: str) -> str:
    if distance.percent is not None:
        return f"{_share(distance.percent)} {where}"
    if distance.atr is not None:
        return f"{distance.atr:g} × ATR({distance.bars}) {where}"
    return f"{distance.volatility:g} × the volatility of the hold (over {distance.bars} bars) {where}"


def _share(fraction: float) -> str:
    return f"{round(fraction * 100, 4):g} %"


def _span(span: timedelta) -> str:
    minutes = span.total_seconds() / 60
    return f"{minutes / 60:g} h" if minutes >= 60 and minutes % 60 == 0 else f"{minutes:g} min"
