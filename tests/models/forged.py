"""Small real models, made in a second: trees fitted on core6 rows, in a folder as a training leaves them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import xgboost

from engine.domain import BarQuality, instant
from engine.features.core6 import core6
from engine.features.sets import known
from engine.forecasting.calibrators import Calibrator
from engine.forecasting.drift import reference
from engine.forecasting.model import Passport
from engine.forecasting.registry import ModelFolder
from engine.messages import Minute
from engine.playbook import parse
from engine.ports import BarColumns
from tests.models.made import with_model

COINS = ("BTC/USD", "ETH/USD", "SOL/USD")
MINUTE = timedelta(minutes=1)
BEGIN = datetime(2026, 11, 20, tzinfo=UTC)
PLAIN = Calibrator("platt", (((1.0, 0.0),),))  # leaves probabilities as they are

DIRECTION = with_model().replace("strategy: ema", "strategy: direction").replace("- name: ema", "- name: direction")


def playbook(text=DIRECTION, entry="0 %", **changes):
    """The kit's playbook, trading on forecasts: enters on any rise that is likelier than a fall and worth its costs."""
    text = text.replace("    sizing:", f"    min_confidence: {entry}\n    sizing:", 1) if entry else text
    for old, new in changes.items():
        text = text.replace(old, new)
    return parse(text)


def bars(symbol, count=700, seed=0, begin=BEGIN):
    draw = np.random.default_rng([seed, *symbol.encode()])
    close = 100 * np.exp(np.cumsum(draw.normal(0, 0.002, count)))
    before = np.concatenate(([100.0], close[:-1]))
    high, low = np.maximum(before, close) * 1.0005, np.minimum(before, close) * 0.9995
    time = (int(begin.timestamp()) + 60 * (1 + np.arange(count))) * 1_000_000
    return BarColumns(symbol, MINUTE, time, before, high, low, close, draw.lognormal(3, 0.4, count))


def until(one, count):
    return one.cut(slice(count))


@cache
def booster(classes=2, depth=3):
    """Trees that have learnt something of core6, whatever it is."""
    parts = [core6.batch(bars(symbol, 2000, seed=9)) for symbol in COINS]
    rows = np.concatenate([part[known(part)] for part in parts])
    label = (np.argsort(np.argsort(rows[:, 2])) * classes // len(rows)).astype(int)  # RSI, in equal parts
    two = {"objective": "binary:logistic"}
    more = {"objective": "multi:softprob", "num_class": classes}
    settings = {"max_depth": depth, "nthread": 1, "seed": 1, **(two if classes == 2 else more)}
    return xgboost.train(settings, xgboost.DMatrix(rows.astype(np.float32), label), num_boost_round=8), rows


def passport(version="v1", **changes):
    rows = booster()[1]
    made = Passport(
        name="direction",
        version=version,
        playbook="kit",
        feature_set="core6",
        features=core6.names,
        interval=MINUTE,
        horizon=timedelta(minutes=10),
        classes=2,
        band=None,
        created=BEGIN,
        expires=BEGIN + timedelta(days=30),
        train_start=BEGIN,
        train_end=BEGIN,
        dataset="0" * 64,
        code="0" * 64,
        parameters={},
        calibration=PLAIN,
        moves=(-2.0, 2.0),
        reference=tuple(reference(rows[:, number]) for number in range(rows.shape[1])),
        importances=tuple((name, 1 / 6) for name in core6.names),
        figures={"accuracy": 0.6, "accuracy_low": 0.57, "accuracy_high": 0.63, "effective_n": 900.0, "brier": 0.24}
        | {"calibration_error": 0.01, "test_rows": 4000.0, "trades": 150.0, "pnl": 12.0},
        verdict="edge",
        promotable=True,
        by_rule=True,
        symbols=COINS,
        sentence="Right 60.0 % of the time. That beats chance and every baseline.",
    )
    return replace(made, **changes)


def saved(root, version="v1", **changes):
    """A version on disk; returns its artefact's hash."""
    return ModelFolder(root).save(passport(version, **changes), booster(changes.get("classes", 2))[0])


def minute_of(market, row, quality=BarQuality.GOOD, **grades):
    """The message for bar `row` of every coin."""
    columns = {name: tuple(float(getattr(one, name)[row]) for one in market) for name in ("open", "high", "low")}
    return Minute(
        at=instant(int(market[0].time[row])),
        symbols=tuple(one.symbol for one in market),
        **columns,
        close=tuple(float(one.close[row]) for one in market),
        volume=tuple(float(one.volume[row]) for one in market),
        quality=tuple(str(grades.get(one.symbol[:3], quality)) for one in market),
        trades=tuple(None if one.trades is None else int(one.trades[row]) for one in market),
    )
