"""The champion's live record under watch: what is wrong too often, and not by chance, is no longer traded on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from engine.forecasting.live import LiveRecord, always, live_rate, live_record
from engine.forecasting.wording import percent, points
from engine.forecasts import Live
from engine.playbook.model_terms import ModelTerms
from engine.trader import models
from engine.trader.memory import Memory


def watch(desk: Memory, at: datetime) -> None:
    """Stop the champion whose settled forecasts are surely worse than the playbook bears."""
    terms = models.terms_of(desk)
    state = desk.models.get(terms.name) if terms is not None else None
    if terms is None or state is None or state.champion is None or state.stopped:
        return
    found = _fault(state.live.get(state.champion.version, ()), terms)
    if found is not None:
        words, numbers = found
        models.stop(desk, terms.name, at, f"{state.champion.version} {words}; it is not traded on", numbers)


def _fault(days: Sequence[Live], terms: ModelTerms) -> tuple[str, dict[str, float]] | None:
    """What is wrong with a live record, in words and numbers. The costly part is asked only where the plain figures
    are bad: this runs at every settled minute."""
    rate = live_rate(days)
    wrong = rate is not None and rate.value < terms.watch.stop_accuracy
    behind = _is_behind(days, terms.watch.stop_behind)
    record = live_record(days) if wrong or behind else None
    if record is None or record.effective_n < terms.watch.fewest_settled:
        return None
    if wrong and record.interval.high < terms.sure_below:
        return _wrong(record, terms)
    return _behind(record, terms) if behind else None


def _is_behind(days: Sequence[Live], most: float | None) -> bool:
    """Whether always saying the commonest class would have been right oftener, by more than `most`."""
    constant = always(days)
    if most is None or constant is None or not constant[1].n:
        return False
    pair = constant[1]
    return (pair.ours - pair.theirs) / pair.n < -most


def _wrong(record: LiveRecord, terms: ModelTerms) -> tuple[str, dict[str, float]]:
    rate, least = record.rate, terms.watch.stop_accuracy
    words = (
        f"was right {percent(rate.value)} of the time in {_worth(record)}, below {percent(least, 0)}, and is surely "
        f"below the {percent(terms.sure_below, 0)} that is asked of it (95 %: at most {percent(record.interval.high)})"
    )
    return words, _numbers(record) | {"accuracy": rate.value, "limit": least}


def _behind(record: LiveRecord, terms: ModelTerms) -> tuple[str, dict[str, float]] | None:
    lead, most = record.beside[0], terms.watch.stop_behind or 0.0
    if lead.interval.high >= 0:
        return None
    words = (
        f"is {points(lead.value)} points from {lead.name} ({percent(lead.accuracy)}) in {_worth(record)}, more than "
        f"{points(most).lstrip('+')} behind (95 %: at most {points(lead.interval.high)})"
    )
    return words, _numbers(record) | {"lead": lead.value, "limit": -most}


def _worth(record: LiveRecord) -> str:
    return f"{record.rate.n:,} settled forecasts, worth {record.effective_n:,.0f} independent cases"


def _numbers(record: LiveRecord) -> dict[str, float]:
    return {"settled": float(record.rate.n), "worth": record.effective_n}
