"""Sets: every number against an independent one, and history against the live desk."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.features.sets import FeatureSet, find_set, known
from engine.ports import BarColumns
from tests.features import reference
from tests.features.made import MINUTE, flattened, market, part, rough, without

SETS = ("core6", "trend52")


def bar_by_bar(features: FeatureSet, bars: BarColumns) -> np.ndarray:
    rows, carry = np.empty((len(bars.time), len(features))), features.fresh(1, bars.interval)
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.trades)
    for i in range(len(rows)):
        features.move(bars.time[i : i + 1], [c[i : i + 1] for c in columns], carry, rows[i : i + 1])
    return rows


def test_the_sets_have_as_many_features_as_their_names_say() -> None:
    assert [len(find_set(name)) for name in SETS] == [6, 52]
    assert all(len(set(find_set(name).names)) == len(find_set(name)) for name in SETS)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", SETS)
def test_every_feature_agrees_with_talib_or_pandas(name: str, seed: int) -> None:
    bars = flattened(market(3_000, seed, price=100.0), 1_500, 1_540)
    features = find_set(name)
    with np.errstate(invalid="ignore", divide="ignore"):
        rows, expected = features.batch(bars), getattr(reference, name)(bars)
    assert set(features.names) == set(expected)
    for i, entry in enumerate(features.entries):
        ours, theirs = rows[features.warm_up - 1 :, i], expected[entry.name][features.warm_up - 1 :]
        undefined = ~np.isfinite(theirs)
        assert undefined.sum() <= 60, entry.name
        size = np.sqrt(np.mean(theirs[~undefined] ** 2))
        np.testing.assert_allclose(
            ours[~undefined], theirs[~undefined], rtol=1e-9, atol=1e-9 * size, err_msg=entry.name
        )
