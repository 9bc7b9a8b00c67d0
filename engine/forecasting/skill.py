"""Is the money more than luck? Sharpe ratio after costs, deflated by the number of trials that led to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import variance

import numpy as np

from engine.forecasting.cases import Column
from engine.forecasting.money import Money
from engine.forecasting.trials import deflated_sharpe, expected_maximum, overfitting

YEAR = math.sqrt(365.0)
"""Crypto trades every day: a daily Sharpe ratio times this is an annual one."""


@dataclass(frozen=True, slots=True)
class Skill:
    """Sharpe ratios are annual. `threshold` is what the best of the trials would show without skill.

    None: there is no variation to measure, or (PBO) no other trial to compare with.
    """

    trials: int
    sharpe: float | None
    psr: float | None  # probability that the true Sharpe ratio is above 0 (Bailey & López de Prado 2012)
    days_needed: float | None  # minimum track record until PSR passes 95 %
    threshold: float
    deflated: float | None
    overfitting: float | None


def skill(money: Money, sharpes: Sequence[float], trials: int, returns: Column | None = None) -> Skill:
    """The skill in `money`, the chosen one of `trials`.

    `sharpes`: the **daily** Sharpe ratios of the trials as far as they are known (`money.form.sharpe` of each, this
    one too). Luck is measured by their variance, and never by less than that of the estimate itself: trials that share
    most of their days, as those of consecutive nights do, lie close together because of the days, not because there is
    little luck in them. `trials` counts all that were ever made, known or not. `returns` [day, trial]: daily returns
    over the same days, for PBO.
    """
    form, count = money.form, max(trials, len(sharpes), 1)
    spread = max(variance(sharpes) if len(sharpes) > 1 else 0.0, form.error**2 if form else 0.0)
    return Skill(
        trials=count,
        sharpe=form.sharpe * YEAR if form else None,
        psr=form.psr() if form else None,
        days_needed=form.periods_needed() if form else None,
        threshold=expected_maximum(count, spread) * YEAR,
        deflated=deflated_sharpe(form, count, spread) if form else None,
        overfitting=_pbo(returns),
    )


def _pbo(returns: Column | None) -> float | None:
    """In as many even cuts, up to 16, as give two days each; None below four cuts or two different trials."""
    if returns is None or returns.shape[1] < 2:
        return None
    cuts = min(16, len(returns) // 4 * 2)
    different = len(np.unique(returns, axis=1).T)
    return overfitting(returns, cuts).probability if cuts >= 4 and different > 1 else None
