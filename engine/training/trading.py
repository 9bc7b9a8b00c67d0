"""What a model's forecasts earn on the test span: the playbook's own rules in the compiled core, costs included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from engine.backtest.market import Series
from engine.backtest.packing import place
from engine.backtest.runner import unattended
from engine.backtest.wishes import merge, wishes_of
from engine.domain import Instrument
from engine.evaluation import bars_to_know, forecast_columns
from engine.forecasting.cases import Column, Rows
from engine.forecasting.money import Market, Money, earn
from engine.playbook.model import Playbook
from engine.ports import BarColumns
from engine.training.dataset import Dataset

_MICROSECOND = timedelta(microseconds=1)
REHEARSED = 60  # bars on which strategies are tried before anything is fitted


@dataclass(frozen=True, slots=True)
class Terms:
    """How likely a forecast must be to become an entry; the playbook's own `min_confidence` stays the least."""

    threshold: float


def terms_of(playbook: Playbook) -> Terms:
    """What the playbook's strategies ask for: the highest of their thresholds."""
    asked = [use.min_confidence for use in playbook.strategies if use.min_confidence is not None]
    return Terms(max(asked, default=0.5))


def traded(
    playbook: Playbook,
    bars: Sequence[BarColumns],
    data: Dataset,
    rows: Rows,
    probability: Column,
    edge: Column,
    terms: Terms,
) -> Money:
    """Trade the dataset's `rows` (one span of time) on `probability` [row, class] and `edge` [row], the change that it
    expects in units of volatility: the playbook's strategies see the forecasts as they do live and in a backtest, with
    its cost filter and its exits; every intent is granted."""
    market = market_of(bars, int(data.cases.time[rows].min()), int(data.cases.until[rows].max()))
    wishes = []
    for number, one in enumerate(bars):
        mine = data.cases.coin[rows] == number
        seen = np.column_stack((probability[mine], edge[mine]))
        wishes.append(_wished(playbook, one, number, market, data.cases.time[rows][mine], seen, terms))
    rules = unattended(playbook.rules([Instrument(one.symbol) for one in bars]))
    return earn(rules, market, merge(wishes))


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
