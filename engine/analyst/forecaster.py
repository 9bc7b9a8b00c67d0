"""The playbook's model at work: one batch of all coins at each due bar, and why a coin has no forecast.

Models come in from outside (`use`) and take over between two minutes; loading one never happens here.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from engine.domain import BarQuality, GateStep, Symbol, micros
from engine.features.panel import FeatureRows
from engine.features.sets import FeatureSet, find_set, known
from engine.forecasting.cases import Rows
from engine.forecasting.drift import Drift, drift_of
from engine.forecasting.model import Model, row_hash
from engine.forecasting.wording import percent
from engine.forecasts import Explanation, Forecast, Part
from engine.messages import Minute
from engine.playbook.model_terms import ModelTerms
from engine.strategies.columns import Column

log = logging.getLogger(__name__)

PREDICTED_ON = (BarQuality.GOOD, BarQuality.QUIET)
DRIFT_ROWS, DRIFT_SPAN = 500, timedelta(days=1)
DRIFT_EVERY = timedelta(minutes=5)
DRIFT_SLACK = timedelta(minutes=30)
REASONS = 6
NO_MODEL = "No model is promoted, so there is no forecast; /desk train trains one."
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Lineup:
    """The models that forecast from the next minute on. `idle` says why there is no champion."""

    champion: Model | None = None
    challengers: tuple[Model, ...] = ()
    idle: str = NO_MODEL


@dataclass(frozen=True, slots=True)
class Told:
    """What the models said about one minute. `rows` are the champion's (probabilities, edge) by symbol."""

    forecasts: tuple[Forecast, ...] = ()
    rows: Mapping[Symbol, tuple[Column, float]] = field(default_factory=dict)
    steps: Mapping[Symbol, GateStep] = field(default_factory=dict)
    threshold: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    model: Model
    rows: FeatureRows
    forecasts: Mapping[Symbol, Forecast]


class Forecaster:
    """Not thread-safe but for `use`, `explain` and `drift`: one thread forecasts, others may ask."""

    def __init__(self, terms: ModelTerms, features: FeatureSet, step: timedelta) -> None:
        self.terms = terms
        self.features = features
        self.step = step
        self._lineup = Lineup()
        self._seen: _Seen | None = None
        self._busy = threading.Lock()  # a booster answers one thread at a time
        self._recent: deque[tuple[int, Column]] = deque()  # feature rows with their minute, for drift

    @property
    def lineup(self) -> Lineup:
        return self._lineup

    def use(self, lineup: Lineup) -> None:
        """From the next minute on; any thread."""
        self._lineup = lineup

    def why_not(self, model: Model) -> str | None:
        """Why a model cannot forecast for this desk; None when it can. (Expiry is asked at each minute.)"""
        passport, label = model.passport, self.terms.label
        if self.features.serving(passport.features, self.step) is None:
            return (
                f"{passport.version} reads {passport.feature_set} ({len(passport.features)} features), this desk has "
                f"{self.features.name} ({len(self.features)}); train anew"
            )
        if (passport.interval, passport.horizon, passport.classes) != (self.step, label.horizon, label.classes):
            return f"{passport.version} was trained on other bars or another label than the playbook asks; train anew"
        return None

    def _read(self, model: Model) -> FeatureSet:
        """The features that a model reads: all of the desk's, or those without trade counts."""
        return self.features.serving(model.passport.features, self.step) or self.features

    def is_due(self, at: int) -> bool:
        return at % (self.terms.predict_every // _MICROSECOND) == 0

    def tell(self, minute: Minute, rows: FeatureRows) -> Told:
        """Forecast every fresh coin that closed a bar at this minute."""
        lineup, at = self._lineup, micros(minute.at)
        due = self.is_due(at)
        idle = _idle(lineup, minute.at)
        quality = dict(zip(minute.symbols, minute.quality, strict=True))
        good = self._good(rows, quality) if due else np.zeros(0, np.int64)
        told: list[Forecast] = []
        answers: dict[Symbol, tuple[Column, float]] = {}
        champion = None if idle else lineup.champion
        for model in filter(None, (champion, *(one for one in lineup.challengers if one.passport.expires > minute.at))):
            shadow = model is not champion
            seen = _read_by(model, rows)
            fresh = self._learnt(model, seen, good[seen.known[good]])
            made = self._predict(model, minute, seen, fresh, shadow)
            told += [forecast for forecast, _ in made]
            if not shadow:
                answers = {one.symbol: (np.array(one.probabilities), one.edge) for one, _ in made}
                self._seen = _Seen(model, seen, {one.symbol: one for one, _ in made})
                self._keep(at, rows.values[fresh])
        steps = {symbol: self._step_of(symbol, quality, rows, idle, due, answers, champion) for symbol in rows.symbols}
        threshold = champion.passport.figures.get("threshold") if champion else None
        return Told(tuple(told), answers, steps, threshold)

    def explain(self, symbol: Symbol) -> Explanation | None:
        """The champion's last forecast of a coin with the features behind it, weightiest first; None without one."""
        return self.explain_all((symbol,)).get(symbol)

    def explain_all(self, symbols: Collection[Symbol]) -> dict[Symbol, Explanation]:
        """`explain` of several coins in one batch; those without a forecast are left out."""
        seen = self._seen
        known = [symbol for symbol in symbols if seen is not None and symbol in seen.forecasts]
        if seen is None or not known:
            return {}
        rows = seen.rows.values[[seen.rows.symbols.index(symbol) for symbol in known]]
        with self._busy:
            weights = seen.model.contributions(rows)
        columns, read = zip(known, rows, weights, strict=True), self._read(seen.model)
        return {one: _taken_apart(seen.forecasts[one], read, row, weight) for one, row, weight in columns}

    def drift(self) -> tuple[Drift, ...] | None:
        """Each feature's distance from the champion's training, that which is furthest for its limits first; None until
        a whole day, and enough rows, have been seen. What the calendar alone tells cannot drift and is left out."""
        champion, kept = self._lineup.champion, list(self._recent)
        if champion is None or not kept or not _is_whole(kept):
            return None
        rows, watch = np.concatenate([one for _, one in kept]), self.terms.watch
        known = zip(self._read(champion).entries, champion.passport.reference, strict=True)
        place = {name: number for number, name in enumerate(self.features.names)}
        found = [
            drift_of(entry.name, expected, rows[:, place[entry.name]], watch.drift_watch, watch.drift_act)
            for entry, expected in known
            if not entry.calendar
        ]
        return tuple(sorted(found, key=lambda one: -one.psi / one.watch))

    # ------------------------------------------------------------ one minute

    def _good(self, rows: FeatureRows, quality: Mapping[Symbol, str]) -> Rows:
        good = [number for number, symbol in enumerate(rows.symbols) if quality.get(symbol) in PREDICTED_ON]
        return np.array(good, np.int64)

    def _learnt(self, model: Model, rows: FeatureRows, fresh: Rows) -> Rows:
        """Of fresh rows those of coins that the model may speak about."""
        if self.terms.forecasts_others:
            return fresh
        kept: Rows = fresh[[model.passport.covers(rows.symbols[place]) for place in fresh.tolist()]]
        return kept

    def _predict(
        self, model: Model, minute: Minute, rows: FeatureRows, fresh: Rows, shadow: bool
    ) -> list[tuple[Forecast, Symbol]]:
        """One batch. A model that breaks is taken out of the line-up, with its reason; the desk goes on without it."""
        if not len(fresh):
            return []
        values = rows.values[fresh]
        try:
            with self._busy:
                probability = model.predict(values)
            edge = model.edge(probability)
        except Exception as error:  # whatever a damaged model does, strategies and exits must go on
            log.critical("the model %s broke at %s", model.passport.version, minute.at, exc_info=error)
            self._drop(model, f"{model.passport.version} broke ({type(error).__name__}); see the error log")
            return []
        closes = dict(zip(minute.symbols, minute.close, strict=True))
        passport = model.passport
        made = []
        for number, place in enumerate(fresh.tolist()):
            symbol = rows.symbols[place]
            forecast = Forecast(
                model=passport.name,
                version=passport.version,
                symbol=symbol,
                at=minute.at,
                until=minute.at + passport.horizon,
                probabilities=tuple(probability[number].tolist()),
                price=closes[symbol],
                edge=float(edge[number]),
                features_hash=row_hash(passport.features, values[number]),
                shadow=shadow,
            )
            made.append((forecast, symbol))
        return made

    def _drop(self, model: Model, why: str) -> None:
        lineup = self._lineup
        if lineup.champion is model:
            self._lineup = replace(lineup, champion=None, idle=why)
        else:
            kept = tuple(one for one in lineup.challengers if one is not model)
            self._lineup = replace(lineup, challengers=kept)

    def _keep(self, at: int, rows: Column) -> None:
        """Remember whole rows for drift, for as long as it takes to have a whole day and enough of them."""
        if not len(rows) or at % (max(DRIFT_EVERY, self.terms.predict_every) // _MICROSECOND):
            return
        self._recent.append((at, rows))
        while len(self._recent) > 1 and _is_whole(list(self._recent)[1:]):
            self._recent.popleft()

    def _step_of(
        self,
        symbol: Symbol,
        quality: Mapping[Symbol, str],
        rows: FeatureRows,
        idle: str,
        due: bool,
        answers: Mapping[Symbol, tuple[Column, float]],
        champion: Model | None,
    ) -> GateStep:
        if idle or champion is None:
            return GateStep("model", False, idle)
        if not (self.terms.forecasts_others or champion.passport.covers(symbol)):
            count = len(champion.passport.symbols)
            learnt = f"{champion.passport.version} learnt from {count} coin{'' if count == 1 else 's'}"
            return GateStep("model", False, f"{symbol} is not predicted on: {learnt} and not from this one.")
        if not due:
            minutes = self.terms.predict_every / timedelta(minutes=1)
            return GateStep("model", False, f"Forecasts come every {minutes:g} minutes; none is due at this bar.")
        if symbol in answers:
            return forecast_step(champion, *answers[symbol])
        if quality.get(symbol) not in PREDICTED_ON:
            why = f"its last bar is {quality[symbol]}" if symbol in quality else "no bar closed"
            return GateStep("model", False, f"{symbol} is not predicted on: {why}.")
        return self._not_known(symbol, _read_by(champion, rows))

    def _not_known(self, symbol: Symbol, rows: FeatureRows) -> GateStep:
        warm, row = self.features.warm_up, rows.values[rows.symbols.index(symbol)]
        absent = {name for name, value in zip(rows.names, row, strict=True) if not np.isfinite(value)}
        words = f"{symbol} is not predicted on: a feature is not known yet; all are after {warm} bars without a gap."
        if absent == {entry.name for entry in self.features.entries if entry.needs_trades}:
            words = f"{symbol} is not predicted on: its feed does not say how many trades a minute had."
        return GateStep("model", False, words, {"needed": float(warm)})


def _read_by(model: Model, rows: FeatureRows) -> FeatureRows:
    """The columns that a model reads: one that was trained without trade counts does not miss them."""
    names = model.passport.features
    if names == rows.names:
        return rows
    values = rows.values[:, [rows.names.index(name) for name in names]]
    return FeatureRows(rows.at, rows.symbols, names, values, known(values))


def _is_whole(kept: Sequence[tuple[int, Column]]) -> bool:
    """Whether rows span a day and are many enough: each hour of the day has its say then."""
    span = (kept[-1][0] - kept[0][0]) * _MICROSECOND
    return span >= DRIFT_SPAN - DRIFT_SLACK and sum(len(rows) for _, rows in kept) >= DRIFT_ROWS


def _taken_apart(forecast: Forecast, features: FeatureSet, row: Column, weights: Column) -> Explanation:
    order, value = np.argsort(-np.abs(weights[:-1]), kind="stable"), row.tolist()
    named = [(features.entries[i], value[i], float(weights[i])) for i in order.tolist()]
    parts = tuple(Part(one.name, x, weight, one.told(x)) for one, x, weight in named)
    reasons = tuple((part.feature, part.contribution) for part in parts[:REASONS])
    values = tuple(zip(features.names, value, strict=True))
    told = replace(forecast, reasons=reasons, row=values, feature_set=features.name)
    return Explanation(told, parts, float(weights[-1]))


def forecast_step(model: Model, probabilities: Column, edge: float) -> GateStep:
    """The model gate's sentence and numbers for one forecast."""
    words = model.passport.words
    downward = zip(reversed(words), probabilities[::-1].tolist(), strict=True)
    said = ", ".join(f"{word} {percent(share, 0)}" for word, share in downward)
    numbers = {f"p_{word}": float(share) for word, share in zip(words, probabilities, strict=True)}
    horizon = model.passport.horizon / timedelta(minutes=1)
    span = f"{horizon / 60:g} h" if horizon >= 60 else f"{horizon:g} min"
    sentence = f"{model.passport.name} {model.passport.version} for the next {span}: {said}."
    return GateStep("model", True, sentence, {**numbers, "edge": edge})


def _idle(lineup: Lineup, at: datetime) -> str:
    """Why the champion says nothing; "" when it speaks."""
    if lineup.champion is None:
        return lineup.idle
    passport = lineup.champion.passport
    if passport.expires <= at:
        return f"{passport.name} {passport.version} expired on {passport.expires:%Y-%m-%d %H:%M} UTC; train anew."
    return ""


def live_set(terms: ModelTerms, step: timedelta) -> FeatureSet:
    """The playbook's features that such bars can give; what a feed does not know (trade counts) is NaN in the rows."""
    return find_set(terms.features).for_source(step, has_trades=True)
