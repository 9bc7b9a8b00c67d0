"""One training from bars to a judged model on disk: nothing is fitted without a row, nothing half-made is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from threadpoolctl import threadpool_limits

from engine.domain import instant
from engine.forecasting.baselines import logistic
from engine.forecasting.card import ModelCard
from engine.forecasting.cases import Column, JudgementError, Rows
from engine.forecasting.gate import Findings, GateTerms
from engine.forecasting.intervals import FEWEST_BLOCKS, few_days
from engine.forecasting.judgement import Judgement, Training, judge
from engine.forecasting.learner import require_device
from engine.forecasting.model import Passport
from engine.forecasting.money import Fees, Money
from engine.forecasting.overlap import blocks
from engine.forecasting.registry import ModelFolder
from engine.forecasting.scores import shares_of
from engine.forecasting.skill import Choice, Skill, skill
from engine.forecasting.splits import Thirds, chronological
from engine.forecasting.verdicts import decide
from engine.forecasting.wording import span
from engine.playbook.learner_terms import Sweep
from engine.playbook.model import Playbook
from engine.playbook.model_terms import ModelTerms
from engine.ports import BarColumns
from engine.training.controls import canaries, causal
from engine.training.counting import alike, chosen_among, daily_sharpes, earned, rules_of
from engine.training.dataset import Dataset, build, moves_of
from engine.training.experiments import TRIAL
from engine.training.fitting import Fitted, Lab, accounted, asked_of, close, fitted
from engine.training.folds import PathFigure, Walked, embargo_of, walk, walk_paths
from engine.training.passports import Result, card_of, passport_of
from engine.training.steps import Steps, Tell
from engine.training.sweeping import Swept, sweep
from engine.training.trading import Voice, fees_of, heard, model_of, rehearse, terms_of, traded

THRESHOLDS = (0.50, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80)


@dataclass(frozen=True, slots=True)
class Study:
    """What a training does beside the one fit: walk forward, test combinatorial paths, sweep the learner's numbers.
    `old`: bars of any age, for the sake of knowing; what comes of old ones is not promotable."""

    walk: bool = False
    paths: bool = False
    sweep: Sweep | None = None
    old: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A model on disk, judged. `artefact` is the hash by which it is loaded."""

    passport: Passport
    artefact: str
    card: ModelCard
    data: Dataset
    walked: Walked | None = None
    paths: tuple[PathFigure, ...] = ()
    swept: Swept | None = None


def train(
    playbook: Playbook,
    bars: Sequence[BarColumns],
    lab: Lab,
    folder: ModelFolder,
    tell: Tell,
    draw_card: Callable[[ModelCard], bytes] | None = None,
    label: str = "",
    study: Study | None = None,
) -> Trained:
    """Train the playbook's model on `bars` (one entry per coin) and judge it on the newest part, once.

    Raises `JudgementError` with a reason code for bars that nothing can be learnt from: the folder is as before then.
    """
    asked, study = model_of(playbook), study or Study()
    require_device(asked.learner.device)
    lab = replace(lab, playbook=playbook.name, rules=rules_of(playbook))
    if not study.old:
        _require_fresh(asked, bars, lab.asof)
    steps = Steps(tell, _steps(asked, study))
    steps.at("look")("looking at the features", 0.0)
    data = build(asked, bars)
    rehearse(playbook, bars, asked.label.classes)
    causality = causal(asked, data, bars)
    if causality.leaking:
        raise JudgementError("LEAK", f"the feature {causality.leaking[0]} knows the future; nothing is learnt from it")
    thirds = parted(asked, data)
    require_days(asked, data, thirds)
    before = np.sort(np.concatenate([thirds.train, thirds.validation]))
    wanted = study.sweep or asked.sweep
    swept = sweep(playbook, asked, wanted, bars, lab, data, before, steps.at("sweep")) if wanted else None
    terms = asked.model_copy(update={"learner": swept.learner}) if swept else asked
    walked = walk(playbook, terms, bars, lab, data, steps.at("walk")) if study.walk else None
    paths = walk_paths(playbook, terms, bars, lab, data, steps.at("paths")) if study.paths else ()
    number, done = fitted(
        lab,
        terms,
        data,
        thirds.train,
        thirds.validation,
        kind=TRIAL,
        progress=lambda part: steps.at("fit")(f"fitting on {len(thirds.train):,} rows", part),
    )
    steps.at("judge")("judging", 0.0)
    moves = moves_of(data, thirds.train)
    with accounted(lab, number):
        threshold = threshold_of(playbook, terms, bars, data, thirds.validation, done, moves)
        judgement, money, fees = _on_test(playbook, bars, data, thirds, done, moves, threshold)
    if walked:
        judgement = replace(judgement, folds=walked.judgement.folds)
    probability = done.probability(data.rows[thirds.test])
    close(lab, number, done, probability, data.cases.label[thirds.test], **earned(money))
    steps.at("canaries")("checking that it learns nothing from nothing", 0.0)
    luck = _luck(lab, terms, data, money, swept)
    found = Findings(judgement, money, luck, causality, canaries(lab, terms, data, bars, thirds, done))
    found = replace(found, fees=fees, age=lab.asof - judgement.end if lab.asof else None)
    gate = decide(found, gate_terms(terms))
    steps.at("canaries")("writing it down", 1.0)
    result = Result(data, thirds, done, number, judgement, money, fees, luck, gate, moves, threshold, label)
    passport = passport_of(playbook, terms, result, lab)
    card = card_of(playbook, passport, result)
    artefact = folder.save(passport, done.fit.booster, draw_card(card) if draw_card else None)
    return Trained(passport, artefact, card, data, walked, paths, swept)


def _require_fresh(terms: ModelTerms, bars: Sequence[BarColumns], asof: datetime | None) -> None:
    """Raise `JudgementError` when the newest of all bars is too old for a model that is to trade from now on."""
    newest = max((int(one.time[-1]) for one in bars if len(one.time)), default=None)
    if asof is None or newest is None or asof - instant(newest) <= terms.stale_after:
        return
    raise JudgementError(
        "STALE_DATA",
        f"the newest bar is of {instant(newest):%Y-%m-%d %H:%M} UTC, {span(asof - instant(newest))} ago; no model is "
        f"trained on bars older than {span(terms.stale_after)}: bring newer ones with `nightdesk backfill`, or study "
        "old ones with --bars",
    )


def _steps(terms: ModelTerms, study: Study) -> tuple[str, ...]:
    more = {"sweep": study.sweep or terms.sweep, "walk": study.walk, "paths": study.paths}
    return ("look", *(name for name, wanted in more.items() if wanted), "fit", "judge", "canaries")


def parted(terms: ModelTerms, data: Dataset) -> Thirds:
    """Train, validation and test in order of time, purged, with the playbook's embargo."""
    return chronological(data.cases.time, data.cases.until, terms.shares, embargo_of(terms))


def require_days(terms: ModelTerms, data: Dataset, thirds: Thirds) -> None:
    """Raise `JudgementError` when the newest part cannot be judged however good the fit: it has too few days."""
    time, until = data.cases.time[thirds.test], data.cases.until[thirds.test]
    found = len(np.unique(blocks(time, until)))
    if found < FEWEST_BLOCKS:
        raise JudgementError("FEW_DAYS", few_days(found, f"the newest {terms.shares[2]:.0%} of the history, the test,"))


def threshold_of(
    playbook: Playbook,
    terms: ModelTerms,
    bars: Sequence[BarColumns],
    data: Dataset,
    rows: Rows,
    done: Fitted,
    moves: Sequence[float],
) -> float:
    """The least confidence of an entry: the playbook's; of three classes the one at or above it that brought most on
    the validation `rows`, after costs (the lowest of equals)."""
    asked = terms_of(playbook)
    if terms.label.kind == "direction":
        return asked.threshold
    voices = [Voice.of(data, rows, done.probability, moves)]
    said = list(heard(data, terms.predict_every, bars, voices))
    choices = sorted({asked.threshold, *(one for one in THRESHOLDS if one > asked.threshold)})
    made = [traded(playbook, bars, voices, said, replace(asked, threshold=one)).pnl for one in choices]
    return choices[int(np.argmax(made))]


def judged(data: Dataset, thirds: Thirds, done: Fitted, probability: Column) -> Judgement:
    """Every figure on the test rows, beside logistic regression on the same features and rows."""
    rows, label = data.part(thirds.train)
    cases = data.cases.at(thirds.test)
    learnt = done.probability(rows).argmax(axis=1) == label
    classes = cases.classes
    training = Training(len(rows), float(learnt.mean()), tuple(shares_of(label, classes).tolist()))
    with threadpool_limits(1):  # a second thread would spin beside other work, not help it
        plain = logistic(rows.astype(np.float64), label, data.rows[thirds.test].astype(np.float64), classes)
    return judge(cases, probability, {"logistic": plain}, training)


def _luck(lab: Lab, terms: ModelTerms, data: Dataset, money: Money, swept: Swept | None) -> Skill:
    """What the money is worth among all trials that asked the same of these bars."""
    told = asked_of(lab, terms, data)
    trials = alike(told, terms.name, data.hash, lab.experiments.known())
    choices = [chosen_among(trials, told["configuration"], money)]
    choices += [Choice(swept.returns)] if swept else []
    return skill(money, daily_sharpes(trials), len(trials), choices)


def _on_test(
    playbook: Playbook,
    bars: Sequence[BarColumns],
    data: Dataset,
    thirds: Thirds,
    done: Fitted,
    moves: Sequence[float],
    threshold: float,
) -> tuple[Judgement, Money, Fees]:
    """The one look at the test rows."""
    probability = done.probability(data.rows[thirds.test])
    terms = replace(terms_of(playbook), threshold=threshold)
    voices = [Voice.of(data, thirds.test, done.probability, moves)]
    said = list(heard(data, model_of(playbook).predict_every, bars, voices))
    money = traded(playbook, bars, voices, said, terms)
    return judged(data, thirds, done, probability), money, fees_of(playbook, bars, voices, said, terms, money)


def gate_terms(terms: ModelTerms) -> GateTerms:
    asked = terms.acceptance
    return GateTerms(
        least_accuracy=asked.least_accuracy,
        fewest_trades=asked.fewest_trades,
        least_deflated_sharpe=asked.least_deflated_sharpe,
        most_overfitting=asked.most_overfitting,
        oldest=terms.expires_after,
    )
