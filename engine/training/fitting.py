"""One fit with its calibration, and a row in the experiment ledger around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from engine.forecasting.calibrators import Calibrator, calibrate
from engine.forecasting.cases import Classes, Column, Rows
from engine.forecasting.learner import Fit, Progress, fit
from engine.forecasting.model import Features, raw_probability
from engine.forecasting.scores import log_loss
from engine.playbook.model_terms import ModelTerms
from engine.training.dataset import Dataset
from engine.training.experiments import DONE, FAILED, Experiments

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Lab:
    """What every fit of one training shares: where rows go, the time, the code, and how many threads there are."""

    experiments: Experiments
    now: Now
    code: str
    threads: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Trees with the calibration that belongs to them."""

    fit: Fit
    calibration: Calibrator

    def probability(self, rows: Features) -> Column:
        return self.calibration.apply(raw_probability(self.fit.booster, rows))


def fitted(
    lab: Lab,
    terms: ModelTerms,
    data: Dataset,
    train: Rows,
    validation: Rows,
    *,
    kind: str,
    note: Mapping[str, Any] | None = None,
    rows: Features | None = None,
    label: Classes | None = None,
    progress: Progress | None = None,
) -> tuple[int, Fitted]:
    """Fit on the rows `train`, stop and calibrate on `validation`; the row's number, still open, and what was fitted.

    `rows` and `label` stand in for the dataset's own (canaries). A fit that fails closes its row as *failed*.
    """
    features, labels = data.rows if rows is None else rows, data.cases.label if label is None else label
    parameters = {"learner": terms.learner.model_dump(mode="json"), "features": data.features.name, **(note or {})}
    number = lab.experiments.begin(terms.name, kind, lab.now(), data.hash, lab.code, parameters)
    try:
        made = fit(
            features[train],
            labels[train],
            features[validation],
            labels[validation],
            terms.label.classes,
            terms.learner.model_dump(),
            threads=lab.threads,
            progress=progress,
        )
        raw = raw_probability(made.booster, features[validation])
        time = data.cases.time[validation]
        late = time > np.median(time)
        return number, Fitted(made, calibrate(raw, labels[validation], late, terms.calibration))
    except Exception as error:
        lab.experiments.end(number, FAILED, lab.now(), {"why": str(error)})
        raise


def close(lab: Lab, number: int, done: Fitted, probability: Column, label: Classes, **more: float | None) -> None:
    """Write what a fit came to on rows it has not seen."""
    figures = {
        "rounds": done.fit.rounds,
        "validation_loss": done.fit.loss[done.fit.rounds - 1],
        "rows": len(label),
        "log_loss": log_loss(probability, label),
        "accuracy": float((probability.argmax(axis=1) == label).mean()),
        "calibration": done.calibration.kind,
        **more,
    }
    lab.experiments.end(number, DONE, lab.now(), figures)
