"""The steps that a model with an edge still has to take before it may trade: the playbook's numbers, after costs."""

from __future__ import annotations

from collections.abc import Iterator

from engine.forecasting.gate import Findings, GateTerms, Part, Step
from engine.forecasting.judgement import Judgement
from engine.forecasting.money import Fees
from engine.forecasting.skill import FEWEST_DAYS, Skill
from engine.forecasting.wording import percent, span


def promotion_steps(findings: Findings, terms: GateTerms) -> tuple[Step, ...]:
    """Age of the test, accuracy, trades, profit, deflated Sharpe ratio, overfitting, and the gap to training."""
    steps = [*_fresh(findings, terms), *_forecasts(findings.judgement, terms), *_trading(findings, terms)]
    return (*steps, *_luck(findings.skill, terms))


def _step(code: str, passed: bool, sentence: str, value: float | None = None, limit: float | None = None) -> Step:
    return Step(code, Part.PROMOTION, passed, sentence, value, limit)


def _fresh(findings: Findings, terms: GateTerms) -> Iterator[Step]:
    """What was true of old bars is not known to be true now."""
    if findings.age is None:
        return
    passed, day = findings.age <= terms.oldest, 86_400.0
    told = f"The test ended {span(findings.age)} before the training"
    said = f"{told}." if passed else f"{told}, longer ago than the {span(terms.oldest)} after which a model expires."
    yield _step("FRESH", passed, said, findings.age.total_seconds() / day, terms.oldest.total_seconds() / day)


def _forecasts(judgement: Judgement, terms: GateTerms) -> Iterator[Step]:
    value, least = judgement.accuracy.value, terms.least_accuracy
    if least is not None:
        word = "at least" if value >= least else "below"
        yield _step(
            "ACCURACY",
            value >= least,
            f"Accuracy {percent(value)}, {word} the {percent(least, 0)} asked for.",
            value,
            least,
        )
    if judgement.training is None or judgement.gap is None:
        yield _step("GAP", False, "The accuracy on the training rows is not known, so neither is the gap to it.")
    else:
        fitted = percent(judgement.training.accuracy)
        seen = f"On its training rows it is right {fitted} of the time, on the test {percent(value)}."
        yield _step("GAP", True, seen, judgement.gap)


def _trading(findings: Findings, terms: GateTerms) -> Iterator[Step]:
    money, needed = findings.money, terms.fewest_trades
    if money is None:
        yield _step("TRADES", False, "Nothing was traded, so nothing is known of its profit.", 0.0, float(needed))
        return
    enough = f"{money.trades:,} trades in the test; {needed:,} are needed."
    yield _step("TRADES", money.trades >= needed, enough, float(money.trades), float(needed))
    made, held = (percent(one, signed=True) for one in (money.equity_return, money.hold_return))
    said = f"{made} after costs of {money.costs:,.2f}{_at(findings.fees)}, buy and hold {held}."
    yield _step("AFTER_COSTS", money.pnl > 0, said, money.pnl, 0.0)


def _at(fees: Fees | None) -> str:
    """At which fees that was, which of them the gate demands, and what the others would have left."""
    if fees is None:
        return ""
    if not fees.differ:
        return f" at the venue's fees ({percent(fees.venue, 2)} a side)"
    left = f"{percent(fees.equity_return, signed=True)} in {fees.trades:,} trades"
    own, venue = percent(fees.own, 2), percent(fees.venue, 2)
    return f" at the playbook's {own} a side, which is what must pay (at the venue's fees of {venue}: {left})"


def _luck(skill: Skill | None, terms: GateTerms) -> Iterator[Step]:
    least, most = terms.least_deflated_sharpe, terms.most_overfitting
    if least is not None:
        yield _deflated(skill, least)
    if most is not None:
        yield _chosen(skill, most)


def _chosen(skill: Skill | None, most: float) -> Step:
    """Where nothing was chosen there is nothing to overfit; what was chosen and cannot be measured does not pass."""
    if skill is None:
        return _step("OVERFITTING", True, "Nothing was traded, so nothing was chosen by what it earned.", None, most)
    if skill.overfitting is not None:
        value = skill.overfitting
        said = f"The trial that looked best was in the worse half afterwards {percent(value, 0)} of the time."
        return _step("OVERFITTING", value <= most, said, value, most)
    if skill.unmeasured is None:
        alone = (
            "The only trial"
            if skill.trials == 1
            else f"None of the {skill.trials:,} trials has other numbers and days in common with it"
        )
        return _step("OVERFITTING", True, f"{alone}: nothing was chosen by what it earned.", None, most)
    days = (
        f"{skill.unmeasured} common day{'' if skill.unmeasured == 1 else 's'}" if skill.unmeasured else "no common days"
    )
    said = f"Overfitting is not measured: {skill.trials:,} trials, {days}; {FEWEST_DAYS} are needed."
    return _step("OVERFITTING", False, said, None, most)


def _deflated(skill: Skill | None, least: float) -> Step:
    if skill is None or skill.deflated is None or skill.sharpe is None:
        return _step(
            "DEFLATED_SHARPE", False, "The trading has no variation to measure a Sharpe ratio by.", None, least
        )
    luck = f"{skill.threshold:.2f} would be luck among {skill.trials:,} trial{'' if skill.trials == 1 else 's'}"
    said = (
        f"Sharpe ratio {skill.sharpe:.2f} a year after costs; {luck}. Skill with {percent(skill.deflated)} probability."
    )
    return _step("DEFLATED_SHARPE", skill.deflated >= least, said.replace("-", "−"), skill.deflated, least)
