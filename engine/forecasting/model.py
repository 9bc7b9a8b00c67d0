"""A model at work: features in, calibrated probabilities out, and why. Loaded from an artefact, or just fitted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.forecasting.boosting import xgb
from engine.forecasting.calibrators import Calibrator
from engine.forecasting.cases import CLASSES, Column
from engine.forecasting.drift import Reference

Features: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Passport:
    """What a model is, apart from its trees. `code` is the hash of the engine's sources it was made with.

    `moves` are, by class, the mean change over the horizon in units of the volatility at the forecast: what a forecast
    is worth in money. `reference` is the training distribution of each feature, which drift (PSI) is measured from.
    """

    name: str
    version: str
    playbook: str
    feature_set: str
    features: tuple[str, ...]
    interval: timedelta
    horizon: timedelta
    classes: int
    band: float | None
    created: datetime
    expires: datetime
    train_start: datetime
    train_end: datetime
    dataset: str  # content hash
    code: str
    parameters: dict[str, Any]
    calibration: Calibrator
    moves: tuple[float, ...]
    reference: tuple[Reference, ...]  # of each feature
    importances: tuple[tuple[str, float], ...]
    figures: dict[str, float]
    verdict: str
    promotable: bool
    by_rule: bool
    symbols: tuple[str, ...]
    sentence: str = ""  # the gate's, for people
    failing: tuple[str, ...] = ()  # sentences of the steps that keep it from being promoted
    label: str = ""  # what the market is that it learnt from: "simulated", "planted edge"; "" for a real one

    @property
    def words(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""
        return CLASSES[self.classes]

    def covers(self, symbol: str) -> bool:
        """Whether it learnt from this coin, in whatever currency."""
        coin = symbol.partition("/")[0]
        return any(one.partition("/")[0] == coin for one in self.symbols)


class Model:
    """Trees with their passport. Safe to use from one thread at a time."""

    def __init__(self, passport: Passport, booster: Any, threads: int = 1) -> None:
        """`booster`: an `xgboost.Booster` fitted on float32 columns in the order of `passport.features`."""
        self.passport = passport
        self.booster = booster
        booster.set_param({"nthread": threads})

    def raw(self, rows: Features) -> Column:
        """Uncalibrated probabilities [row, class] of feature rows [row, feature]."""
        return raw_probability(self.booster, rows)

    def predict(self, rows: Features) -> Column:
        """Calibrated probabilities [row, class]; one call for all coins. Rows must have every number."""
        return self.passport.calibration.apply(self.raw(rows))

    def contributions(self, rows: Features) -> Column:
        """SHAP contributions [row, feature + 1] (the last is the bias) to the margin: of the second class's log-odds,
        or of the likeliest class among three. They add up to the margin that the trees give."""
        told = self.booster.predict(xgb().DMatrix(np.asarray(rows, np.float32)), pred_contribs=True)
        if told.ndim == 2:
            two: Column = told.astype(np.float64)
            return two
        likeliest = self.raw(rows).argmax(axis=1)
        three: Column = told[np.arange(len(rows)), likeliest].astype(np.float64)
        return three

    def edge(self, probability: Column) -> Column:
        """The expected change over the horizon in units of volatility [row]: Σ probability × the class's mean move."""
        answer: Column = probability @ np.array(self.passport.moves)
        return answer


def raw_probability(booster: Any, rows: Features) -> Column:
    """[row, class] of a booster: of two classes it gives only the second's."""
    told = np.asarray(booster.inplace_predict(np.ascontiguousarray(rows, np.float32)), np.float64)
    return np.column_stack((1.0 - told, told)) if told.ndim == 1 else told


def row_hash(features: Sequence[str], row: Column) -> str:
    """16 hex digits that a feature row can be found and checked by."""
    digest = hashlib.sha256("\0".join(features).encode())
    digest.update(np.ascontiguousarray(row, np.float64).tobytes())
    return digest.hexdigest()[:16]
