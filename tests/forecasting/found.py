"""Findings about a model, good in every respect unless asked otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.forecasting.canaries import Canary, Causality
from engine.forecasting.gate import Findings
from engine.forecasting.intervals import Estimate
from engine.forecasting.judgement import Training, judge
from engine.forecasting.money import Money
from engine.forecasting.skill import Skill
from engine.inference import Interval, shape
from tests.forecasting.made import blind, planted


def share(value, reach=0.01):
    return Estimate(value, Interval(value - reach, value + reach), 5_000, 5_000, 60)


CANARIES = (Canary("shuffled", share(0.499)), Canary("lagged", share(0.5)), Canary("centred", share(0.8), named=True))
DAYS = tuple(np.random.default_rng(1).normal(0.004, 0.01, 60).tolist())


def earned(mean=0.004, trades=400):
    return Money(
        trades, trades // 2, 40.0 if mean > 0 else -40.0, 90.0, share(mean, 0.002), DAYS, shape(DAYS), None, None,
        0.04 if mean > 0 else -0.04, 0.01, (), (), {},
    )  # fmt: skip


def findings(best=0.57, days=120, **changes):
    cases, truth = planted(7, best, days=days)
    judgement = judge(cases, truth, {"logistic": blind(cases)}, Training(20_000, 0.7, (0.5, 0.5)))
    skilled = Skill(3, 2.5, 0.99, 200.0, 0.8, 0.97, 0.1)
    return replace(Findings(judgement, earned(), skilled, Causality(), CANARIES), **changes)


GOOD = findings()


def lucky(cases, probability):
    """Findings that leave everything to the forecasts: the money and the canaries are as good as they can be."""
    found = judge(cases, probability, {"logistic": blind(cases)}, Training(10_000, 0.8, (0.5, 0.5)))
    return Findings(found, earned(), GOOD.skill, Causality(), CANARIES)
