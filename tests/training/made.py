"""What the tests of trainings share: a playbook, a laboratory, and small markets whose truth is known."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from engine.forecasting.registry import ModelFolder
from engine.playbook import load
from engine.ports import BarColumns
from engine.training.experiments import opened
from engine.training.fitting import Lab
from engine.training.spreading import Spread
from engine.training.training import Study, train

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
START = 1_700_006_400_000_000  # a midnight
STEP = timedelta(minutes=5)
STEP_US = 300_000_000


def playbook(name="direction", **changes):
    """A playbook of the shelf with some terms of its model changed; `learner` and `label` change theirs alone."""
    found = load(name)
    terms = found.model
    for part in ("learner", "label"):
        if part in changes:
            changes[part] = getattr(terms, part).model_copy(update=changes[part])
    return found.model_copy(update={"model": terms.model_copy(update=changes)})


SMALL = playbook(sample_every=timedelta(minutes=30), learner={"rounds": 60, "early_stopping": 10})


@contextmanager
def lab(folder, spread=None, asof=None):
    """A laboratory whose ledger lies in `folder`; its clock ticks a second at each look."""
    seconds = iter(range(10_000_000))
    with opened(folder / "experiments.sqlite") as experiments:
        yield Lab(
            experiments, lambda: NOW + timedelta(seconds=next(seconds)), "code", spread=spread or Spread(), asof=asof
        )


def told(what, share):
    assert what
    assert 0 <= share <= 1


def trained(folder, bars, playbook=SMALL, study=None, spread=None, tell=told, asof=None):
    with lab(folder, spread, asof) as room:
        return train(playbook, bars, room, ModelFolder(folder / "models"), tell, study=study or Study())


def walk(symbol="BTC/USD", days=60, seed=0, step=STEP):
    """Bars in which nothing can be known: independent steps and volumes."""
    draw = np.random.default_rng(seed)
    each = int(step / timedelta(microseconds=1))
    count = int(days * 86_400_000_000 // each)
    return bars_of(symbol, np.exp(np.cumsum(draw.normal(0, 0.002, count))), draw.lognormal(3, 0.4, count), draw, step)


def bars_of(symbol, close, volume, draw, step=STEP):
    each = int(step / timedelta(microseconds=1))
    close = 100.0 * close
    before = np.concatenate(([close[0]], close[:-1])) * (1 + draw.uniform(-0.0001, 0.0001, len(close)))
    high = np.maximum(before, close) * (1 + draw.uniform(0, 0.0004, len(close)))
    low = np.minimum(before, close) * (1 - draw.uniform(0, 0.0004, len(close)))
    time = START + (1 + np.arange(len(close), dtype=np.int64)) * each
    return BarColumns(symbol, step, time, before, high, low, close, volume)


def market(coins=3, days=60, seed=0):
    return [walk(f"C{coin}/USD", days, 1_000 * seed + coin) for coin in range(coins)]


def cut(bars, first, last=None):
    names = ("time", "open", "high", "low", "close", "volume")
    return replace(bars, **{name: getattr(bars, name)[first:last] for name in names})
