"""The forecasts that a model must beat on the same rows, and the paired differences that say whether it does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.forecasting.cases import CLASSES, Cases, Classes, Column, Flags, JudgementError
from engine.forecasting.intervals import Estimate, estimate, share

ENOUGH_ROWS = 200_000
"""Training rows of the logistic regression: evenly thinned to so many, more change its few weights no further."""


@dataclass(frozen=True, slots=True)
class Beside:
    """One baseline: its accuracy, and how far the model is ahead of it, row by row on the same rows."""

    name: str
    accuracy: Estimate
    ahead: Estimate


def naive(cases: Cases) -> dict[str, Classes]:
    """The guesses of the three rules that learn nothing, by name.

    `always …`: the class that came most often in these very rows, which nobody can know before: the hardest constant.
    `persistence`: what happened over the horizon before happens again; `reversal`: its opposite, flat stays flat. A row
    whose past is not known gets the constant.
    """
    common = int(np.bincount(cases.label, minlength=cases.classes).argmax())
    constant = np.full(len(cases), common, dtype=np.int64)
    known = cases.past >= 0
    return {
        f"always {CLASSES[cases.classes][common]}": constant,
        "persistence": np.where(known, cases.past, constant),
        "reversal": np.where(known, cases.classes - 1 - cases.past, constant),
    }


def compare(name: str, hit: Flags, other: Flags, block: Classes, unique: float, seed: int = 0) -> Beside:
    """The baseline that was right where `other` is, beside the model that was right where `hit` is."""
    ahead = estimate(hit.astype(np.float64) - other, block, seed)
    return Beside(name, share(other, block, unique, seed), ahead)


def logistic(train: Column, label: Classes, test: Column, classes: int = 2) -> Column:
    """Class probabilities [row, class] of a logistic regression on the same features, standardised on `train`.

    Raises `JudgementError` for training rows of a single class or with a number missing.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(label)) < 2:
        raise JudgementError("ONE_CLASS", "all training rows have the same label: nothing can be learned from them")
    if not (np.isfinite(train).all() and np.isfinite(test).all()):
        raise JudgementError("NOT_A_NUMBER", "a feature is missing in some rows; leave such rows out")
    step = -(-len(train) // ENOUGH_ROWS)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    model.fit(train[::step], label[::step])
    probability: Column = np.zeros((len(test), classes))
    probability[:, model[-1].classes_] = model.predict_proba(test)
    return probability
