"""One training from bars to a judged model on disk: nothing is fitted without a row, nothing half-made is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.domain import instant
from engine.forecasting.baselines import logistic
from engine.forecasting.card import Importance, ModelCard
from engine.forecasting.cases import Column, JudgementError, Rows
from engine.forecasting.drift import reference
from engine.forecasting.gate import Findings, Gate, GateTerms
from engine.forecasting.judgement import Judgement, Training, judge
from engine.forecasting.model import Features, Model, Passport
from engine.forecasting.money import Money
from engine.forecasting.registry import ModelFolder, new_version
from engine.forecasting.scores import shares_of
from engine.forecasting.skill import Skill, skill
from engine.forecasting.splits import Thirds, chronological
from engine.forecasting.verdicts import decide
from engine.playbook.model import Playbook
from engine.playbook.model_terms import ModelTerms
from engine.ports import BarColumns
from engine.training.controls import canaries, causal
from engine.training.dataset import Dataset, build
from engine.training.experiments import TRIAL
from engine.training.fitting import Fitted, Lab, close, fitted
from engine.training.trading import terms_of, traded

Tell = Callable[[str, float], None]
"""What is being done, and how much of the whole training is done (0 to 1)."""

SHAP_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Trained:
    """A model on disk, judged. `artefact` is the hash by which it is loaded."""

    passport: Passport
    artefact: str
    card: ModelCard
    data: Dataset


def train(
    playbook: Playbook,
    bars: Sequence[BarColumns],
    lab: Lab,
    folder: ModelFolder,
    tell: Tell,
    draw_card: Callable[[ModelCard], bytes] | None = None,
    label: str = "",
) -> Trained:
    """Train the playbook's model on `bars` (one entry per coin) and judge it on the newest part, once.

    Raises `JudgementError` with a reason code for bars that nothing can be learnt from: the folder is as before then.
    """
    terms = model_of(playbook)
    tell("looking at the features", 0.02)
    data = build(terms, bars)
    causality = causal(data.features, bars, terms.learner.seed)
    if causality.leaking:
        raise JudgementError("LEAK", f"the feature {causality.leaking[0]} knows the future; nothing is learnt from it")
    thirds = parted(terms, data)
    tell(f"fitting on {len(thirds.train):,} rows", 0.10)
    number, done = fitted(
        lab,
        terms,
        data,
        thirds.train,
        thirds.validation,
        kind=TRIAL,
        progress=lambda part: tell("fitting", 0.1 + 0.3 * part),
    )
    tell("judging", 0.42)
    probability = done.probability(data.rows[thirds.test])
    judgement = judged(data, thirds, done, probability)
    moves = moves_of(data, thirds.train)
    money = traded(playbook, bars, data, thirds.test, probability, moves, terms_of(playbook))
    sharpe = money.form.sharpe if money.form else None
    close(lab, number, done, probability, data.cases.label[thirds.test], daily_sharpe=sharpe, pnl=money.pnl)
    tell("checking that it learns nothing from nothing", 0.55)
    luck = skill(money, lab.experiments.sharpes(terms.name), lab.experiments.trials(terms.name))
    found = Findings(judgement, money, luck, causality, canaries(lab, terms, data, bars, thirds))
    gate = decide(found, gate_terms(terms))
    tell("writing it down", 0.95)
    passport = _passport(playbook, terms, data, thirds, done, lab, gate, judgement, money, moves, label)
    card = _card(playbook, passport, thirds, gate, judgement, money, luck, label)
    artefact = folder.save(passport, done.fit.booster, draw_card(card) if draw_card else None)
    return Trained(passport, artefact, card, data)


def model_of(playbook: Playbook) -> ModelTerms:
    """The model that the playbook describes. Raises `JudgementError` when it has none."""
    if playbook.model is None:
        raise JudgementError("NO_MODEL", f"the playbook {playbook.name} trades by rule and has no model to train")
    return playbook.model


def parted(terms: ModelTerms, data: Dataset) -> Thirds:
    """Train, validation and test in order of time, purged, with the playbook's embargo."""
    embargo = int(terms.embargo.total_seconds() * 1e6) if terms.embargo else 0
    return chronological(data.cases.time, data.cases.until, terms.shares, embargo)


def judged(data: Dataset, thirds: Thirds, done: Fitted, probability: Column) -> Judgement:
    """Every figure on the test rows, beside logistic regression on the same features and rows."""
    rows, label = data.part(thirds.train)
    cases = data.cases.at(thirds.test)
    learnt = done.probability(rows).argmax(axis=1) == label
    classes = cases.classes
    training = Training(len(rows), float(learnt.mean()), tuple(shares_of(label, classes).tolist()))
    plain = logistic(rows.astype(np.float64), label, data.rows[thirds.test].astype(np.float64), classes)
    return judge(cases, probability, {"logistic": plain}, training)


def moves_of(data: Dataset, rows: Rows) -> tuple[float, ...]:
    """By class, the mean change over the horizon in units of the volatility before it; 0 for one that never came."""
    label, scaled = data.cases.label[rows], data.change[rows] / np.maximum(data.volatility[rows], 1e-12)
    return tuple(float(scaled[label == c].mean()) if (label == c).any() else 0.0 for c in range(data.cases.classes))


def gate_terms(terms: ModelTerms) -> GateTerms:
    asked = terms.acceptance
    return GateTerms(
        least_accuracy=asked.least_accuracy,
        fewest_trades=asked.fewest_trades,
        least_deflated_sharpe=asked.least_deflated_sharpe,
        most_overfitting=asked.most_overfitting,
    )


def importances(model: Model, rows: Features) -> tuple[tuple[str, float], ...]:
    """Features by their share of mean |SHAP contribution|, the largest first."""
    weight = np.abs(model.contributions(rows[:: -(-len(rows) // SHAP_ROWS)])[:, :-1]).mean(axis=0)
    total = float(weight.sum()) or 1.0
    pairs = zip(model.passport.features, (weight / total).tolist(), strict=True)
    return tuple(sorted(pairs, key=lambda pair: -pair[1]))


def _passport(
    playbook: Playbook,
    terms: ModelTerms,
    data: Dataset,
    thirds: Thirds,
    done: Fitted,
    lab: Lab,
    gate: Gate,
    judgement: Judgement,
    money: Money,
    moves: tuple[float, ...],
    label: str,
) -> Passport:
    now, rows = lab.now(), data.rows[thirds.train]
    bare = Passport(
        name=terms.name,
        version=new_version(now, data.hash),
        playbook=playbook.name,
        feature_set=data.features.name,
        features=data.features.names,
        interval=data.interval,
        horizon=terms.label.horizon,
        classes=terms.label.classes,
        band=terms.label.band,
        created=now,
        expires=now + terms.expires_after,
        train_start=instant(int(data.cases.time[thirds.train].min())),
        train_end=instant(int(data.cases.until[thirds.validation].max())),
        dataset=data.hash,
        code=lab.code,
        parameters=terms.learner.model_dump(mode="json") | {"rounds_used": done.fit.rounds},
        calibration=done.calibration,
        moves=moves,
        reference=tuple(reference(rows[:, number].astype(np.float64)) for number in range(rows.shape[1])),
        importances=(),
        figures=_figures(judgement, money),
        verdict=gate.verdict.value,
        promotable=gate.promotable,
        by_rule=gate.by_rule,
        symbols=data.symbols,
        sentence=gate.sentence,
        failing=tuple(step.sentence for step in gate.failed),
        label=label,
    )
    told = importances(Model(bare, done.fit.booster, lab.threads), data.rows[thirds.test])
    return replace(bare, importances=told)


def _figures(judgement: Judgement, money: Money) -> dict[str, float]:
    """The few numbers that travel with a model."""
    return {
        "accuracy": judgement.accuracy.value,
        "accuracy_low": judgement.accuracy.interval.low,
        "accuracy_high": judgement.accuracy.interval.high,
        "effective_n": judgement.effective_n,
        "brier": judgement.brier,
        "calibration_error": judgement.calibration_error,
        "test_rows": float(judgement.rows),
        "trades": float(money.trades),
        "pnl": money.pnl,
    }


def _card(
    playbook: Playbook,
    passport: Passport,
    thirds: Thirds,
    gate: Gate,
    judgement: Judgement,
    money: Money,
    luck: Skill,
    label: str,
) -> ModelCard:
    coins = passport.symbols[0] + (f" and {len(passport.symbols) - 1} more" if len(passport.symbols) > 1 else "")
    what = "up or down" if passport.classes == 2 else f"up, down or flat (±{passport.band or 0:.1%})"
    hours = passport.horizon.total_seconds() / 3600
    span = f"{hours:g} h" if hours >= 1 else f"{hours * 60:g} min"
    return ModelCard(
        name=passport.name,
        version=passport.version,
        playbook=playbook.name,
        question=f"{coins}, {what} in {span}",
        trained_at=passport.created,
        train_start=passport.train_start,
        train_end=passport.train_end,
        train_rows=len(thirds.train),
        features=len(passport.features),
        trials=luck.trials,
        judgement=judgement,
        gate=gate,
        importances=tuple(Importance(name, share) for name, share in passport.importances),
        money=money,
        skill=luck,
        label=label,
    )
