"""Features: TA-Lib is the oracle, and bar by bar equals all at once, bit for bit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.features import find_feature
from engine.features.registry import Feature

LENGTHS = (2, 5, 14, 20, 50)


def market(bars: int, seed: int) -> dict[str, np.ndarray]:
    """A seeded random walk with wicks, volumes and some dead-flat stretches."""
    draw = np.random.default_rng(seed)
    moves = draw.normal(0, 0.01, bars)
    moves[bars // 3 : bars // 3 + 40] = 0.0
    close = 100 * np.exp(np.cumsum(moves))
    before = np.concatenate(([100.0], close[:-1]))
    spread = draw.uniform(0, 0.5, (2, bars)) * (moves != 0)
    return {
        "open": before,
        "high": np.maximum(before, close) + spread[0],
        "low": np.minimum(before, close) - spread[1],
        "close": close,
        "volume": draw.uniform(0, 10, bars),
    }


def batch(feature: Feature, columns: dict[str, np.ndarray], length: int) -> np.ndarray:
    out = np.empty(len(columns["close"]))
    feature.advance(*(columns[name] for name in feature.inputs), length, feature.fresh(), out)
    return out


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", ["ema", "atr", "rsi"])
def test_a_feature_agrees_with_talib(name: str, length: int) -> None:
    columns = market(1_000, seed=length)
    feature = find_feature(name)
    expected = getattr(talib, name.upper())(*(columns[column] for column in feature.inputs), timeperiod=length)
    ours = batch(feature, columns, length)
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-9)
    assert np.isnan(ours).sum() == feature.warm_up(length) - 1


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["ema", "atr", "rsi", "turnover"]),
    length=st.sampled_from(LENGTHS),
    seed=st.integers(0, 10_000),
    cuts=st.lists(st.integers(1, 199), max_size=8),
)
def test_any_way_of_cutting_the_bars_gives_the_same_bits(name: str, length: int, seed: int, cuts: list[int]) -> None:
    columns = market(200, seed)
    feature = find_feature(name)
    whole = batch(feature, columns, length)
    carry, parts = feature.fresh(), []
    edges = [0, *sorted(set(cuts)), 200]
    for start, end in itertools.pairwise(edges):
        out = np.empty(end - start)
        feature.advance(*(columns[column][start:end].copy() for column in feature.inputs), length, carry, out)
        parts.append(out)
    assert np.concatenate(parts).tobytes() == whole.tobytes()


@given(seed=st.integers(0, 1_000), cut=st.integers(20, 180), name=st.sampled_from(["ema", "atr", "rsi", "turnover"]))
@settings(max_examples=40, deadline=None)
def test_the_future_never_changes_the_past(seed: int, cut: int, name: str) -> None:
    columns = market(200, seed)
    changed = {key: np.concatenate((column[:cut], column[cut:] * 3)) for key, column in columns.items()}
    feature = find_feature(name)
    assert batch(feature, columns, 14)[:cut].tobytes() == batch(feature, changed, 14)[:cut].tobytes()


def test_turnover_is_the_mean_money_traded_at_first() -> None:
    columns = market(20, seed=1)
    traded = columns["close"] * columns["volume"]
    ours = batch(find_feature("turnover"), columns, 60)
    np.testing.assert_allclose(ours, np.cumsum(traded) / np.arange(1, 21))


def test_an_unknown_feature_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="atr, ema, rsi, turnover"):
        find_feature("emma")


@pytest.mark.parametrize("lengths", [(20, 50), (1, 7), (5000, 3)])
def test_two_averages_in_one_pass_are_the_same_bits_as_one_by_one(lengths: tuple[int, int]) -> None:
    feature, close = find_feature("ema"), 100.0 + np.random.default_rng(5).normal(0.0, 1.0, 900).cumsum() / 50
    carries, outs = [feature.fresh() for _ in lengths], np.empty((2, 900))
    for first, last in ((0, 30), (30, 31), (31, 900)):
        part = [(n, carries[i], outs[i, first:last]) for i, n in enumerate(lengths)]
        feature.advance_all([close[first:last]], part)
    for i, length in enumerate(lengths):
        alone, carry = np.empty(900), feature.fresh()
        feature.advance(close, length, carry, alone)
        assert alone.tobytes() == outs[i].tobytes()
        assert carry.tobytes() == carries[i].tobytes()
