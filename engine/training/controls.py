"""Controls of a training: models fitted on what cannot work, or works too well; and the causality of the features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from engine.features.causality import label_inside, leak_of, set_leak_of
from engine.features.sets import Matrix
from engine.forecasting.canaries import Canary, Causality, Kind
from engine.forecasting.cases import Cases, Column, Flags, JudgementError, Rows
from engine.forecasting.causality import label_leak_of
from engine.forecasting.intervals import Estimate, share
from engine.forecasting.overlap import blocks, uniqueness
from engine.forecasting.scores import right_direction
from engine.forecasting.splits import Thirds
from engine.inference import Interval
from engine.playbook.model_terms import ModelTerms
from engine.ports import BarColumns
from engine.training.dataset import Dataset, label_of
from engine.training.experiments import CANARY
from engine.training.fitting import Fitted, Lab, Sheet, accounted, begun, close, fitted

CENTRED_BARS = 10
SAMPLE = 2_000
_MICROSECOND = timedelta(microseconds=1)
_NOTHING = Estimate(0.0, Interval(0.0, 0.0), 0, 0.0, 0)  # until it has been looked at
PRICES = ("open", "high", "low", "close", "volume")
MOST_ROWS = 200_000
"""A canary learns from so many rows at most, evenly thinned: whether it finds anything at all does not need more."""


def causal(terms: ModelTerms, data: Dataset, bars: Sequence[BarColumns]) -> Causality:
    """Ask the gates about features and labels, on the coin with most bars: does one know the future, is the label
    among the features? Raises `JudgementError` when the bars are too few."""
    longest = max(bars, key=lambda one: len(one.time))
    recent = _latest(longest)
    try:
        leak = set_leak_of(data.features, longest, terms.learner.seed)
        leak = leak or label_leak_of(lambda seen: label_of(terms.label, seen), recent, terms.learner.seed)
    except ValueError as error:
        raise JudgementError("TOO_FEW_ROWS", str(error)) from error
    thin = slice(None, None, -(-len(data) // SAMPLE))
    last, label = data.cases.classes - 1, data.cases.label[thin]
    two = np.select([label == 0, label == last], [0, 1], -1)
    leak = leak or label_inside(data.rows[thin].astype(np.float64), data.features.names, two)
    return Causality((leak.feature,) if leak else ())


def canaries(
    lab: Lab, terms: ModelTerms, data: Dataset, bars: Sequence[BarColumns], thirds: Thirds, done: Fitted
) -> tuple[Canary, ...]:
    """Fitted on shuffled labels; the model itself (`done`) a bar late; fitted with a centred average."""
    draw = np.random.default_rng(terms.learner.seed)
    shuffled = data.cases.label.copy()
    for part in (thirds.train, thirds.validation):
        shuffled[part] = draw.permutation(shuffled[part])
    leaking, named = _centred(data, bars, terms)
    return (
        _canary(lab, terms, data, thirds, "shuffled", label=shuffled),
        _late(lab, terms, data, bars, thirds.test, done),
        _canary(lab, terms, data, thirds, "centred", rows=leaking, named=named),
    )


def _canary(
    lab: Lab,
    terms: ModelTerms,
    data: Dataset,
    thirds: Thirds,
    kind: Kind,
    rows: NDArray[np.float32] | None = None,
    label: NDArray[np.int64] | None = None,
    named: bool = False,
) -> Canary:
    train, validation = _thinned(thirds.train), _thinned(thirds.validation)
    features, labels = data.rows if rows is None else rows, data.cases.label if label is None else label
    names = (*data.features.names, "centred_average")[: features.shape[1]]
    sheet = Sheet(features, labels, data.cases.time, names)
    number, done = fitted(lab, terms, data, train, validation, kind=CANARY, note={"canary": kind}, sheet=sheet)
    return _seen(lab, number, data, thirds.test, Canary(kind, _NOTHING, named), done, features[thirds.test])


def _late(lab: Lab, terms: ModelTerms, data: Dataset, bars: Sequence[BarColumns], rows: Rows, done: Fitted) -> Canary:
    """The model itself, on what was known at the bar before each row's: a row without such a bar is left out."""
    number = begun(lab, terms, data, CANARY, {"canary": "lagged"})
    with accounted(lab, number):
        late = bar_before(data, bars, rows)
        there = np.isfinite(late).all(axis=1)
        return _seen(lab, number, data, rows[there], Canary("lagged", _NOTHING), done, late[there])


def bar_before(data: Dataset, bars: Sequence[BarColumns], rows: Rows) -> NDArray[np.float32]:
    """[row, feature] as they were one bar before each of the `rows`; NaN where that bar is missing or not known."""
    late = np.full((len(rows), data.rows.shape[1]), np.nan, np.float32)
    step = data.interval // _MICROSECOND
    for coin, one in enumerate(bars):
        mine = np.flatnonzero(data.cases.coin[rows] == coin)
        before = np.searchsorted(one.time, data.cases.time[rows[mine]]) - 1
        there = (before >= 0) & (one.time[before] == data.cases.time[rows[mine]] - step)
        late[mine[there]] = data.features.batch(one)[before[there]]
    return late


def _seen(
    lab: Lab, number: int, data: Dataset, rows: Rows, canary: Canary, done: Fitted, features: NDArray[np.float32]
) -> Canary:
    """The canary with what it came to on these rows; closes its row in the ledger."""
    probability, cases = done.probability(features), data.cases.at(rows)
    hit: Flags = probability.argmax(axis=1) == cases.label
    found, direction = _share(cases, hit), None
    if cases.classes == 3 and (moved := np.flatnonzero(cases.label != 1)).size:
        direction = _share(cases.at(moved), right_direction(probability, cases.label)[moved])
    ends = {"accuracy_low": found.interval.low, "accuracy_high": found.interval.high}
    close(lab, number, done, probability, cases.label, **ends)
    return replace(canary, accuracy=found, direction=direction)


def _share(cases: Cases, hit: Flags) -> Estimate:
    return share(hit, blocks(cases.time, cases.until), float(uniqueness(cases.time, cases.until, cases.coin).sum()))


def _centred(data: Dataset, bars: Sequence[BarColumns], terms: ModelTerms) -> tuple[NDArray[np.float32], bool]:
    """The rows with a centred average's distance as one more feature, and whether the causality gate names it."""
    ahead = max(1, min(CENTRED_BARS, terms.label.horizon // data.interval))
    column = np.zeros(len(data), np.float32)
    for coin, one in enumerate(bars):
        mine = np.flatnonzero(data.cases.coin == coin)
        place = np.searchsorted(one.time, data.cases.time[mine])
        column[mine] = _distance(one, ahead)[place]
    recent = _latest(max(bars, key=lambda one: len(one.time)))
    leak = leak_of(lambda seen: _column(seen, ahead), recent, ("centred_average",), terms.learner.seed)
    return np.column_stack((data.rows, column)), leak is not None


def _latest(bars: BarColumns) -> BarColumns:
    columns = {name: getattr(bars, name)[-SAMPLE:] for name in ("time", *PRICES)}
    return replace(bars, vwap=None, trades=None, **columns)


def _column(bars: BarColumns, ahead: int) -> Matrix:
    rows: Matrix = _distance(bars, ahead).reshape(-1, 1)
    return rows


def _distance(bars: BarColumns, ahead: int) -> Column:
    """Close ÷ the mean close from `ahead` bars before to `ahead` bars after − 1, as far as there are bars."""
    total = np.concatenate(([0.0], np.cumsum(bars.close)))
    at = np.arange(len(bars.close))
    first, last = np.maximum(at - ahead, 0), np.minimum(at + ahead + 1, len(at))
    answer: Column = bars.close / ((total[last] - total[first]) / (last - first)) - 1.0
    return answer


def _thinned(rows: Rows) -> Rows:
    thin: Rows = rows[:: -(-len(rows) // MOST_ROWS)]
    return thin
