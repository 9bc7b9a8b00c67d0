"""Bars that wander, forecasts drawn for them, and a small model fitted on them."""

from datetime import UTC, datetime, timedelta

import numpy as np

from engine.backtest import Series
from engine.domain import instant
from engine.evaluation import forecast_columns
from engine.ports import BarColumns
from engine.training.dataset import build

MINUTE = 60_000_000
START = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp()) * 1_000_000


def wandering(symbol="BTC/USD", bars=4_000, seed=1, size=1e-3, interval=MINUTE):
    """A random walk of closes; each bar opens at the close before and reaches a little beyond both."""
    draw = np.random.default_rng([seed, *symbol.encode()])
    close = 100.0 * np.exp(np.cumsum(draw.normal(0.0, size, bars)))
    opened = np.concatenate(([100.0], close[:-1]))
    reach = np.exp(np.abs(draw.normal(0.0, size / 3, (2, bars))))
    high, low = np.maximum(opened, close) * reach[0], np.minimum(opened, close) / reach[1]
    time = START + interval * np.arange(bars)
    return Series(symbol, interval, time, opened, high, low, close, draw.uniform(500.0, 900.0, bars))


def columns_of(series):
    step = timedelta(microseconds=series.interval)
    return BarColumns(series.symbol, step, series.time + series.interval, *series.prices)


def drawn(series, classes=2, seed=3, every=1, strength=6.0, threshold=None):
    """Forecast columns at every `every`-th bar: probabilities of any size, and the edge that goes with them."""
    draw = np.random.default_rng(seed)
    raw = draw.exponential(1.0, (len(series), classes)) ** 2
    probability = raw / raw.sum(axis=1, keepdims=True)
    edge = strength * (probability[:, -1] - probability[:, 0])
    silent = np.arange(len(series)) % every != every - 1
    silent[:100] = True
    probability[silent], edge[silent] = np.nan, np.nan
    return forecast_columns(probability, edge, threshold)


def fitted(playbook, market, folder, rows=0.5):
    """A model of a few trees on the first part of the market, kept in `folder`; returns its version.

    It knows nothing worth knowing: only that it is a model of this playbook matters.
    """
    from engine.forecasting.calibrators import Calibrator
    from engine.forecasting.drift import reference
    from engine.forecasting.learner import fit
    from engine.forecasting.model import Passport

    terms = playbook.model
    data = build(terms, [columns_of(series) for series in market])
    part = len(data) * int(100 * rows) // 100
    x, y = data.rows[:part], data.cases.label[:part]
    half = part // 2
    settings = terms.learner.model_dump() | {"rounds": 20, "min_child_weight": 1.0}
    made = fit(x[:half], y[:half], x[half:], y[half:], terms.label.classes, settings)
    end = instant(int(data.cases.until[part - 1]))
    straight = ((0.0, 0.0), (1.0, 1.0))
    passport = Passport(
        name=terms.name,
        version="20260303T000000-abcdef",
        playbook=playbook.name,
        feature_set=data.features.name,
        features=data.features.names,
        interval=data.interval,
        horizon=terms.label.horizon,
        classes=terms.label.classes,
        band=terms.label.band,
        created=end,
        expires=end + timedelta(days=7),
        train_start=instant(int(data.cases.time[0])),
        train_end=end,
        dataset=data.hash,
        code="test",
        parameters={},
        calibration=Calibrator("isotonic", (straight,) * (1 if terms.label.classes == 2 else 3)),
        moves=(-40.0, 40.0) if terms.label.classes == 2 else (-40.0, 0.0, 40.0),
        reference=tuple(reference(x[:, n].astype(np.float64)) for n in range(x.shape[1])),
        importances=(),
        figures={},
        verdict="edge",
        promotable=True,
        by_rule=False,
        symbols=data.symbols,
    )
    folder.save(passport, made.booster)
    return passport.version
