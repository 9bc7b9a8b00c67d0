"""Indicators of pandas-ta-classic on a declared window: the library's numbers, live as in history, leaks refused."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.backtest.market import Series
from engine.backtest.wishes import wishes_of
from engine.core.layout import EXIT
from engine.features import Feature, find_feature, from_pandas_ta, registry
from engine.playbook import load
from tests.features.made import market
from tests.strategies.test_live_equals_batch import compare

ENGINE = Path(__file__).resolve().parents[2]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pandas_ta_classic as library


@pytest.fixture(autouse=True)
def _only_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test declares is forgotten after it."""
    monkeypatch.setattr(registry, "_FEATURES", dict(registry._FEATURES))


def batch(feature: Feature, length: int, rows: int = 2_000) -> np.ndarray:
    bars, out = market(rows, seed=3), np.empty(rows)
    feature.advance(*(getattr(bars, name) for name in feature.inputs), length, feature.fresh(), out)
    return out


def test_the_numbers_are_the_librarys_after_the_warm_up() -> None:
    feature = from_pandas_ta("t3", ["close"], longest=10, slowest_span=lambda length: 6 * length)
    expected = library.t3(pd.Series(market(2_000, seed=3).close), length=10).to_numpy()
    ours = batch(feature, 10)
    assert feature.warm_up(10) == 720
    assert np.isnan(ours[:719]).all()
    np.testing.assert_array_equal(ours[719:], expected[719:])
    assert find_feature("t3") is feature


@pytest.mark.parametrize(
    ("indicator", "inputs", "span", "column"),
    [
        ("stoch", ("high", "low", "close"), 1, "STOCHk"),
        ("cmo", ("close",), 2, 0),
        ("bbands", ("close",), 1, "BBB"),
        ("willr", ("high", "low", "close"), 1, 0),
        ("mfi", ("high", "low", "close", "volume"), 1, 0),
    ],
)
def test_bar_by_bar_on_the_window_equals_history(
    indicator: str, inputs: tuple[str, ...], span: int, column: str | int
) -> None:
    feature = from_pandas_ta(
        indicator, inputs, longest=9, name=f"my_{indicator}", slowest_span=lambda n: span * n, column=column
    )
    bars, whole = market(2_000, seed=3), batch(feature, 9)
    carry, live = feature.fresh(), np.empty(2_000)
    edges = [0, 40, 1_000, 1_900, *range(1_901, 2_001)]
    for first, end in itertools.pairwise(edges):
        part = [getattr(bars, name)[first:end] for name in inputs]
        feature.advance(*part, 9, carry, live[first:end])
    assert np.isfinite(whole[feature.warm_up(9) :]).all()
    scale = np.sqrt(np.nanmean(whole**2))
    np.testing.assert_allclose(live, whole, rtol=1e-9, atol=1e-9 * scale)


def test_what_knows_the_future_or_adds_up_for_ever_is_refused() -> None:
    with pytest.raises(ValueError, match="changes when later bars"):
        from_pandas_ta("dpo", ["close"], longest=20, centered=True, slowest_span=lambda n: 3 * n)
    with pytest.raises(ValueError, match="what adds up since the first bar has no window"):
        from_pandas_ta("pvt", ["close", "volume"], longest=5)
    with pytest.raises(ValueError, match="state a slower span"):
        from_pandas_ta("rma", ["close"], longest=10, name="hasty")
    for name in ("dpo", "pvt", "hasty"):
        with pytest.raises(KeyError):
            find_feature(name)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="cannot have input 'price'"):
        from_pandas_ta("sma", ["price"], longest=5)
    with pytest.raises(ValueError, match="cannot have offset"):
        from_pandas_ta("sma", ["close"], longest=5, offset=-1)
    with pytest.raises(ValueError, match="no indicator 'smma_x'"):
        from_pandas_ta("smma_x", ["close"], longest=5)
    with pytest.raises(ValueError, match=r"answers BBL_5_2.0, .*; there is no 'XX'"):
        from_pandas_ta("bbands", ["close"], longest=5, column="XX")
    with pytest.raises(ValueError, match="ema is a feature of the desk's own"):
        from_pandas_ta("ema", ["close"], longest=5)
    feature = from_pandas_ta("willr", ["high", "low", "close"], longest=5, name="short")
    with pytest.raises(ValueError, match="declared for lengths up to 5, asked was 6"):
        batch(feature, 6)


STRATEGY = """
from engine.features import from_pandas_ta
from engine.strategies import Columns, Wishes, crossed_above, crossed_below, strategy

from_pandas_ta("willr", ["high", "low", "close"], longest=12)


@strategy(lookback=2, features={"turn": ("willr", "length")})
def fished(bars: Columns, length: int = 9) -> Wishes:
    return Wishes(enter=crossed_above(bars["turn"], -80.0), leave=crossed_below(bars["turn"], -20.0))
"""


def test_a_strategy_with_such_a_feature_signals_live_what_it_signals_in_history(tmp_path: Path) -> None:
    (tmp_path / "fished.py").write_text(STRATEGY)
    text = (ENGINE / "examples" / "my_playbook.yaml").read_text()
    (tmp_path / "fished.yaml").write_text(
        text.replace("my_strategy.py", "fished.py").replace("{length: 14, low: 30, high: 70}", "{length: 9}")
    )
    playbook, bars = load(tmp_path / "fished.yaml"), market(900, seed=8)
    names = ("open", "high", "low", "close", "volume")
    series = Series("A/USD", 60_000_000, bars.time - 60_000_000, *(getattr(bars, name) for name in names))
    assert (wishes_of(playbook, series, 0)["action"] == EXIT).sum() > 10
    compare(playbook, [series])


def test_the_library_is_imported_only_when_an_indicator_is_asked() -> None:
    code = "import sys, engine.features\nprint(sorted({'pandas', 'pandas_ta_classic'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ENGINE, env={**os.environ}, check=True
    )
    assert done.stdout.strip() == "[]"
