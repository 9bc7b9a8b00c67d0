"""Models and their forecasts as rows: versions with what became of them, predictions, and what came true."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from engine import outcomes as o
from engine.forecasts import Forecast

Columns = dict[str, Any]
CLASSES = {2: ("down", "up"), 3: ("down", "flat", "up")}
_STATUS = {
    "promoted": "champion",
    "rolled_back": "champion",
    "resumed": "champion",
    "rejected": "rejected",
    "stopped": "stopped",
}


def prediction_id(model: str, version: str, symbol: str, at: datetime) -> str:
    return f"{model}:{version}:{symbol}:{at.isoformat()}"


def prediction(one: Forecast) -> Columns:
    """A row of `ml_predictions`, not settled yet."""
    words = CLASSES[len(one.probabilities)]
    return {
        "prediction_id": prediction_id(one.model, one.version, one.symbol, one.at),
        "time": one.at,
        "symbol": one.symbol,
        "prediction": words[one.guess],
        "confidence": one.confidence,
        "probabilities": dict(zip(words, one.probabilities, strict=True)) | {"shadow": one.shadow, "edge": one.edge},
        "horizon_seconds": int((one.until - one.at) / timedelta(seconds=1)),
        "model": one.model,
        "model_version": one.version,
        "features_hash": one.features_hash,
    }


def features(one: Forecast) -> Columns | None:
    """A row of `ml_features`: of those forecasts that led to a wish; the others are found by their hash alone."""
    if not one.row:
        return None
    place = {"time": one.at, "symbol": one.symbol, "feature_set": one.feature_set}
    return place | {"features": dict(one.row), "features_hash": one.features_hash}


def settled(outcome: o.ForecastsSettled) -> Iterator[Columns]:
    """What came true, into the rows of the predictions."""
    for symbol, move, correct in zip(outcome.symbols, outcome.moves, outcome.correct, strict=True):
        key = prediction_id(outcome.model, outcome.version, symbol, outcome.made)
        yield {"prediction_id": key, "actual_move": move, "correct": correct, "settled_at": outcome.until}


def offered(outcome: o.ModelOffered) -> Columns:
    """A row of `models`."""
    it, about = outcome.offered, outcome.about
    return {
        "model": outcome.model,
        "version": it.version,
        "created_at": it.trained,
        "expires_at": it.expires,
        "status": "challenger",
        "artefact": it.artefact,
        "dataset_hash": about.get("dataset"),
        "code_version": about.get("code"),
        "features": {"set": about.get("feature_set"), "names": about.get("features")},
        "parameters": about.get("parameters"),
        "metrics": dict(it.figures) | {"verdict": it.verdict, "promotable": it.promotable},
    }


def changed(outcome: o.ModelChanged) -> Iterator[Columns]:
    """The version's status, and that of the champion that had to go."""
    yield {"model": outcome.model, "version": outcome.version, "status": _STATUS[outcome.what]}
    if outcome.replaced:
        yield {"model": outcome.model, "version": outcome.replaced, "status": "replaced"}
