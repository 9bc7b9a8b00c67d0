"""What a live record proves: the kind of rule that judges a test (`verdicts`), on what came true since."""

from __future__ import annotations

from engine.forecasting.gate import GateTerms, Verdict
from engine.forecasting.live import RULES, LiveLead, LiveRecord
from engine.forecasting.wording import percent, points


def live_verdict(record: LiveRecord | None, promised: float, fewest: int) -> tuple[Verdict, str]:
    """The verdict and why. `promised`: the lower end of the accuracy in the test; `fewest`: independent cases without
    which nothing is an edge."""
    if record is None:
        return Verdict.NOT_PROVEN, "no forecast has been settled yet"
    best = record.best
    if (losing := _losing(record, promised)) is not None:
        return Verdict.NO_EDGE, losing
    if record.effective_n < fewest:
        cases = f"{record.effective_n:.0f} independent case{'' if round(record.effective_n) == 1 else 's'}"
        return Verdict.NOT_PROVEN, f"{cases} so far; {fewest} are the fewest that prove anything"
    if best is None or len(record.beside) <= len(RULES):
        return Verdict.NOT_PROVEN, "it is not known what simple rules would have hit"
    unsure = [one for one in record.beside if one.interval.low <= 0]
    if not unsure:
        least = min(one.interval.low for one in record.beside)
        ahead = f"ahead of every simple rule, by at least {points(least).lstrip('+')} points"
        return Verdict.EDGE, f"live it is surely {ahead}; the best of them is {best.name} ({percent(best.accuracy)})"
    return Verdict.NOT_PROVEN, f"live it is not surely ahead of {_told(max(unsure, key=lambda one: one.accuracy))}"


def _losing(record: LiveRecord, promised: float) -> str | None:
    """Why it has no edge: surely below its promise, surely behind a rule, or surely not worth having."""
    terms, best = GateTerms(), record.best
    behind = [one for one in record.beside if one.interval.high < 0]
    if behind:
        return f"live it is surely behind {_told(max(behind, key=lambda one: one.accuracy))}"
    if record.interval.high < promised:
        return f"live it is surely below the {percent(promised)} that its test promised at least"
    if best is not None and record.effective_n >= terms.fewest_cases and best.interval.high < terms.worth_having:
        most = points(best.interval.high).lstrip("+")
        return f"at best it is {most} points ahead of {best.name} ({percent(best.accuracy)}): not worth having"
    return None


def _told(one: LiveLead) -> str:
    low, high = points(one.interval.low), points(one.interval.high)
    return f"{one.name} ({percent(one.accuracy)}): {points(one.value)} points, 95 %: {low} to {high}"
