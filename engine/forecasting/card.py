"""The model card: everything that one page says about a model, as numbers. The bot draws it and finds the words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.forecasting.gate import Gate
from engine.forecasting.judgement import Judgement
from engine.forecasting.money import Fees, Money
from engine.forecasting.skill import Skill


@dataclass(frozen=True, slots=True)
class Importance:
    """A feature and its share of all SHAP weight (mean |contribution|, summing to 1 over all features)."""

    feature: str
    share: float


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model, judged. `label` is "" for real markets, else what the market is (simulated, planted edge)."""

    name: str
    version: str
    playbook: str
    question: str  # what is forecast, like "BTC/USD and 4 more, up or down in 2 h"
    trained_at: datetime
    train_start: datetime
    train_end: datetime
    train_rows: int
    features: int
    trials: int
    judgement: Judgement
    gate: Gate
    importances: tuple[Importance, ...]
    money: Money | None = None
    skill: Skill | None = None
    label: str = ""
    fees: Fees | None = None
