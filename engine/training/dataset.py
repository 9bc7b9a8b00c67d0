"""Rows to learn from: features and labels of several coins, hashed by content, with what was left out and why."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from engine.domain import Symbol
from engine.features.sets import FeatureSet, find_set, known
from engine.forecasting.cases import Cases, Classes, Column, JudgementError, Rows, Times
from engine.forecasting.labels import Labels, direction, three_classes
from engine.playbook.model_terms import Label, ModelTerms
from engine.ports import BarColumns

VOLATILITY_BARS = 60
FEWEST_ROWS = 1_000
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Bars of one coin that gave no row, by reason; they add up to `bars` − `rows`."""

    symbol: Symbol
    bars: int
    rows: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Rows in order of time, then coin. `rows` is float32 [row, feature], `volatility` the standard deviation of
    one-bar returns before each row times √horizon in bars, `change` the move that came true."""

    features: FeatureSet
    symbols: tuple[Symbol, ...]
    interval: timedelta
    rows: NDArray[np.float32]
    cases: Cases
    change: Column
    volatility: Column
    left_out: tuple[LeftOut, ...]
    hash: str

    def __len__(self) -> int:
        return len(self.cases)

    def part(self, rows: Rows) -> tuple[NDArray[np.float32], Classes]:
        """Features and labels of some rows."""
        return self.rows[rows], self.cases.label[rows]


def build(terms: ModelTerms, bars: Sequence[BarColumns]) -> Dataset:
    """The rows of `bars`, one entry per coin, all of one interval. Raises `JudgementError` when they give too few.

    Where not every coin has nearly all trade counts, they are not learnt from, and the feature set's name says so.
    """
    if not bars:
        raise JudgementError("NO_BARS", "there are no bars to learn from; give files with --bars, or backfill first")
    interval = bars[0].interval
    if any(one.interval != interval for one in bars):
        raise JudgementError("INTERVALS", "the bars are not of one length; choose files of one interval")
    features = find_set(terms.features).for_bars(bars)
    parts = [_coin(terms, features, one) for one in bars]
    time = np.concatenate([part.labels.time[part.kept] for part in parts])
    coin = np.concatenate([np.full(len(part.kept), number) for number, part in enumerate(parts)])
    order = np.lexsort((coin, time))
    if len(order) < FEWEST_ROWS:
        raise JudgementError("TOO_FEW_ROWS", _too_few(len(order), parts, terms))

    def joined(column: str) -> NDArray[np.int64]:
        found: NDArray[np.int64] = np.concatenate([getattr(part.labels, column)[part.kept] for part in parts])[order]
        return found

    labels = {"label": joined("label"), "past": joined("past")}
    cases = Cases(time[order], joined("until"), coin[order].astype(np.int64), **labels, classes=terms.label.classes)
    return Dataset(
        features,
        tuple(one.symbol for one in bars),
        interval,
        np.concatenate([part.rows for part in parts])[order],
        cases,
        np.concatenate([part.labels.change[part.kept] for part in parts])[order],
        np.concatenate([part.volatility for part in parts])[order],
        tuple(part.left_out for part in parts),
        content_hash(terms, features, bars),
    )


def label_of(label: Label, bars: BarColumns) -> Labels:
    """The labels that a playbook asks for. Raises `JudgementError` for a horizon that is no whole number of bars."""
    try:
        if label.kind == "direction":
            return direction(bars, label.horizon)
        return three_classes(bars, label.horizon, label.band or 0.0)
    except ValueError as error:
        raise JudgementError("BARS", str(error)) from error


def volatility_of(close: Column, horizon: int) -> Column:
    """Standard deviation of the last `VOLATILITY_BARS` one-bar returns × √horizon (in bars), or NaN."""
    change = np.diff(close) / close[:-1]
    answer = np.full(len(close), np.nan)
    if len(change) >= VOLATILITY_BARS:
        windows = np.lib.stride_tricks.sliding_window_view(change, VOLATILITY_BARS)
        answer[VOLATILITY_BARS:] = windows.std(axis=1) * np.sqrt(horizon)
    return answer


def moves_of(data: Dataset, rows: Rows) -> tuple[float, ...]:
    """By class, the mean change over the horizon in units of the volatility before it; 0 for one that never came."""
    label, scaled = data.cases.label[rows], data.change[rows] / np.maximum(data.volatility[rows], 1e-12)
    return tuple(float(scaled[label == c].mean()) if (label == c).any() else 0.0 for c in range(data.cases.classes))


def content_hash(terms: ModelTerms, features: FeatureSet, bars: Sequence[BarColumns]) -> str:
    """SHA-256 of every bar, the features' formulas and the label's terms: equal data, equal hash."""
    digest = hashlib.sha256()
    for entry in features.entries:
        digest.update(f"{entry.name}\0{entry.formula}\0".encode())
    digest.update(f"{terms.label.model_dump_json()}\0{terms.sample_every}\0".encode())
    for one in bars:
        digest.update(f"{one.symbol}\0{one.interval}\0{len(one.time)}\0".encode())
        for column in (one.time, one.open, one.high, one.low, one.close, one.volume, one.trades):
            digest.update(np.ascontiguousarray(column).tobytes() if column is not None else b"-")
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class _Coin:
    labels: Labels
    kept: Rows
    rows: NDArray[np.float32]
    volatility: Column
    left_out: LeftOut


def _coin(terms: ModelTerms, features: FeatureSet, bars: BarColumns) -> _Coin:
    labels = label_of(terms.label, bars)
    values = features.batch(bars)
    whole = known(values)
    volatility = volatility_of(bars.close, terms.label.horizon // bars.interval)
    sampled = _sampled(bars.time, terms.sample_every)
    reasons: dict[str, NDArray[np.bool_]] = {
        "not sampled": ~sampled,
        "features not known": sampled & ~(whole & np.isfinite(volatility)),
        "no label": sampled & whole & np.isfinite(volatility) & ~labels.known,
    }
    kept = np.flatnonzero(sampled & whole & np.isfinite(volatility) & labels.known)
    counts = {reason: int(flags.sum()) for reason, flags in reasons.items() if flags.any()}
    return _Coin(
        labels,
        kept,
        values[kept].astype(np.float32),
        volatility[kept],
        LeftOut(bars.symbol, len(bars.time), len(kept), counts),
    )


def _sampled(time: Times, every: timedelta | None) -> NDArray[np.bool_]:
    """Bars that close on a whole multiple of `every`: the same instants for every coin, so that none leads another."""
    if every is None:
        return np.ones(len(time), dtype=np.bool_)
    flags: NDArray[np.bool_] = time % (every // _MICROSECOND) == 0
    return flags


def _too_few(found: int, parts: Sequence[_Coin], terms: ModelTerms) -> str:
    bars = sum(part.left_out.bars for part in parts)
    why = {
        reason: sum(part.left_out.reasons.get(reason, 0) for part in parts)
        for reason in ("features not known", "no label")
    }
    told = ", ".join(f"{count:,} {reason}" for reason, count in why.items() if count)
    return (
        f"{bars:,} bars give {found:,} rows ({told or 'nothing else left out'}); at least {FEWEST_ROWS:,} are needed: "
        f"train on a longer history than this, up to {terms.history.days} days"
    )
