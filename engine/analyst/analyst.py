"""Each closed minute in; signals, and the reasons for or against them, out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from engine.analyst import gates
from engine.analyst.forecaster import Forecaster, Told, live_set
from engine.analyst.rolling import Closed, RollingBar, Row
from engine.domain import GateStep, Signal, Symbol, micros
from engine.evaluation import (
    FeatureKey,
    advance,
    bars_to_know,
    evaluate,
    features_of,
    forecast_columns,
    fresh_carries,
)
from engine.features.panel import FeatureRows, Panel
from engine.features.sets import FeatureSet
from engine.messages import Analysis, Minute
from engine.playbook.model import Playbook
from engine.ports import BarColumns
from engine.strategies.columns import Column, Columns

_MINUTE = timedelta(minutes=1)
_FIELDS = 5


@dataclass(slots=True)
class _Track:
    """What is kept of one symbol: feature carries, the bar being built, and the last rows that strategies look at.

    `closed` are bars that the model's features have still to take; `told` are the champion's probabilities and edge at
    the last rows [class + 1, bar], NaN without a forecast.
    """

    carries: dict[FeatureKey, Column]
    rolling: RollingBar
    seen: int = 0
    prices: Column = field(default_factory=lambda: np.empty((_FIELDS, 0)))
    features: dict[FeatureKey, Column] = field(default_factory=dict)
    closed: list[Closed] = field(default_factory=list)
    told: Column = field(default_factory=lambda: np.empty((0, 0)))


class Analyst:
    """Keeps every symbol's indicators and asks the playbook's strategies at each closed bar. Pure and synchronous."""

    def __init__(
        self, playbook: Playbook, symbols: Sequence[Symbol] = (), feature_set: FeatureSet | None = None
    ) -> None:
        """`feature_set`: what rows are kept of; without one those that the playbook's model reads, if it has one."""
        self._playbook = playbook
        self._step = playbook.step or _MINUTE
        self._keys = features_of(playbook)
        self._lookback = max(program.lookback for program in playbook.programs)
        self._needed = bars_to_know(playbook)
        self._tracks: dict[Symbol, _Track] = {}
        model = playbook.model
        features = feature_set or (live_set(model, self._step) if model is not None else None)
        self._panel = None if features is None else Panel(features, self._step, symbols)
        self.forecaster: Forecaster | None = None
        if model is not None and features is not None:
            self.forecaster = Forecaster(model, features, self._step)
        self.feature_rows: FeatureRows | None = None  # of the last minute, for a model's forecasts
        for symbol in symbols:
            self._track(symbol)

    @property
    def warm_minutes(self) -> int:
        """One-minute bars of history after which every strategy, and a model, may speak."""
        bars = self._needed if self._panel is None else max(self._needed, self._panel.features.warm_up)
        return bars * int(self._step / _MINUTE)

    def warm(self, symbol: Symbol, bars: BarColumns) -> None:
        """Advance the indicators over history: bars of one minute, or of the playbook's own interval."""
        track = self._track(symbol)
        columns = np.vstack((bars.open, bars.high, bars.low, bars.close, bars.volume)).astype(np.float64)
        if bars.interval == self._step:
            self._extend(track, columns)
            if self._panel is not None:
                self._panel.warm(bars)
        elif bars.interval == _MINUTE:
            trades = np.full(len(bars.time), np.nan) if bars.trades is None else bars.trades
            for at, row, count in zip(bars.time.tolist(), columns.T.tolist(), trades.tolist(), strict=True):
                self._feed(track, at, (row[0], row[1], row[2], row[3], row[4], count))
        else:
            raise ValueError(f"warm-up bars of {symbol} are {bars.interval} long; give one-minute bars")

    def on(self, minute: Minute) -> Analysis:
        """The answer to one minute, stamped with its time. A caught-up minute only warms."""
        at = micros(minute.at)
        columns = (minute.open, minute.high, minute.low, minute.close, minute.volume)
        closed = {
            symbol: self._feed(self._track(symbol), at, (*row, math.nan if count is None else float(count)))
            for symbol, count, *row in zip(minute.symbols, minute.trade_counts(), *columns, strict=True)
        }
        late = {symbol: self._flush(symbol, at) for symbol in minute.missing}
        self._take_rows(at)
        if minute.caught_up:
            return Analysis(minute.at, minute.at, ())
        told = self._forecast(minute)
        signals: list[Signal] = []
        steps: dict[Symbol, tuple[GateStep, ...]] = {}
        for symbol, quality in zip(minute.symbols, minute.quality, strict=True):
            if closed[symbol]:
                steps[symbol] = self._ask(symbol, minute.at, quality, told, signals)
            else:
                steps[symbol] = (gates.still_open(self._tracks[symbol].seen, self._step),)
        for symbol, flushed in late.items():
            asked = self._ask(symbol, minute.at, "missing its last minute", told, signals) if flushed else ()
            steps[symbol] = (gates.NO_BAR, *asked[1:])
        return self._answer(minute, told, signals, steps)

    def _answer(
        self, minute: Minute, told: Told, signals: list[Signal], steps: dict[Symbol, tuple[GateStep, ...]]
    ) -> Analysis:
        """The analysis, with the reasons of those forecasts that led to a wish to enter."""
        forecasts = told.forecasts
        if self.forecaster is not None and forecasts:
            known = self.forecaster.explain_all(
                {one.symbol for one in signals if one.action == "enter"} & told.rows.keys()
            )
            forecasts = tuple(
                known[one.symbol].forecast if one.symbol in known and not one.shadow else one for one in forecasts
            )
            signals = [gates.with_reasons(signal, known.get(signal.symbol)) for signal in signals]
        return Analysis(minute.at, minute.at, tuple(signals), steps, forecasts)

    def _forecast(self, minute: Minute) -> Told:
        """What the models say; the champion's answer goes where strategies look."""
        if self.forecaster is None or self.feature_rows is None:
            return Told()
        told = self.forecaster.tell(minute, self.feature_rows)
        for symbol, (probabilities, edge) in told.rows.items():
            self._tracks[symbol].told[:, -1] = (*probabilities, edge)
        return told

    def _track(self, symbol: Symbol) -> _Track:
        if symbol not in self._tracks:
            rolling = RollingBar(self._step // timedelta(microseconds=1))
            self._tracks[symbol] = _Track(fresh_carries(self._keys), rolling)
        return self._tracks[symbol]

    def _feed(self, track: _Track, at: int, row: Row) -> bool:
        """Take one minute; True when it closed a bar of the playbook's interval."""
        closed = [(at, row)] if self._step == _MINUTE else track.rolling.add(at, row)
        self._take(track, closed)
        return bool(closed)

    def _take(self, track: _Track, closed: list[Closed]) -> None:
        for _, bar in closed:
            self._extend(track, np.array(bar[:_FIELDS]).reshape(_FIELDS, 1))
        if self._panel is not None:
            track.closed += closed

    def _take_rows(self, at: int) -> None:
        """Advance the model's features of all coins in one call."""
        if self._panel is None:
            return
        self.feature_rows = self._panel.advance(at, {symbol: track.closed for symbol, track in self._tracks.items()})
        for track in self._tracks.values():
            track.closed = []

    def _extend(self, track: _Track, prices: Column) -> None:
        """Advance the features over new bars and keep the last rows that strategies look at."""
        if prices.shape[1] == 0:
            return
        fresh = advance(Columns(*np.ascontiguousarray(prices)), track.carries)
        track.seen += prices.shape[1]
        track.prices = np.concatenate((track.prices, prices), axis=1)[:, -self._lookback :]
        track.features = {
            key: np.concatenate((track.features.get(key, column[:0]), column))[-self._lookback :]
            for key, column in fresh.items()
        }
        if self.forecaster is not None:
            rows = self.forecaster.terms.label.classes + 1
            before = track.told if len(track.told) else np.empty((rows, 0))
            unknown = np.full((rows, prices.shape[1]), np.nan)
            track.told = np.concatenate((before, unknown), axis=1)[:, -self._lookback :]

    def _flush(self, symbol: Symbol, at: int) -> bool:
        """A missing minute: a longer bar whose end has come closes without it."""
        track = self._track(symbol)
        closed = track.rolling.flush(at)
        self._take(track, closed)
        return bool(closed)

    def _ask(
        self, symbol: Symbol, at: datetime, quality: str, told: Told, signals: list[Signal]
    ) -> tuple[GateStep, ...]:
        """Ask the strategies about the last bar; add their signals and say how each gate was passed."""
        track = self._tracks[symbol]
        bars = Columns(*track.prices)
        steps = [
            gates.bars_known(track.seen, self._needed, quality),
            told.steps.get(symbol, gates.NO_FORECAST) if self.forecaster else gates.NO_MODEL,
        ]
        forecast = None
        if self.forecaster is not None:
            forecast = forecast_columns(track.told[:-1].T, track.told[-1], told.threshold)
        for number, use in enumerate(self._playbook.strategies):
            seen = track.seen - len(bars)
            evaluated = evaluate(self._playbook, number, bars, track.features, seen, forecast)
            numbers = gates.numbers_of(use, evaluated, track.features)
            signal = gates.signal_of(use, evaluated, symbol, at, float(bars.close[-1]), numbers)
            if signal is not None:
                signals.append(signal)
            steps += gates.judgement(use, evaluated, signal, numbers)
        return tuple(steps)
