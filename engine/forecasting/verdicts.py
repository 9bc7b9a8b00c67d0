"""The gate's judgement: from findings to steps, from steps to a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.forecasting.baselines import Beside
from engine.forecasting.canaries import KINDS, faithful
from engine.forecasting.gate import Findings, Gate, GateTerms, Part, Step, Verdict
from engine.forecasting.intervals import Estimate
from engine.forecasting.judgement import Judgement
from engine.forecasting.promotion import promotion_steps
from engine.forecasting.wording import percent, points

COIN_BRIER = 0.25
BASELINES = ("always", "persistence", "reversal", "logistic")


def decide(findings: Findings, terms: GateTerms | None = None) -> Gate:
    """Judge the findings. Pure: the same findings and terms give the same gate."""
    terms = terms or GateTerms()
    defects, evidence = defect_steps(findings, terms), evidence_steps(findings.judgement, terms)
    steps = (*defects, *evidence, *promotion_steps(findings, terms))
    verdict, meaning = _verdict(findings, steps, terms)
    promotable = verdict is Verdict.EDGE and all(step.passed for step in steps)
    by_rule = promotable and not _alarming(findings.judgement, terms)
    return Gate(verdict, f"{_seen(findings.judgement)} {meaning}", steps, promotable, by_rule)


def _suspect(judgement: Judgement) -> tuple[Estimate | None, float]:
    """What the alarm looks at, and its chance: accuracy over all bars, or the direction of those that moved."""
    if judgement.classes == 2:
        return judgement.accuracy, judgement.base_rate
    return judgement.direction_given_move, 0.5


def _alarming(judgement: Judgement, terms: GateTerms) -> bool:
    """Above what is believable, and more than the luck of a few rows."""
    found, chance = _suspect(judgement)
    return found is not None and found.value > terms.alarm_accuracy and found.interval.low > chance


def defect_steps(findings: Findings, terms: GateTerms) -> tuple[Step, ...]:
    """Leaks and stops. A test that was not run is no defect, but without it nothing is promoted."""
    steps = [_causal(findings), *_canaries(findings, terms)]
    steps.append(_alarm(findings.judgement, terms, cleared=all(step.passed for step in steps)))
    if findings.live_stop:
        steps.append(Step("LIVE_STOP", Part.DEFECT, False, findings.live_stop))
    return tuple(steps)


def _causal(findings: Findings) -> Step:
    if findings.causality is None:
        return Step("CAUSALITY", Part.PROMOTION, False, "The features have not been tested for causality.")
    leaking = findings.causality.leaking
    if not leaking:
        return Step("CAUSALITY", Part.DEFECT, True, "No feature changes when the future does.", 0.0, 0.0)
    names = ", ".join(leaking[:5]) + (f" and {len(leaking) - 5} more" if len(leaking) > 5 else "")
    return Step("CAUSALITY", Part.DEFECT, False, f"Features see the future: {names}.", float(len(leaking)), 0.0)


def _canaries(findings: Findings, terms: GateTerms) -> Iterator[Step]:
    judgement = findings.judgement
    found = {canary.kind: canary for canary in findings.canaries}
    for kind in KINDS:
        code = f"CANARY_{kind.upper()}"
        if canary := found.get(kind):
            passed, sentence = faithful(canary, judgement.accuracy, judgement.base_rate, terms.alarm_accuracy)
            yield Step(code, Part.DEFECT, passed, sentence, canary.accuracy.value, judgement.base_rate)
        elif kind in terms.needed_canaries:
            yield Step(code, Part.PROMOTION, False, f"The {kind} canary has not been run.")


def _alarm(judgement: Judgement, terms: GateTerms, cleared: bool) -> Step:
    """Too good to be true is a defect until the causality test and every canary have cleared it."""
    found, limit = _suspect(judgement)[0], terms.alarm_accuracy
    value = found.value if found else None
    if value is None or not _alarming(judgement, terms):
        return Step(
            "ALARM", Part.DEFECT, True, f"Not surely too good: the alarm is at {percent(limit, 0)}.", value, limit
        )
    said = f"{percent(value)} is above {percent(limit, 0)}, which no honest model of a real market keeps up"
    then = "no leak was found, so a person may promote it, a rule may not" if cleared else "look for the leak first"
    return Step("ALARM", Part.DEFECT, cleared, f"{said}: {then}.", value, limit)


def evidence_steps(judgement: Judgement, terms: GateTerms) -> tuple[Step, ...]:
    """Enough cases, ahead of every baseline with 95 % certainty, and probabilities better than none."""
    worth, needed = judgement.effective_n, terms.fewest_cases
    enough = f"{judgement.rows:,} rows are worth {worth:,.0f} independent cases; {needed:,} are needed."
    return (
        Step("CASES", Part.EVIDENCE, worth >= needed, enough, worth, float(needed)),
        *(_beats(name, judgement.against(name)) for name in BASELINES),
        _calibrated(judgement),
    )


def _beats(name: str, beside: Beside | None) -> Step:
    code = f"BEATS_{name.upper()}"
    if beside is None:
        return Step(code, Part.EVIDENCE, False, f"It has not been compared with {name}.")
    low, high = beside.ahead.interval.low, beside.ahead.interval.high
    lead = f"{points(beside.ahead.value)} points, 95 %: {points(low)} to {points(high)}"
    if low > 0:
        sentence = f"Ahead of {beside.name} ({percent(beside.accuracy.value)}) by {lead}."
    else:
        sentence = f"Not surely ahead of {beside.name} ({percent(beside.accuracy.value)}): {lead}."
    return Step(code, Part.EVIDENCE, low > 0, sentence, low, 0.0)


def _calibrated(judgement: Judgement) -> Step:
    two = judgement.classes == 2
    limit, what = (COIN_BRIER, "a coin's") if two else (judgement.base_brier, "that of always giving the base rates")
    passed = judgement.brier < limit
    sentence = f"Brier score {judgement.brier:.4f}, {'below' if passed else 'not below'} {what} {limit:.4f}."
    return Step("CALIBRATED", Part.EVIDENCE, passed, sentence, judgement.brier, limit)


def _verdict(findings: Findings, steps: Sequence[Step], terms: GateTerms) -> tuple[Verdict, str]:
    failed = [step for step in steps if not step.passed]
    if broken := [step for step in failed if step.part is Part.DEFECT]:
        return Verdict.STOPPED, broken[0].sentence
    losing = _loses(findings)
    if not [step for step in failed if step.part is Part.EVIDENCE]:
        if losing:
            return Verdict.NO_EDGE, "That is more than chance, but costs take more than it brings."
        if small := _surely_small(findings, terms):
            return Verdict.NO_EDGE, f"That is more than chance. {small}"
        return Verdict.EDGE, "That beats chance and every baseline."
    if findings.judgement.effective_n >= terms.fewest_cases and (worthless := _not_worth_having(findings, terms)):
        return Verdict.NO_EDGE, worthless
    if losing:
        return Verdict.NO_EDGE, "And it loses money after costs."
    return Verdict.NOT_PROVEN, next(step.sentence for step in failed if step.part is Part.EVIDENCE)


def _not_worth_having(findings: Findings, terms: GateTerms) -> str:
    """Why there is surely no edge to speak of, "" where there may be one.

    An edge is a lead over every baseline: surely too small a lead over one of them is enough. Where the test is too
    short to be sure, the model may say it of itself: its calibrated confidences promise too small a lead even if they
    are true, and not one forecast of the test was worth an entry.
    """
    if small := _surely_small(findings, terms):
        return small
    promised = _promised(findings.judgement)
    if promised is None or promised >= terms.worth_having or findings.money is None or findings.money.trades:
        return ""
    return (
        f"It does not claim more: by its own confidences it leads by {points(promised)} points, and nothing was worth "
        "an entry."
    )


def _surely_small(findings: Findings, terms: GateTerms) -> str:
    """That the lead over one baseline is surely not worth having; "" where it may be."""
    lowest = min(findings.judgement.beside, key=lambda one: one.ahead.interval.high)
    if lowest.ahead.interval.high >= terms.worth_having:
        return ""
    most = points(lowest.ahead.interval.high).lstrip("+")
    return f"At best it is {most} points ahead of {lowest.name}: not worth having."


def _promised(judgement: Judgement) -> float | None:
    """How much more often than the commonest class of the training a model with these confidences would be right."""
    if judgement.training is None:
        return None
    sure = sum(part.n * part.confidence for part in judgement.reliability) / judgement.rows
    return sure - max(judgement.training.shares)


def _loses(findings: Findings) -> bool:
    mean = findings.money.mean_return if findings.money else None
    return mean is not None and mean.interval.high < 0


def _seen(judgement: Judgement) -> str:
    accuracy = judgement.accuracy
    between = f"95 %: {percent(accuracy.interval.low)} to {percent(accuracy.interval.high)}"
    return f"Right {percent(accuracy.value)} of the time ({between}) in {judgement.rows:,} forecasts."
