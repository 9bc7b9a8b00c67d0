"""A judged model with a card: real figures from made forecasts, traded through the core."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from engine.domain import instant
from engine.forecasting.baselines import logistic
from engine.forecasting.canaries import Causality
from engine.forecasting.card import Importance, ModelCard
from engine.forecasting.cases import Cases
from engine.forecasting.gate import Findings
from engine.forecasting.judgement import Training, judge
from engine.forecasting.money import Fees, Market, earn, wishes_of
from engine.forecasting.skill import skill
from engine.forecasting.verdicts import decide
from tests.forecasting.found import CANARIES
from tests.forecasting.made import HOUR
from tests.forecasting.test_money import STEP, market, rules

AHEAD = 2 * HOUR // STEP
FEATURES = ("return_1h", "rsi_14", "volume_ratio", "return_5m", "distance_sma_20", "distance_to_support")


def card(best=0.58, days=60, coins=3, seed=4, fee=0.0004, label="", clean=True):
    """The card of a model that knows two hours ahead, in spans of two hours, `best` of the time."""
    made = market(days=days, coins=coins, seed=seed)
    cases, up = _forecasts(made, best, coins, seed)
    probability = np.column_stack([1 - up, up])
    fold = np.digitize(cases.time, np.quantile(cases.time, np.linspace(0, 1, 7)[1:-1]))
    noise = np.random.default_rng(seed).normal(size=(len(cases), 3))
    line = logistic(noise, cases.label, noise)
    judgement = judge(cases, probability, {"logistic": line}, Training(40_000, best + 0.05, (0.5, 0.5)), fold)
    grid = np.zeros((len(made.times), coins))
    rows = np.searchsorted(made.times + STEP, cases.time)
    grid[rows, cases.coin] = up
    money = earn(rules(coins, fee), made, wishes_of(grid >= 0.58, grid))
    skilled = skill(money, [0.05, 0.11, money.form.sharpe if money.form else 0.0], 12)
    causal = Causality() if clean else Causality(("sma_20_centred",))
    gate = decide(Findings(judgement, money, skilled, causal, CANARIES))
    weights = np.array([0.31, 0.24, 0.18, 0.12, 0.09, 0.06])
    return ModelCard(
        name="direction",
        version="v7",
        playbook="direction",
        question="C0/USD and 2 more: up or down in 2 h",
        trained_at=datetime(2026, 11, 20, 10, 0, tzinfo=UTC),
        train_start=instant(int(made.times[0]) - 180 * 24 * HOUR),
        train_end=instant(int(made.times[0])),
        train_rows=40_000,
        features=len(FEATURES),
        trials=12,
        judgement=judgement,
        gate=gate,
        importances=tuple(Importance(name, float(share)) for name, share in zip(FEATURES, weights, strict=True)),
        money=money,
        skill=skilled,
        label=label,
        fees=Fees(fee, 0.004, money.trades, money.pnl - 12.5, money.equity_return - 0.0125),
    )


def _forecasts(made: Market, best: float, coins: int, seed: int) -> tuple[Cases, np.ndarray]:
    """One case per bar and coin; forecasts are honest: their confidence is how often they are right."""
    rng = np.random.default_rng(seed)
    close = made.bars[:, 3]
    first, last = AHEAD, len(close) - AHEAD
    label = (close[first + AHEAD : last + AHEAD] > close[first:last]).astype(np.int64)
    past = (close[first:last] > close[first - AHEAD : last - AHEAD]).astype(np.int64)
    spans = -(-len(label) // AHEAD)
    edge = (best - 0.5) * rng.choice([0.3, 0.8, 2.5], size=(spans, coins), p=[0.4, 0.35, 0.25])
    right = rng.random((spans, coins)) < 0.5 + edge
    edge, right = (np.repeat(one, AHEAD, axis=0)[: len(label)] for one in (edge, right))
    up = np.where(right == (label == 1), 0.5 + edge, 0.5 - edge)
    time = np.repeat(made.times[first:last] + STEP, coins)
    coin = np.tile(np.arange(coins), len(label))
    return Cases(time, time + 2 * HOUR, coin, label.ravel(), past.ravel()), up.ravel()
