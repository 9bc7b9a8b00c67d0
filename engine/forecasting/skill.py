"""Is the money more than luck? Sharpe ratio after costs, deflated by the number of trials that led to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import variance

import numpy as np

from engine.forecasting.cases import Column
from engine.forecasting.money import Money
from engine.forecasting.trials import deflated_sharpe, expected_maximum, overfitting

YEAR = math.sqrt(365.0)
"""Crypto trades every day: a daily Sharpe ratio times this is an annual one."""
FEWEST_CUTS = 4
FEWEST_DAYS = 2 * FEWEST_CUTS
"""Days that trials must share before it can be measured how much was chosen among them."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Trials that one could have been chosen among: their daily `returns` [day, trial] over the days all of them share.

    Without a shared day the array is [0, trial].
    """

    returns: Column

    @property
    def different(self) -> int:
        """How many of them came to results of their own; on no shared day each may have."""
        days, trials = self.returns.shape
        return len(np.unique(self.returns, axis=1).T) if days else trials

    @property
    def overfitting(self) -> float | None:
        """PBO in as many even cuts, up to 16, as give two days each; None where it cannot be measured."""
        cuts = min(16, len(self.returns) // 4 * 2)
        if cuts < FEWEST_CUTS or self.different < 2:
            return None
        return overfitting(self.returns, cuts).probability


@dataclass(frozen=True, slots=True)
class Skill:
    """Sharpe ratios are annual. `threshold` is what the best of the trials would show without skill.

    None: there is no variation to measure. `overfitting` is the worst of the choices that were made; None with
    `unmeasured` None: none was, with a number: of a choice whose trials share so few days that nobody can tell.
    """

    trials: int
    sharpe: float | None
    psr: float | None  # probability that the true Sharpe ratio is above 0 (Bailey & López de Prado 2012)
    days_needed: float | None  # minimum track record until PSR passes 95 %
    threshold: float
    deflated: float | None
    overfitting: float | None
    unmeasured: int | None = field(default=None, kw_only=True)


def skill(money: Money, sharpes: Sequence[float], trials: int, choices: Sequence[Choice] = ()) -> Skill:
    """The skill in `money`, the chosen one of `trials`.

    `sharpes`: the **daily** Sharpe ratios of the trials as far as they are known (`money.form.sharpe` of each, this
    one too). Luck is measured by their variance, and never by less than that of the estimate itself: trials that share
    most of their days, as those of consecutive nights do, lie close together because of the days, not because there is
    little luck in them. `trials` counts all that were ever made, known or not. `choices`: what was chosen among, for
    PBO.
    """
    form, count = money.form, max(trials, len(sharpes), 1)
    made = [choice for choice in choices if choice.different > 1]
    found = [choice.overfitting for choice in made]
    unmeasured = [len(choice.returns) for choice, value in zip(made, found, strict=True) if value is None]
    spread = max(variance(sharpes) if len(sharpes) > 1 else 0.0, form.error**2 if form else 0.0)
    return Skill(
        trials=count,
        sharpe=form.sharpe * YEAR if form else None,
        psr=form.psr() if form else None,
        days_needed=form.periods_needed() if form else None,
        threshold=expected_maximum(count, spread) * YEAR,
        deflated=deflated_sharpe(form, count, spread) if form else None,
        overfitting=None if unmeasured else max((value for value in found if value is not None), default=None),
        unmeasured=min(unmeasured, default=None),
    )
