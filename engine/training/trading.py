"""What a model's forecasts earn on the test span: the playbook's own rules in the compiled core, costs included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from engine.backtest.packing import place
from engine.domain import Instrument
from engine.forecasting.cases import Column, Rows
from engine.forecasting.money import Market, Money, earn, wishes_of
from engine.playbook.model import Playbook
from engine.ports import BarColumns
from engine.training.dataset import Dataset

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Terms:
    """When a forecast becomes an entry: its probability, and (with `costs`, a round trip's share of the order) what it
    is expected to bring beyond them; None: costs are not asked about."""

    threshold: float
    costs: float | None


def terms_of(playbook: Playbook) -> Terms:
    """From the first strategy that asks for a confidence, and the playbook's costs."""
    asked = [use.min_confidence for use in playbook.strategies if use.min_confidence is not None]
    costs = playbook.rules([Instrument("X/USD")]).costs
    amount = playbook.strategies[0].sizing.amount or playbook.capital
    slippage = min(costs.slippage_cap, costs.slippage_base + costs.slippage_per_100k * amount / 100_000)
    return Terms(max(asked, default=0.5), 2.0 * (costs.fee_rate + slippage))


def traded(
    playbook: Playbook,
    bars: Sequence[BarColumns],
    data: Dataset,
    rows: Rows,
    probability: Column,
    moves: Sequence[float],
    terms: Terms,
) -> Money:
    """Trade the dataset's `rows` (one span of time) on `probability` [row, class]; every intent is granted."""
    market = market_of(bars, int(data.cases.time[rows].min()), int(data.cases.until[rows].max()))
    expected = (probability @ np.array(moves)) * data.volatility[rows]
    enter = probability[:, -1] >= terms.threshold
    if terms.costs is not None:
        enter &= expected > terms.costs
    shape = (len(market.times), len(bars))
    flags, confidence = np.zeros(shape, np.bool_), np.zeros(shape)
    row = np.searchsorted(market.times, data.cases.time[rows] - market.interval)
    flags[row, data.cases.coin[rows]] = enter
    confidence[row, data.cases.coin[rows]] = probability[:, -1]
    rules = playbook.rules([Instrument(one.symbol) for one in bars])
    return earn(rules, market, wishes_of(flags, confidence))


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
