"""Judge forecasts once, on rows that nothing was fitted on: every figure of a model beside its baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from engine.domain import instant
from engine.forecasting import scores
from engine.forecasting.baselines import Beside, compare, naive
from engine.forecasting.calibration import (
    Bin,
    by_confidence,
    calibration_error,
    monotonicity,
    reliability,
    top_tenth,
)
from engine.forecasting.cases import Cases, Classes, Column, Flags, check_probability, guesses
from engine.forecasting.intervals import FEWEST_BLOCKS, Estimate, chance_of, clopper_pearson, share, wilson_at
from engine.forecasting.overlap import DAY, blocks, uniqueness
from engine.inference import Interval


@dataclass(frozen=True, slots=True)
class Training:
    """What is known of the rows that the model was fitted on: how many, how often it is right there, class shares."""

    rows: int
    accuracy: float
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FoldFigure:
    """One test span of a walk-forward."""

    start: datetime
    end: datetime
    n: int
    accuracy: float
    interval: Interval
    base_rate: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """Figures over the test rows; accuracies and shares are fractions.

    `effective_n`: what the rows are worth in independent cases, `mean_uniqueness` how much of that overlap alone takes
    away. `base_rate` is the share of the commonest class, `by_luck` the one-sided probability of so many hits at that
    rate; `wilson` and `exact` (Clopper-Pearson) are at `effective_n`. `base_brier` is the Brier score of always giving
    the training shares (the test's own where training is not known). `auc` is that of up (two classes) or of moving at
    all (three); `monotonicity` is Spearman's over ten parts; `direction_given_move` (three classes) is how often the
    likelier of up and down came true among rows that moved.
    """

    classes: int
    rows: int
    coins: int
    days: int
    start: datetime
    end: datetime
    mean_uniqueness: float
    accuracy: Estimate
    wilson: Interval
    exact: Interval
    base_rate: float
    by_luck: float
    log_loss: float
    brier: float
    base_brier: float
    calibration_error: float
    macro_f1: float
    auc: float | None
    direction_given_move: Estimate | None
    monotonicity: float | None
    top_tenth: Estimate
    reliability: tuple[Bin, ...]
    by_confidence: tuple[Bin, ...]
    beside: tuple[Beside, ...]
    folds: tuple[FoldFigure, ...]
    training: Training | None

    @property
    def effective_n(self) -> float:
        return self.accuracy.effective_n

    @property
    def gap(self) -> float | None:
        """How much better the model is on its training rows than on the test."""
        return None if self.training is None else self.training.accuracy - self.accuracy.value

    def against(self, name: str) -> Beside | None:
        """A baseline by the first word of its name: always, persistence, reversal, logistic."""
        return next((one for one in self.beside if one.name.split()[0] == name), None)


def judge(
    cases: Cases,
    probability: Column,
    others: Mapping[str, Column] | None = None,
    training: Training | None = None,
    fold: Classes | None = None,
    seed: int = 0,
) -> Judgement:
    """Judge `probability` [row, class] on `cases`.

    `others`: probabilities of further models on the same rows by name, such as {"logistic": …}. `fold`: the number of
    the walk-forward fold of each row. Raises `JudgementError` for rows that cannot be judged.
    """
    check_probability(probability, cases)
    block, unique = blocks(cases.time, cases.until), uniqueness(cases.time, cases.until, cases.coin)
    guess, confidence = guesses(probability), probability.max(axis=1)
    hit, worthy = guess == cases.label, float(unique.sum())
    accuracy = share(hit, block, worthy, seed)
    worth = accuracy.effective_n / len(cases)
    base_rate = float(scores.shares_of(cases.label, cases.classes).max())
    shares = training.shares if training else tuple(scores.shares_of(cases.label, cases.classes))
    bins, tenths = reliability(confidence, hit, worth), by_confidence(confidence, hit, worth)
    return Judgement(
        classes=cases.classes,
        rows=len(cases),
        coins=len(np.unique(cases.coin)),
        days=len(np.unique(cases.time // DAY)),
        start=instant(int(cases.time.min())),
        end=instant(int(cases.until.max())),
        mean_uniqueness=float(unique.mean()),
        accuracy=accuracy,
        wilson=wilson_at(accuracy.value, accuracy.effective_n),
        exact=clopper_pearson(accuracy.value, accuracy.effective_n),
        base_rate=base_rate,
        by_luck=chance_of(accuracy.value, accuracy.effective_n, base_rate),
        log_loss=scores.log_loss(probability, cases.label),
        brier=scores.brier(probability, cases.label),
        base_brier=scores.constant_brier(np.array(shares), cases.label),
        calibration_error=calibration_error(bins),
        macro_f1=scores.macro_f1(guess, cases.label, cases.classes),
        auc=scores.class_auc(probability, cases.label),
        direction_given_move=_direction(cases, probability, block, unique, worth, seed),
        monotonicity=monotonicity(tenths),
        top_tenth=_part(hit, block, unique, top_tenth(confidence), worth, seed),
        reliability=bins,
        by_confidence=tenths,
        beside=_beside(cases, hit, others or {}, block, worthy, seed),
        folds=() if fold is None else _folds(cases, hit, block, unique, fold, worth, seed),
        training=training,
    )


def _beside(
    cases: Cases, hit: Flags, others: Mapping[str, Column], block: Classes, unique: float, seed: int
) -> tuple[Beside, ...]:
    rules = naive(cases)
    for name, probability in others.items():
        check_probability(probability, cases)
        rules[name] = guesses(probability)
    return tuple(compare(name, hit, guess == cases.label, block, unique, seed) for name, guess in rules.items())


def _direction(
    cases: Cases, probability: Column, block: Classes, unique: Column, worth: float, seed: int
) -> Estimate | None:
    moved = np.flatnonzero(cases.label != 1)
    if cases.classes != 3 or not len(moved):
        return None
    return _part(scores.right_direction(probability, cases.label), block, unique, moved, worth, seed)


def _part(hit: Flags, block: Classes, unique: Column, rows: Classes, worth: float, seed: int) -> Estimate:
    """The accuracy of some rows; from too few days for blocks, Wilson's at the whole sample's worth of a row."""
    found = len(np.unique(block[rows]))
    if found >= FEWEST_BLOCKS:
        return share(hit[rows], block[rows], float(unique[rows].sum()), seed)
    value, effective = float(hit[rows].mean()), max(1.0, len(rows) * worth)
    return Estimate(value, wilson_at(value, effective), len(rows), effective, found)


def _folds(
    cases: Cases, hit: Flags, block: Classes, unique: Column, fold: Classes, worth: float, seed: int
) -> tuple[FoldFigure, ...]:
    made = []
    for number in np.unique(fold):
        rows = np.flatnonzero(fold == number)
        found = _part(hit, block, unique, rows, worth, seed)
        made.append(
            FoldFigure(
                instant(int(cases.time[rows].min())),
                instant(int(cases.until[rows].max())),
                len(rows),
                found.value,
                found.interval,
                float(scores.shares_of(cases.label[rows], cases.classes).max()),
            )
        )
    return tuple(sorted(made, key=lambda one: one.start))
