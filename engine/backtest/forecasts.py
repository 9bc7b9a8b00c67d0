"""A model's forecasts over past bars, in batch, as the columns that strategies see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from engine.backtest.frames import BarsError
from engine.backtest.market import Series
from engine.backtest.symbols import listed
from engine.domain import Symbol, instant, micros
from engine.evaluation import forecast_columns
from engine.features.sets import FeatureSet, Matrix, counted, find_set, known
from engine.forecasting.cases import Rows
from engine.forecasting.model import Model, Passport
from engine.playbook.model import Playbook
from engine.playbook.model_terms import ModelTerms
from engine.ports import BarColumns
from engine.strategies.columns import Column

Forecasts = Mapping[Symbol, Mapping[str, Column]]
_MICROSECOND = timedelta(microseconds=1)


def forecasts_of(playbook: Playbook, model: Model, market: Sequence[Series]) -> dict[Symbol, Mapping[str, Column]]:
    """By symbol, the columns of `engine.evaluation.forecast_columns`: a value per bar, NaN where none falls due or the
    features are not known. Raises `BarsError` for a model that cannot read these bars."""
    terms = playbook.model
    if terms is None or terms.name != model.passport.name:
        raise BarsError(f"{model.passport.name} {model.passport.version} is no model of the playbook {playbook.name}")
    return {series.symbol: _forecast(terms, model, series) for series in market}


def with_forecasts(
    playbook: Playbook, model: Model, market: Sequence[Series], start: datetime | None = None
) -> tuple[list[Series], Forecasts, list[str]]:
    """The bars to trade, the model's forecasts over them, and what is to be said: bars that the model learnt from are
    left out unless `start` was asked for. Raises `BarsError`."""
    forecasts = forecasts_of(playbook, model, market)
    passport, terms = model.passport, playbook.model
    said = f"{passport.name} {passport.version}, which learnt from bars until {passport.train_end:%Y-%m-%d %H:%M}"
    strange = [series.symbol for series in market if not passport.covers(series.symbol)]
    notes = [f"not forecast, because the model has not learnt from it: {listed(strange, 4)}"] if strange else []
    if terms is not None and terms.forecasts_others:
        notes = []
    if start is None:
        market, forecasts = after_training(passport, market, forecasts)
        return list(market), forecasts, [f"the model is {said}; only later bars are traded", *notes]
    if start < passport.train_end:
        said += ": what comes before is no test, the model knows it"
    return list(market), forecasts, [f"the model is {said}", *notes]


def after_training(
    passport: Passport, market: Sequence[Series], forecasts: Forecasts
) -> tuple[list[Series], dict[Symbol, Mapping[str, Column]]]:
    """Bars and forecasts after those that the model learnt from. Raises `BarsError` when there are none."""
    learnt = micros(passport.train_end)
    later = [series.since(learnt) for series in market]
    kept = [series for series in later if len(series) > 1]
    if not kept:
        end = instant(max(int(series.time[-1]) for series in market))
        raise BarsError(
            f"the model {passport.version} learnt from bars until {passport.train_end:%Y-%m-%d %H:%M} and these end "
            f"{end:%Y-%m-%d %H:%M}: trading them would only show what it remembers. Bring later bars, or name --from "
            "to see it all the same"
        )
    seen: dict[Symbol, Mapping[str, Column]] = {
        s.symbol: {name: one[-len(s) :] for name, one in forecasts[s.symbol].items()} for s in kept
    }
    return kept, seen


def due_of(rows: Matrix, bars: BarColumns, every: timedelta) -> Rows:
    """The numbers of the bars at whose close a forecast falls due and whose features (`rows`) are known."""
    found: Rows = np.flatnonzero(known(rows) & (bars.time % (every // _MICROSECOND) == 0))
    return found


def _forecast(terms: ModelTerms, model: Model, series: Series) -> Mapping[str, Column]:
    passport, step = model.passport, timedelta(microseconds=series.interval)
    if passport.interval != step:
        raise BarsError(
            f"the model {passport.version} reads bars of {passport.interval.total_seconds():g} s; those of "
            f"{series.symbol} are {step.total_seconds():g} s long"
        )
    bars = series.as_columns()
    rows = _features(terms, passport, bars).batch(bars)
    may = terms.forecasts_others or passport.covers(series.symbol)
    due = due_of(rows, bars, terms.predict_every) if may else np.zeros(0, np.int64)
    probability = np.full((len(series), passport.classes), np.nan)
    edge = np.full(len(series), np.nan)
    if len(due):
        probability[due] = model.predict(rows[due])
        edge[due] = model.edge(probability[due])
    return forecast_columns(probability, edge, passport.figures.get("threshold"))


def _features(terms: ModelTerms, passport: Passport, bars: BarColumns) -> FeatureSet:
    whole = find_set(terms.features)
    features = whole.serving(passport.features, bars.interval)
    given = whole.for_source(bars.interval, counted(bars))
    if features is None or not set(features.names) <= set(given.names):
        raise BarsError(
            f"the model {passport.version} reads {passport.feature_set} ({len(passport.features)} features) and these "
            f"bars give {given.name} ({len(given)}); train anew on bars like these"
        )
    return features
