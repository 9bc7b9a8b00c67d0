"""What a model's forecasts earn on the test span: the playbook's own rules in the compiled core, costs included.

It forecasts whenever the desk would, at every bar that falls due (`predict_every`), however few of them are rows to
learn from and to count hits by.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from engine.backtest.forecasts import due_of
from engine.backtest.market import Series
from engine.backtest.packing import place
from engine.backtest.runner import unattended
from engine.backtest.wishes import merge, wishes_of
from engine.domain import Instrument
from engine.evaluation import bars_to_know, forecast_columns
from engine.forecasting.cases import Column, JudgementError, Rows, Times
from engine.forecasting.model import Features
from engine.forecasting.money import Fees, Market, Money, earn
from engine.playbook.model import Playbook
from engine.playbook.model_terms import ModelTerms
from engine.playbook.translate import KRAKEN_TAKER
from engine.ports import BarColumns
from engine.training.dataset import Dataset

_MICROSECOND = timedelta(microseconds=1)
REHEARSED = 60  # bars on which strategies are tried before anything is fitted


@dataclass(frozen=True, slots=True)
class Terms:
    """How likely a forecast must be to become an entry; the playbook's own `min_confidence` stays the least."""

    threshold: float


def model_of(playbook: Playbook) -> ModelTerms:
    """The model that the playbook describes. Raises `JudgementError` when it has none."""
    if playbook.model is None:
        raise JudgementError("NO_MODEL", f"the playbook {playbook.name} trades by rule and has no model to train")
    return playbook.model


def terms_of(playbook: Playbook) -> Terms:
    """What the playbook's strategies ask for: the highest of their thresholds."""
    asked = [use.min_confidence for use in playbook.strategies if use.min_confidence is not None]
    return Terms(max(asked, default=0.5))


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """Who forecasts from the close at `since` (µs) until another does, or else to `end`: its probabilities, and by
    class its `moves`, what each is worth in units of volatility."""

    since: int
    end: int
    probability: Callable[[Features], Column]
    moves: Column

    @classmethod
    def of(cls, data: Dataset, rows: Rows, probability: Callable[[Features], Column], moves: Sequence[float]) -> Voice:
        """One that speaks over the span of these rows of the dataset, to the end of their last label."""
        time, until = data.cases.time[rows], data.cases.until[rows]
        return cls(int(time.min()), int(until.max()), probability, np.array(moves))


Heard = tuple[Times, Column]
"""Of one coin the closes at which there is a forecast, and [close, class + 1]: its probabilities and its edge."""


def heard(data: Dataset, every: timedelta, bars: Sequence[BarColumns], voices: Sequence[Voice]) -> Iterator[Heard]:
    """What the voices, in order of time, say coin after coin: at each bar that falls due with its features known."""
    starts = [voice.since for voice in voices]
    for one in bars:
        rows = data.features.batch(one)
        due = due_of(rows, one, every)
        edges = np.searchsorted(one.time[due], [*starts, voices[-1].end + 1])
        told = [np.zeros((0, data.cases.classes + 1))]
        for voice, (first, last) in zip(voices, itertools.pairwise(edges.tolist()), strict=True):
            if first < last:
                probability = voice.probability(rows[due[first:last]].astype(np.float32))
                told.append(np.column_stack((probability, probability @ voice.moves)))
        yield one.time[due[edges[0] : edges[-1]]], np.concatenate(told)


def traded(
    playbook: Playbook, bars: Sequence[BarColumns], voices: Sequence[Voice], forecasts: Iterable[Heard], terms: Terms
) -> Money:
    """Trade the span of the `voices` on the `forecasts` that were heard of them: the playbook's strategies see them as
    they do live and in a backtest, with its cost filter and its exits; every intent is granted."""
    market = market_of(bars, voices[0].since, voices[-1].end)
    wishes = [
        _wished(playbook, one, number, market, *told, terms)
        for number, (one, told) in enumerate(zip(bars, forecasts, strict=True))
    ]
    rules = unattended(playbook.rules([Instrument(one.symbol) for one in bars]))
    return earn(rules, market, merge(wishes))


def fees_of(
    playbook: Playbook,
    bars: Sequence[BarColumns],
    voices: Sequence[Voice],
    forecasts: Sequence[Heard],
    terms: Terms,
    money: Money,
) -> Fees:
    """At which fee `money` was earned; where that is a scenario, the same forecasts traded at the venue's own, by which
    the cost filter then goes as well."""
    if playbook.costs.fee == "venue":
        return Fees(KRAKEN_TAKER, KRAKEN_TAKER, money.trades, money.pnl, money.equity_return)
    dear = playbook.model_copy(update={"costs": playbook.costs.model_copy(update={"fee": "venue"})})
    paid = traded(dear, bars, voices, forecasts, terms)
    return Fees(float(playbook.costs.fee), KRAKEN_TAKER, paid.trades, paid.pnl, paid.equity_return)


def rehearse(playbook: Playbook, bars: Sequence[BarColumns], classes: int) -> None:
    """Ask the playbook's strategies about a few bars, with forecasts that say nothing, before hours go into a fit.

    Raises `StrategyError`, with file and line, for a mistake in one.
    """
    one = max(bars, key=lambda coin: len(coin.time))
    count = min(len(one.time), bars_to_know(playbook) + REHEARSED)
    columns = (one.time - one.interval // _MICROSECOND, one.open, one.high, one.low, one.close, one.volume)
    last = (np.ascontiguousarray(column[-count:]) for column in columns)
    series = Series(one.symbol, one.interval // _MICROSECOND, *last)
    wishes_of(playbook, series, 0, None, forecast_columns(np.full((count, classes), 1 / classes), np.zeros(count)))


def _wished(
    playbook: Playbook,
    bars: BarColumns,
    number: int,
    market: Market,
    times: NDArray[np.int64],
    forecasts: Column,
    terms: Terms,
) -> np.ndarray:
    """The wishes of one coin within `market`; `times` are the closes at which there is a forecast: its probabilities
    and its edge."""
    opens = bars.time - market.interval
    first = max(0, int(np.searchsorted(opens, market.times[0])) - bars_to_know(playbook))
    last = int(np.searchsorted(opens, market.times[-1], "right"))
    columns = (opens, bars.open, bars.high, bars.low, bars.close, bars.volume)
    series = Series(bars.symbol, market.interval, *(np.ascontiguousarray(column[first:last]) for column in columns))
    seen = np.full((len(series), forecasts.shape[1]), np.nan)
    seen[np.searchsorted(series.time, times - market.interval)] = forecasts
    wishes = wishes_of(playbook, series, number, None, forecast_columns(seen[:, :-1], seen[:, -1], terms.threshold))
    at = series.time[wishes["row"]]
    wishes["row"] = np.searchsorted(market.times, at)
    kept: np.ndarray = wishes[at >= market.times[0]]
    return kept


def market_of(bars: Sequence[BarColumns], since: int, until: int) -> Market:
    """The bars that close from `since` to `until` (µs) on one axis; NaN where one is missing."""
    interval = bars[0].interval // _MICROSECOND
    spans = [(np.searchsorted(one.time, since), np.searchsorted(one.time, until, "right")) for one in bars]
    times: NDArray[np.int64] = np.unique(
        np.concatenate([one.time[a:b] for one, (a, b) in zip(bars, spans, strict=True)])
    )
    fields = np.full((5, len(times), len(bars)), np.nan)
    for number, (one, (a, b)) in enumerate(zip(bars, spans, strict=True)):
        columns = (one.open, one.high, one.low, one.close, one.volume)
        place(fields, np.searchsorted(times, one.time[a:b]), number, *(column[a:b] for column in columns))
    return Market(times - interval, fields.transpose(1, 0, 2), interval)
