"""Which trials count together: those that asked the same of the same bars, whatever playbook and model are called.

A trial is a result that somebody could have chosen. All of them say how much luck there is in the best (deflated Sharpe
ratio); those with other numbers, judged on some of the same days, say how much was chosen by luck (PBO). A training of
the same numbers on another night is a trial, but nothing that this one was chosen among.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.domain import MarketKind, Symbol, micros
from engine.forecasting.money import Money
from engine.forecasting.overlap import DAY
from engine.forecasting.skill import FEWEST_DAYS, Choice
from engine.inference import Shape
from engine.messages import Born
from engine.playbook.model import Playbook
from engine.playbook.model_terms import ModelTerms
from engine.training.experiments import BACKTEST, DONE, TRIAL, Experiment

_TRADING = {"universe", "capital", "interval", "coins", "strategies", "costs", "volume_share", "limits", "quality"}
_LEARNING = {
    "features",
    "label",
    "predict_every",
    "history",
    "sample_every",
    "shares",
    "embargo",
    "learner",
    "calibration",
}
_DIGITS = 9


def asked(
    terms: ModelTerms,
    *,
    playbook: str,
    configuration: str,
    market: str,
    coins: Sequence[Symbol],
    since: int,
    until: int,
) -> dict[str, Any]:
    """What is written of a trial so that it can be counted; `since` and `until` in µs."""
    label = terms.label.model_dump(mode="json")
    told = {"playbook": playbook, "configuration": configuration, "label": label, "market": market}
    return {**told, "coins": list(coins), "since": since, "until": until}


def market_word(born: Born | None, planted: float | None = None) -> str:
    """Which market a desk's bars are of, as trials are told apart: "" for a real one, live or recorded."""
    share = born.planted if born else planted
    if share is not None:
        return f"planted edge {share:g}"
    return "simulated" if born and born.kind is MarketKind.SIMULATED else ""


def rules_of(playbook: Playbook) -> str:
    """The hash of how a playbook trades: its names and its words are left out."""
    content = playbook.model_dump(mode="json", include=_TRADING)
    return _hash([content, [program.digest for program in playbook.programs]])


def configuration(rules: str, terms: ModelTerms) -> str:
    """The hash of all numbers that a result depends on, but for the bars."""
    return _hash([rules, terms.model_dump(mode="json", include=_LEARNING)])


def alike(told: Mapping[str, Any], model: str, dataset: str, rows: Sequence[Experiment]) -> list[Experiment]:
    """The trials among `rows` that asked what `told` (`asked`) asks, of bars that overlap or are the same. The same
    backtest made again says nothing new, and counts once."""
    seen = set()
    found = []
    for one in rows:
        if one.kind not in (TRIAL, BACKTEST) or not _same(told, model, dataset, one):
            continue
        again = (one.parameters.get("configuration"), one.parameters.get("version"), one.dataset)
        if one.kind == TRIAL or again not in seen:
            found.append(one)
        if one.kind == BACKTEST:
            seen.add(again)
    return found


def daily_sharpes(trials: Sequence[Experiment]) -> list[float]:
    """Those of the trials that came to one, oldest first."""
    found = (one.figures.get("daily_sharpe") for one in trials)
    return [float(value) for value in found if value is not None]


def earned(money: Money) -> dict[str, Any]:
    """What is kept of a trial's money: by it later trials know what they were chosen among."""
    return {"pnl": money.pnl, **kept_days(money.first_day, money.days, money.form)}


def kept_days(first: int, returns: Sequence[float], form: Shape | None) -> dict[str, Any]:
    """Returns of whole UTC days from the day `first` (counted from 1970) on, and their Sharpe ratio."""
    days = [round(value, _DIGITS) for value in returns]
    return {"daily_sharpe": form.sharpe if form else None, "first_day": first, "days": days}


def chosen_among(trials: Sequence[Experiment], configuration: str, money: Money) -> Choice:
    """The trials of other numbers that were judged on some of the days of `money`, beside it, as many of them as share
    enough days. One that kept no days, from before they were kept, shares none that could be looked at."""
    mine = _days(earned(money))
    others: dict[str, dict[int, float]] = {}
    for one in trials:
        other = one.parameters.get("configuration", "")
        if one.status == DONE and other != configuration and _judged_since(one, money):
            others[other or str(one.id)] = _days(one.figures)
    ranked = sorted(others.values(), key=lambda days: -len(days.keys() & mine.keys()))
    kept, shared = [mine], set(mine)
    for days in ranked:
        fewer = shared & days.keys()
        if len(kept) > 1 and len(fewer) < FEWEST_DAYS:
            break
        kept, shared = [*kept, days], fewer
    return Choice(np.array([[days[day] for days in kept] for day in sorted(shared)]).reshape(-1, len(kept)))


def _judged_since(one: Experiment, money: Money) -> bool:
    """Whether a trial was judged on some of these days, as far as is known."""
    days = _days(one.figures)
    if "days" in one.figures:
        return any(money.first_day <= day < money.first_day + len(money.days) for day in days)
    return one.ended_at is not None and micros(one.ended_at) // DAY >= money.first_day


def _days(figures: Mapping[str, Any]) -> dict[int, float]:
    return dict(enumerate(figures.get("days", ()), figures.get("first_day", 0)))


def _same(told: Mapping[str, Any], model: str, dataset: str, one: Experiment) -> bool:
    theirs = one.parameters
    if "label" not in theirs:  # a row from before more was known of it than the model's name
        return one.model == model
    if any(theirs[name] != told[name] for name in ("label", "market")):
        return False
    together = set(theirs["coins"]) & set(told["coins"])
    return one.dataset == dataset or bool(
        together and theirs["since"] < told["until"] and told["since"] < theirs["until"]
    )


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
