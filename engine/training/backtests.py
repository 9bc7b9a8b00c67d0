"""A backtest of a model is a look at results as a training is one: it has a row, and counts as a trial."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import numpy as np

from engine.backtest.market import Series
from engine.backtest.runner import Backtest
from engine.domain import micros
from engine.forecasting.model import Passport
from engine.forecasting.money import daily_returns
from engine.forecasting.overlap import DAY
from engine.inference import shape
from engine.playbook.model import Playbook
from engine.playbook.model_terms import ModelTerms
from engine.training.counting import asked, configuration, kept_days, rules_of
from engine.training.experiments import BACKTEST, DONE
from engine.training.fitting import Lab, accounted

Keep = Callable[[Backtest], None]


@contextmanager
def noted(
    lab: Lab, playbook: Playbook, terms: ModelTerms, passport: Passport, bars: Sequence[Series]
) -> Iterator[Keep]:
    """A row of the backtest of a version over `bars`, begun before and ended with what is given to the function that
    this yields. A backtest that fails closes it as *failed*."""
    named = terms.learner.model_dump()
    learner = terms.learner.model_copy(update={name: passport.parameters.get(name, named[name]) for name in named})
    told = asked(
        terms,
        playbook=playbook.name,
        configuration=configuration(rules_of(playbook), terms.model_copy(update={"learner": learner})),
        market=lab.market,
        coins=[series.symbol for series in bars],
        since=min(int(series.time[0]) for series in bars),
        until=max(int(series.time[-1]) for series in bars),
    )
    told["version"] = passport.version
    number = lab.experiments.begin(terms.name, BACKTEST, lab.now(), _hash(bars), lab.code, told)
    with accounted(lab, number):
        yield lambda done: lab.experiments.end(number, DONE, lab.now(), _earned(done))


def _earned(done: Backtest) -> dict[str, object]:
    times = np.array([micros(point.at) for point in done.curve], np.int64)
    days = daily_returns(times, np.array([point.equity for point in done.curve])).tolist()
    pnl = sum(trade.pnl for trade in done.trades)
    kept = kept_days(-(-int(times[0]) // DAY), days, shape(days))
    return {"pnl": pnl, "trades": len(done.trades), **kept}


def _hash(bars: Sequence[Series]) -> str:
    digest = hashlib.sha256()
    for series in bars:
        digest.update(f"{series.symbol}\0{timedelta(microseconds=series.interval)}\0".encode())
        for column in (series.time, *series.prices):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
