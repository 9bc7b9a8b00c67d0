"""The gate: honest sets pass on any market, and a planted leak is found on every one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.features.causality import Leak, label_inside, leak_of, live_leak_of, set_leak_of
from engine.features.sets import FeatureSet, find_set
from engine.forecasting.causality import label_leak_of
from engine.forecasting.labels import Labels, direction, three_classes, triple_barrier
from engine.ports import BarColumns
from tests.features.made import flattened, market, rough

SEEDS = st.integers(0, 100_000)
MARKETS = st.builds(lambda seed, kind: kind(1_600, seed), SEEDS, st.sampled_from([market, rough]))


def honest(bars: BarColumns) -> np.ndarray:
    close = pd.Series(bars.close)
    return np.column_stack((close.pct_change(), close / close.rolling(20).mean() - 1, close.ewm(span=9).mean()))


def centred_average(bars: BarColumns) -> np.ndarray:
    return (pd.Series(bars.close) / pd.Series(bars.close).rolling(5, center=True).mean()).to_numpy()


def one_bar_peek(bars: BarColumns) -> np.ndarray:
    return pd.Series(bars.volume).shift(-1).to_numpy()


def label_in_features(bars: BarColumns) -> np.ndarray:
    return direction(bars).label.astype(np.float64)


def scaled_by_all(bars: BarColumns) -> np.ndarray:
    return (bars.close - bars.close.mean()) / bars.close.std()


def filled_backwards(bars: BarColumns) -> np.ndarray:
    return pd.Series(np.where(bars.volume > np.median(bars.volume), bars.close, np.nan)).bfill().to_numpy()


LEAKS = [centred_average, one_bar_peek, label_in_features, scaled_by_all, filled_backwards]


@settings(max_examples=15, deadline=None)
@given(bars=MARKETS, seed=SEEDS)
@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_found_every_time(
    leak: Callable[[BarColumns], np.ndarray], bars: BarColumns, seed: int
) -> None:
    def planted(given_bars: BarColumns) -> np.ndarray:
        return np.column_stack((honest(given_bars), leak(given_bars)))

    found = leak_of(planted, bars, ["move", "distance", "average", "planted"], seed)

    assert isinstance(found, Leak)
    assert (found.code, found.feature) == ("FUTURE_CHANGES_PAST", "planted")
    assert "planted at 2024-01-" in found.sentence


@settings(max_examples=15, deadline=None)
@given(bars=MARKETS, seed=SEEDS)
@pytest.mark.parametrize("name", ["core6", "trend52"])
def test_the_sets_know_nothing_of_the_future_on_any_market(name: str, bars: BarColumns, seed: int) -> None:
    assert set_leak_of(find_set(name), bars, seed) is None


@settings(max_examples=15, deadline=None)
@given(bars=MARKETS, seed=SEEDS)
def test_what_is_honest_passes(bars: BarColumns, seed: int) -> None:
    assert leak_of(honest, bars, ["move", "distance", "average"], seed) is None


def test_a_set_whose_warm_up_is_too_short_differs_live() -> None:
    features = find_set("trend52")
    entries = tuple(
        entry if entry.name != "ema50_distance" else _named(entry.name, warm_up=60) for entry in features.entries[:3]
    )
    hasty = FeatureSet("hasty3", entries, features.advance, features.carry, features.prepare, take=(0, 1, 2))

    found = live_leak_of(hasty, market(3_000, seed=3))

    assert found is not None
    assert (found.code, found.feature) == ("LIVE_DIFFERS", "ema50_distance")


def _named(name: str, warm_up: int) -> object:
    from engine.features.sets import Entry

    return Entry(name, "close ÷ EMA(50) − 1", "fraction", warm_up)


@pytest.mark.parametrize("seed", range(5))
def test_a_label_among_the_features_is_recognised_without_the_function_that_made_it(seed: int) -> None:
    bars = market(3_000, seed)
    labels = direction(bars)
    rows = find_set("core6").batch(bars)
    names = [*find_set("core6").names, "planted"]
    noise = np.random.default_rng(seed).normal(0, 0.1, 3_000)
    for planted in (labels.label.astype(float), labels.change, -labels.change, labels.label + noise):
        found = label_inside(np.column_stack((rows, planted)), names, labels.label)
        assert found is not None
        assert (found.code, found.feature) == ("LABEL_INSIDE", "planted")
    assert label_inside(rows, names[:-1], labels.label) is None


def test_a_sample_that_is_too_short_is_refused() -> None:
    with pytest.raises(
        ValueError, match="0 of the latest 300 rows of A/USD are known; trend52 is checked on at least 32"
    ):
        set_leak_of(find_set("trend52"), market(300, seed=1))


@settings(max_examples=15, deadline=None)
@given(bars=MARKETS, seed=SEEDS)
@pytest.mark.parametrize("make", [direction, three_classes, lambda bars: triple_barrier(bars, 0.003, 0.004)])
def test_labels_know_their_life_and_nothing_after(
    make: Callable[[BarColumns], Labels], bars: BarColumns, seed: int
) -> None:
    assert label_leak_of(make, bars, seed) is None


@settings(max_examples=15, deadline=None)
@given(bars=MARKETS, seed=SEEDS)
def test_a_label_that_outlives_its_until_is_found(bars: BarColumns, seed: int) -> None:
    def hasty(given_bars: BarColumns) -> Labels:
        made = direction(given_bars)
        return Labels(made.time, made.until - 60_000_000, made.label, made.change, made.past, 2)

    found = label_leak_of(hasty, bars, seed)

    assert found is not None
    assert found.code == "LABEL_BEYOND_LIFE"


def test_a_market_that_stands_still_is_judged_where_it_moved_or_not_at_all() -> None:
    features = find_set("trend52")
    assert set_leak_of(features, flattened(market(2_000, seed=2), 900, 2_000)) is None
    with pytest.raises(ValueError, match="0 of the latest 2000 rows of A/USD are known"):
        set_leak_of(features, flattened(market(2_000, seed=2), 500, 2_000))
    hasty = replace(features, entries=tuple(replace(entry, warm_up=60) for entry in features.entries))
    assert set_leak_of(hasty, flattened(market(2_000, seed=2), 900, 2_000)) is not None
