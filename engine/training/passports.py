"""What is written down of a training: the passport that travels with the trees, and the card that people read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from engine.domain import instant
from engine.forecasting.card import Importance, ModelCard
from engine.forecasting.drift import reference, with_days
from engine.forecasting.gate import Gate
from engine.forecasting.judgement import Judgement
from engine.forecasting.model import Features, Model, Passport
from engine.forecasting.money import Fees, Money
from engine.forecasting.registry import new_version
from engine.forecasting.skill import Skill
from engine.forecasting.splits import Thirds
from engine.playbook.model import Playbook
from engine.playbook.model_terms import ModelTerms
from engine.training.dataset import Dataset
from engine.training.fitting import Fitted, Lab

SHAP_ROWS = 5_000


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A fitted model with all that was found out about it. `experiment` is the number of its row, `threshold` the
    least confidence of an entry."""

    data: Dataset
    thirds: Thirds
    done: Fitted
    experiment: int
    judgement: Judgement
    money: Money
    fees: Fees
    skill: Skill
    gate: Gate
    moves: tuple[float, ...]
    threshold: float
    label: str


def passport_of(playbook: Playbook, terms: ModelTerms, found: Result, lab: Lab) -> Passport:
    """What the model is, apart from its trees."""
    now, data, gate = lab.now(), found.data, found.gate
    rows = data.rows[found.thirds.train]
    bare = Passport(
        name=terms.name,
        version=new_version(now, data.hash, found.experiment),
        playbook=playbook.name,
        feature_set=data.features.name,
        features=data.features.names,
        interval=data.interval,
        horizon=terms.label.horizon,
        classes=terms.label.classes,
        band=terms.label.band,
        created=now,
        expires=now + terms.expires_after,
        train_start=instant(int(data.cases.time[found.thirds.train].min())),
        train_end=instant(int(data.cases.until[found.thirds.validation].max())),
        dataset=data.hash,
        code=lab.code,
        parameters=terms.learner.model_dump(mode="json") | {"rounds_used": found.done.fit.rounds},
        calibration=found.done.calibration,
        moves=found.moves,
        reference=tuple(
            with_days(reference(rows[:, number].astype(np.float64)), data.rows[:, number], data.cases.time)
            for number in range(rows.shape[1])
        ),
        importances=(),
        figures=figures_of(found),
        verdict=gate.verdict.value,
        promotable=gate.promotable,
        by_rule=gate.by_rule,
        symbols=tuple(one.symbol for one in data.left_out if one.rows),
        sentence=gate.sentence,
        failing=tuple(step.sentence for step in gate.failed),
        label=found.label,
    )
    told = importances(Model(bare, found.done.fit.booster, lab.threads), data.rows[found.thirds.test])
    return replace(bare, importances=told)


def importances(model: Model, rows: Features) -> tuple[tuple[str, float], ...]:
    """Features by their share of mean |SHAP contribution|, the largest first."""
    weight = np.abs(model.contributions(rows[:: -(-len(rows) // SHAP_ROWS)])[:, :-1]).mean(axis=0)
    total = float(weight.sum()) or 1.0
    pairs = zip(model.passport.features, (weight / total).tolist(), strict=True)
    return tuple(sorted(pairs, key=lambda pair: -pair[1]))


def figures_of(found: Result) -> dict[str, float]:
    """The few numbers that travel with a model."""
    judgement, money = found.judgement, found.money
    return {
        "accuracy": judgement.accuracy.value,
        "accuracy_low": judgement.accuracy.interval.low,
        "accuracy_high": judgement.accuracy.interval.high,
        "effective_n": judgement.effective_n,
        "brier": judgement.brier,
        "calibration_error": judgement.calibration_error,
        "test_rows": float(judgement.rows),
        "test_days": float(judgement.days),
        "trades": float(money.trades),
        "pnl": money.pnl,
        "pnl_at_the_venues_fees": found.fees.pnl,
        "threshold": found.threshold,
    }


def card_of(playbook: Playbook, passport: Passport, found: Result) -> ModelCard:
    """One page."""
    return ModelCard(
        name=passport.name,
        version=passport.version,
        playbook=playbook.name,
        question=question_of(passport),
        trained_at=passport.created,
        train_start=passport.train_start,
        train_end=passport.train_end,
        train_rows=len(found.thirds.train),
        features=len(passport.features),
        trials=found.skill.trials,
        judgement=found.judgement,
        gate=found.gate,
        importances=tuple(Importance(name, share) for name, share in passport.importances),
        money=found.money,
        skill=found.skill,
        label=found.label,
        fees=found.fees,
    )


def question_of(passport: Passport) -> str:
    """`BTC/USD and 4 more, up or down in 2 h`."""
    coins = passport.symbols[0] + (f" and {len(passport.symbols) - 1} more" if len(passport.symbols) > 1 else "")
    what = "up or down" if passport.classes == 2 else f"up, down or flat (±{passport.band or 0:.1%})"
    hours = passport.horizon.total_seconds() / 3600
    return f"{coins}, {what} in {f'{hours:g} h' if hours >= 1 else f'{hours * 60:g} min'}"


def left_out_of(data: Dataset) -> Mapping[str, Mapping[str, int]]:
    """By coin, how many bars gave no row and why; with `rows`, how many did."""
    return {one.symbol: {"bars": one.bars, "rows": one.rows, **one.reasons} for one in data.left_out}
