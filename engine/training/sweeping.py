"""A small sweep over the learner's numbers: chosen before the test is looked at, and every member counts as a trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.forecasting.cases import Column, Rows
from engine.forecasting.money import Money
from engine.forecasting.scores import log_loss
from engine.forecasting.splits import Fold, walk_forward
from engine.playbook.learner_terms import Learner, Sweep
from engine.playbook.model import Playbook
from engine.playbook.model_terms import ModelTerms
from engine.ports import BarColumns
from engine.training.counting import earned
from engine.training.dataset import Dataset
from engine.training.experiments import DONE, TRIAL
from engine.training.fitting import Lab, accounted, begun
from engine.training.folds import FoldDone, embargo_of, fit_folds, voice_of
from engine.training.steps import Tell
from engine.training.trading import heard, model_of, terms_of, traded


@dataclass(frozen=True, slots=True)
class Member:
    """One set of numbers: its log-loss out of sample in the walk forward before the test, and what it earned there."""

    learner: Learner
    log_loss: float
    pnl: float
    daily_sharpe: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Swept:
    """All members, which one is `best`, and their daily returns [day, member] over the same days."""

    members: tuple[Member, ...]
    best: int
    returns: Column

    @property
    def learner(self) -> Learner:
        return self.members[self.best].learner


def sweep(
    playbook: Playbook,
    terms: ModelTerms,
    asked: Sweep,
    bars: Sequence[BarColumns],
    lab: Lab,
    data: Dataset,
    before: Rows,
    tell: Tell,
) -> Swept:
    """Walk every member forward over the rows `before` the test; the one with the lowest log-loss there is best."""
    folds = [_among(before, fold) for fold in _folds(terms, asked, data, before)]
    sets = [terms.model_copy(update={"learner": learner}) for learner in asked.members(terms.learner)]
    numbers = [begun(lab, one, data, TRIAL, {"sweep": len(sets)}) for one in sets]
    jobs = [
        (one, fold, {"trial": number, "fold": place})
        for one, number in zip(sets, numbers, strict=True)
        for place, fold in enumerate(folds)
    ]
    with accounted(lab, *numbers):
        done = fit_folds(lab, data, jobs, tell, f"trying {len(sets)} sets of numbers")
    members, returns = [], []
    for place, (one, number) in enumerate(zip(sets, numbers, strict=True)):
        mine = done[place * len(folds) : (place + 1) * len(folds)]
        loss, money = _of(playbook, bars, data, folds, mine)
        sharpe = money.form.sharpe if money.form else None
        lab.experiments.end(number, DONE, lab.now(), {"log_loss": loss, **earned(money)})
        members.append(Member(one.learner, loss, money.pnl, sharpe))
        returns.append(money.days)
    best = int(np.argmin([one.log_loss for one in members]))
    return Swept(tuple(members), best, np.column_stack([np.array(one) for one in returns]))


def _folds(terms: ModelTerms, asked: Sweep, data: Dataset, before: Rows) -> Sequence[Fold]:
    time, until = data.cases.time[before], data.cases.until[before]
    return walk_forward(time, until, asked.folds, embargo=embargo_of(terms))


def _among(rows: Rows, fold: Fold) -> Fold:
    """The fold's places among `rows` as places in the dataset."""
    return Fold(rows[fold.train], rows[fold.test], fold.left_out)


def _of(
    playbook: Playbook, bars: Sequence[BarColumns], data: Dataset, folds: Sequence[Fold], done: Sequence[FoldDone]
) -> tuple[float, Money]:
    rows = np.concatenate([fold.test for fold in folds])
    probability = np.concatenate([one.probability for one in done])
    voices = [voice_of(data, fold, one, fold.test) for fold, one in zip(folds, done, strict=True)]
    said = heard(data, model_of(playbook).predict_every, bars, voices)
    money = traded(playbook, bars, voices, said, terms_of(playbook))
    return log_loss(probability, data.cases.label[rows]), money
