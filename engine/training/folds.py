"""Many fits of one dataset: walk-forward folds and combinatorial paths, spread out, a row in the ledger for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.forecasting.baselines import logistic
from engine.forecasting.cases import Classes, Column, JudgementError, Rows, Times
from engine.forecasting.combinatorial import combinatorial
from engine.forecasting.judgement import Judgement, Training, judge
from engine.forecasting.model import Features
from engine.forecasting.money import Money
from engine.forecasting.scores import log_loss, shares_of
from engine.forecasting.splits import Fold, hold_back, walk_forward
from engine.playbook.model import Playbook
from engine.playbook.model_terms import ModelTerms
from engine.ports import BarColumns
from engine.training.dataset import Dataset, moves_of
from engine.training.experiments import DONE, FAILED, FOLD
from engine.training.fitting import Fitted, Lab, Recipe, Sheet, begun, learnt
from engine.training.steps import Tell
from engine.training.trading import Voice, heard, model_of, terms_of, traded

FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class FoldTask:
    """What one worker is asked: rows to fit on, to stop and calibrate on, to forecast; with a logistic beside it."""

    train: Rows
    validation: Rows
    test: Rows
    recipe: Recipe
    beside: bool


@dataclass(frozen=True, slots=True, eq=False)
class FoldDone:
    """What a worker found, or (`code`) why nothing can be learnt from its rows."""

    probability: Column
    fitted: Fitted | None = None
    logistic: Column | None = None
    rounds: int = 0
    validation_loss: float = 0.0
    calibration: str = ""
    learnt: float = 0.0  # accuracy on its training rows
    code: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """A walk forward: the judgement over all of its test rows, with a figure per fold, and what they earned."""

    judgement: Judgement
    money: Money


@dataclass(frozen=True, slots=True)
class PathFigure:
    """One of the whole histories that a combinatorial split puts together."""

    accuracy: float
    log_loss: float
    pnl: float
    trades: int
    daily_sharpe: float | None


def fold_work(task: FoldTask, rows: Features, label: Classes, time: Times, names: tuple[str, ...]) -> FoldDone:
    """One fold, in whatever process."""
    sheet = Sheet(rows, label, time, names)
    try:
        done = learnt(sheet, task.recipe, task.train, task.validation)
        fitted_on = np.concatenate([task.train, task.validation])
        line = _line(sheet, fitted_on, task) if task.beside else None
    except JudgementError as error:
        return FoldDone(np.zeros((0, task.recipe.classes)), code=error.code, why=str(error))
    hit = done.probability(rows[task.train]).argmax(axis=1) == label[task.train]
    loss = done.fit.loss[done.fit.rounds - 1]
    probability, kind = done.probability(rows[task.test]), done.calibration.kind
    return FoldDone(probability, done, line, done.fit.rounds, loss, kind, float(hit.mean()))


def _line(sheet: Sheet, rows: Rows, task: FoldTask) -> Column:
    train, test = sheet.rows[rows].astype(np.float64), sheet.rows[task.test].astype(np.float64)
    return logistic(train, sheet.label[rows], test, task.recipe.classes)


def embargo_of(terms: ModelTerms) -> int:
    """In microseconds."""
    return int(terms.embargo.total_seconds() * 1e6) if terms.embargo else 0


def fit_folds(
    lab: Lab,
    data: Dataset,
    jobs: Sequence[tuple[ModelTerms, Fold, Mapping[str, Any]]],
    tell: Tell,
    what: str,
    beside: bool = False,
) -> list[FoldDone]:
    """Fit each (terms, fold) wherever the lab's work is done; their rows are begun before the first fit.

    Raises `JudgementError` when nothing can be learnt from one of them: then none has counted for anything.
    """
    tasks, numbers = [], []
    for terms, fold, note in jobs:
        inner = hold_back(data.cases.time, data.cases.until, fold.train, embargo=embargo_of(terms))
        tasks.append(FoldTask(inner.train, inner.test, fold.test, Recipe.of(terms), beside))
        numbers.append(begun(lab, terms, data, FOLD, note))
    found: dict[int, FoldDone] = {}
    sheet = Sheet.of(data)
    try:
        for place, done in lab.spread.over(fold_work, (sheet.rows, sheet.label, sheet.time, sheet.names), tasks):
            found[place] = done
            _note(lab, numbers[place], done, data.cases.label[tasks[place].test])
            tell(what, len(found) / len(tasks))
    except Exception as error:
        for place in set(range(len(tasks))) - set(found):
            lab.experiments.end(numbers[place], FAILED, lab.now(), {"why": str(error)})
        raise
    for done in found.values():
        if done.code:
            raise JudgementError(done.code, done.why)
    return [found[place] for place in range(len(tasks))]


def walk(
    playbook: Playbook, terms: ModelTerms, bars: Sequence[BarColumns], lab: Lab, data: Dataset, tell: Tell
) -> Walked:
    """Train again and again on what was before, forecast what comes next: as the desk would have lived it."""
    cases, folds = data.cases, walk_forward(data.cases.time, data.cases.until, FOLDS, embargo=embargo_of(terms))
    jobs = [(terms, fold, {"walk": number}) for number, fold in enumerate(folds)]
    done = fit_folds(lab, data, jobs, tell, "walking forward", beside=True)
    rows = np.concatenate([fold.test for fold in folds])
    probability = np.concatenate([one.probability for one in done])
    line = np.concatenate([one.logistic for one in done if one.logistic is not None])
    number = np.repeat(np.arange(len(folds)), [len(fold.test) for fold in folds])
    size = [len(fold.train) for fold in folds]
    shares = shares_of(cases.label[folds[0].train], cases.classes)
    training = Training(
        max(size), float(np.average([one.learnt for one in done], weights=size)), tuple(shares.tolist())
    )
    judgement = judge(cases.at(rows), probability, {"logistic": line}, training, fold=number)
    voices = [voice_of(data, fold, one, fold.test) for fold, one in zip(folds, done, strict=True)]
    said = heard(data, terms.predict_every, bars, voices)
    return Walked(judgement, traded(playbook, bars, voices, said, terms_of(playbook)))


def walk_paths(
    playbook: Playbook, terms: ModelTerms, bars: Sequence[BarColumns], lab: Lab, data: Dataset, tell: Tell
) -> tuple[PathFigure, ...]:
    """Combinatorial purged cross-validation, 6 groups of which 2 are tested: 15 fits, 5 whole histories."""
    plan = combinatorial(data.cases.time, data.cases.until, embargo=embargo_of(terms))
    jobs = [(terms, fold, {"combination": plan.tested[i].tolist()}) for i, fold in enumerate(plan.folds)]
    done = fit_folds(lab, data, jobs, tell, "testing every path")
    return tuple(
        _path(playbook, bars, data, [(plan.folds[fold], done[fold], rows) for fold, rows in plan.path(number)])
        for number in range(plan.paths.shape[1])
    )


def _path(
    playbook: Playbook, bars: Sequence[BarColumns], data: Dataset, parts: Sequence[tuple[Fold, FoldDone, Rows]]
) -> PathFigure:
    rows = np.concatenate([part for _, _, part in parts])
    chosen = [done.probability[np.searchsorted(fold.test, part)] for fold, done, part in parts]
    probability, label = np.concatenate(chosen), data.cases.label[rows]
    voices = [voice_of(data, fold, done, part) for fold, done, part in parts]
    said = heard(data, model_of(playbook).predict_every, bars, voices)
    money = traded(playbook, bars, voices, said, terms_of(playbook))
    accuracy = float((probability.argmax(axis=1) == label).mean())
    sharpe = money.form.sharpe if money.form else None
    return PathFigure(accuracy, log_loss(probability, label), money.pnl, money.trades, sharpe)


def voice_of(data: Dataset, fold: Fold, done: FoldDone, rows: Rows) -> Voice:
    """What a fold's fit says over the span of some of its test rows."""
    if done.fitted is None:
        raise ValueError(f"a fold that taught nothing ({done.why}) has nothing to say")
    return Voice.of(data, rows, done.fitted.probability, moves_of(data, fold.train))


def _note(lab: Lab, number: int, done: FoldDone, label: Classes) -> None:
    if done.code:
        lab.experiments.end(number, FAILED, lab.now(), {"why": done.why})
        return
    figures = {
        "rounds": done.rounds,
        "validation_loss": done.validation_loss,
        "rows": len(label),
        "log_loss": log_loss(done.probability, label),
        "accuracy": float((done.probability.argmax(axis=1) == label).mean()),
        "calibration": done.calibration,
    }
    lab.experiments.end(number, DONE, lab.now(), figures)
