"""One fit with its calibration, and a row in the experiment ledger around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from engine.forecasting.calibrators import Calibrator, calibrate
from engine.forecasting.cases import Classes, Column, Rows, Times
from engine.forecasting.learner import Fit, Progress, fit
from engine.forecasting.model import Features, raw_probability
from engine.forecasting.scores import log_loss
from engine.playbook.model_terms import ModelTerms
from engine.training.counting import asked, configuration
from engine.training.dataset import Dataset
from engine.training.experiments import DONE, FAILED, Experiments
from engine.training.spreading import Spread

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Lab:
    """What every fit of one training shares: where rows go, the time, the code, and where the work is done."""

    experiments: Experiments
    now: Now
    code: str
    threads: int = 1
    spread: Spread = field(default_factory=Spread)
    market: str = ""  # which market the bars are of: "" for a real one
    playbook: str = ""  # its name
    rules: str = ""  # the hash of how it trades
    asof: datetime | None = (
        None  # the desk's time, up to which bars were asked for (None: nobody asks how old they are)
    )


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """The columns that every fit of a training looks into: features, labels, and the time of each row."""

    rows: Features
    label: Classes
    time: Times
    names: tuple[str, ...]

    @classmethod
    def of(cls, data: Dataset) -> Sheet:
        return cls(data.rows, data.cases.label, data.cases.time, data.features.names)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to fit: the learner's numbers, how to calibrate, and on how many threads."""

    classes: int
    learner: Mapping[str, Any]
    calibration: Any
    threads: int = 1

    @classmethod
    def of(cls, terms: ModelTerms, threads: int = 1) -> Recipe:
        return cls(terms.label.classes, terms.learner.model_dump(mode="json"), terms.calibration, threads)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Trees with the calibration that belongs to them."""

    fit: Fit
    calibration: Calibrator

    def probability(self, rows: Features) -> Column:
        return self.calibration.apply(raw_probability(self.fit.booster, rows))


def learnt(sheet: Sheet, recipe: Recipe, train: Rows, validation: Rows, progress: Progress | None = None) -> Fitted:
    """Fit on the rows `train`, stop and calibrate on `validation`. Pure: knows no ledger, and runs in any process."""
    made = fit(
        sheet.rows[train],
        sheet.label[train],
        sheet.rows[validation],
        sheet.label[validation],
        recipe.classes,
        recipe.learner,
        names=sheet.names,
        threads=recipe.threads,
        progress=progress,
    )
    raw = raw_probability(made.booster, sheet.rows[validation])
    time = sheet.time[validation]
    return Fitted(made, calibrate(raw, sheet.label[validation], time > np.median(time), recipe.calibration))


def begun(lab: Lab, terms: ModelTerms, data: Dataset, kind: str, note: Mapping[str, Any] | None = None) -> int:
    """The number of a fresh row, to be written before the fit."""
    learner = terms.learner.model_dump(mode="json")
    parameters = {"learner": learner, "features": data.features.name, "calibration": terms.calibration}
    told = parameters | asked_of(lab, terms, data) | dict(note or {})
    return lab.experiments.begin(terms.name, kind, lab.now(), data.hash, lab.code, told)


def asked_of(lab: Lab, terms: ModelTerms, data: Dataset) -> dict[str, Any]:
    """What a fit asks of which bars: by this it is known which trials count together."""
    return asked(
        terms,
        playbook=lab.playbook,
        configuration=configuration(lab.rules, terms),
        market=lab.market,
        coins=[one.symbol for one in data.left_out if one.rows],
        since=int(data.cases.time.min()),
        until=int(data.cases.until.max()),
    )


def fitted(
    lab: Lab,
    terms: ModelTerms,
    data: Dataset,
    train: Rows,
    validation: Rows,
    *,
    kind: str,
    note: Mapping[str, Any] | None = None,
    sheet: Sheet | None = None,
    progress: Progress | None = None,
) -> tuple[int, Fitted]:
    """`learnt` with a row around it: the row's number, still open, and what was fitted.

    `sheet` stands in for the dataset's own (canaries). A fit that fails closes its row as *failed*.
    """
    number = begun(lab, terms, data, kind, note)
    with accounted(lab, number):
        return number, learnt(sheet or Sheet.of(data), Recipe.of(terms, lab.threads), train, validation, progress)


@contextmanager
def accounted(lab: Lab, *numbers: int) -> Iterator[None]:
    """Close these open rows as *failed*, with the reason, when what is done for them fails."""
    try:
        yield
    except Exception as error:
        for number in numbers:
            lab.experiments.end(number, FAILED, lab.now(), {"why": str(error)})
        raise


def close(lab: Lab, number: int, done: Fitted, probability: Column, label: Classes, **more: Any) -> None:
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
