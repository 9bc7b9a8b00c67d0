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


@settings(max_examples=20, deadline=None)
@given(name=st.sampled_from(SETS), seed=st.integers(0, 10_000))
def test_bar_by_bar_gives_the_same_bits_as_all_at_once(name: str, seed: int) -> None:
    bars, features = rough(1_100, seed), find_set(name)
    assert bar_by_bar(features, bars).tobytes() == features.batch(bars).tobytes()


@settings(max_examples=20, deadline=None)
@given(name=st.sampled_from(SETS), seed=st.integers(0, 10_000), first=st.integers(1, 400))
def test_where_history_begins_does_not_matter_once_a_row_is_known(name: str, seed: int, first: int) -> None:
    bars, features = rough(1_500, seed), find_set(name)
    whole, late = features.batch(bars)[first:], features.batch(part(bars, first))
    rows = known(late)
    assert not rows[: features.warm_up - 1].any()
    scale = np.sqrt(np.nanmean(whole**2, axis=0)) * np.ones_like(whole)
    allowed = 1e-9 * np.maximum(np.abs(whole), scale)
    assert (np.abs(whole - late) <= allowed)[rows].all()


@pytest.mark.parametrize("name", SETS)
def test_many_coins_in_one_call_are_the_same_bits_as_each_alone(name: str) -> None:
    features, coins = find_set(name), [market(800, seed, price=10.0**seed) for seed in range(5)]
    carries, rows = features.fresh(5, MINUTE), np.empty((800, 5, len(features)))
    for i in range(800):
        columns = [
            np.array([getattr(coin, field)[i] for coin in coins])
            for field in ("open", "high", "low", "close", "volume", "trades")
        ]
        features.move(np.array([coin.time[i] for coin in coins]), columns, carries, rows[i])
    for number, coin in enumerate(coins):
        assert rows[:, number].tobytes() == features.batch(coin).tobytes()


@pytest.mark.parametrize("name", SETS)
def test_a_long_hole_begins_everything_anew_and_a_short_one_does_not(name: str) -> None:
    features, bars = find_set(name), market(2_000, seed=4)
    for missing, anew in ((60, True), (59, False)):
        holed = without(bars, np.arange(1_000, 1_000 + missing))
        rows = known(features.batch(holed))
        assert rows[1_000 : 1_000 + features.warm_up - 1].any() is not np.bool_(anew)
        assert rows[1_000 + features.warm_up :].all()


@pytest.mark.parametrize("name", SETS)
def test_after_a_long_hole_the_bits_are_those_of_a_first_start(name: str) -> None:
    features, bars = find_set(name), market(2_500, seed=5)
    holed = without(bars, np.arange(700, 900))
    assert features.batch(holed)[700:].tobytes() == features.batch(part(holed, 700)).tobytes()


def test_a_return_is_missing_only_where_its_own_bar_is() -> None:
    features, bars = find_set("trend52"), market(2_000, seed=6)
    rows = features.batch(without(bars, np.array([1_000])))
    for back in (1, 5, 15, 60):
        column = rows[:, features.names.index(f"return_{back}")]
        assert np.flatnonzero(np.isnan(column[features.warm_up :])) + features.warm_up == [1_000 - 1 + back]
    assert np.isnan(rows[1_000, features.names.index("gap")])
    assert (~known(rows[features.warm_up :])).sum() == len({1, 5, 10, 15, 30, 60})


def test_what_is_no_bar_has_no_row_and_changes_nothing() -> None:
    features, bars = find_set("trend52"), market(1_500, seed=7)
    rows = features.batch(bars)
    for field, bad in (("close", np.nan), ("low", 0.0), ("volume", -1.0), ("high", np.inf), ("open", -3.0)):
        column = getattr(bars, field).copy()
        column[1_000] = bad
        broken = features.batch(BarColumns(**{**_fields(bars), field: column}))
        gone = features.batch(without(bars, np.array([1_000])))
        assert np.isnan(broken[1_000]).all()
        assert np.delete(broken, 1_000, axis=0).tobytes() == gone.tobytes()
    doubled = BarColumns(**{**{k: np.insert(v, 1_000, v[999]) for k, v in _columns(bars).items()}, **_named(bars)})
    assert np.delete(features.batch(doubled), 1_000, axis=0).tobytes() == rows.tobytes()


def test_a_market_that_stands_still_has_defined_numbers_for_an_hour_and_none_after() -> None:
    features, bars = find_set("trend52"), flattened(market(2_500, seed=8), 1_000, 1_400)
    rows = features.batch(bars)
    place = features.names.index("vwap_deviation")
    assert np.flatnonzero(~known(rows[features.warm_up :])).tolist() == list(
        range(1_059 - features.warm_up, 1_400 - features.warm_up)
    )
    row = dict(zip(features.names, rows[1_058], strict=True))
    expected = {
        **dict.fromkeys(("return_1", "return_15", "roc30", "volume_ratio_20", "obv_slope", "gap"), 0.0),
        **dict.fromkeys(("candle_body", "upper_wick", "lower_wick", "candle_range", "transactions_ratio"), 0.0),
        **dict.fromkeys(("bollinger_width", "stochastic_k", "stochastic_d", "volatility_15", "volatility_ratio"), 0.0),
        "bollinger_b": 0.5,
    }
    assert {name: row[name] for name in expected} == expected
    assert np.isfinite(rows[1_058, place])


@pytest.mark.parametrize("name", SETS)
def test_a_price_that_never_moves_is_not_predicted_on(name: str) -> None:
    features, bars = find_set(name), market(1_200, seed=9)
    still = {field: np.full(1_200, 2.5) for field in ("open", "high", "low", "close")}
    assert not known(features.batch(BarColumns(**{**_fields(bars), **still}))).any()


def test_a_source_without_trade_counts_has_the_set_without_that_feature_under_its_own_name() -> None:
    features, bars = find_set("trend52"), market(1_000, seed=10)
    less = features.for_source(MINUTE, has_trades=False)
    assert less.name == "trend51"
    assert set(features.names) - set(less.names) == {"transactions_ratio"}
    silent = BarColumns(**{**_fields(bars), "trades": None})
    assert not known(features.batch(silent)).any()
    rows = less.batch(silent)
    assert known(rows)[less.warm_up :].all()
    place = features.names.index("transactions_ratio")
    assert rows.tobytes() == np.delete(features.batch(bars), place, axis=1).tobytes()
    assert features.for_source(MINUTE, has_trades=True) is features


def test_the_bars_themselves_say_which_set_they_can_serve() -> None:
    features, bars = find_set("trend52"), market(1_000, seed=10)
    counts = bars.trades.copy()
    counts[:40] = np.nan
    few = BarColumns(**{**_fields(bars), "trades": counts})
    none = BarColumns(**{**_fields(bars), "trades": np.full(1_000, np.nan)})
    assert [features.for_bars([bars, one]).name for one in (bars, few, none)] == ["trend52", "trend52", "trend51"]
    with pytest.raises(ValueError, match="bars of 2 intervals"):
        features.for_bars([bars, market(10, seed=1, interval=timedelta(minutes=5))])


@pytest.mark.parametrize(
    ("minutes", "name", "back"),
    [(1, "core6", (5, 60)), (5, "core6", (1, 12)), (15, "core5", (4,)), (60, "core5", (1,))],
)
def test_a_return_over_a_time_is_so_many_bars_long_or_not_there(minutes: int, name: str, back: tuple[int, ...]) -> None:
    interval = timedelta(minutes=minutes)
    bars = market(1_000, seed=11, interval=interval)
    features = find_set("core6").for_source(interval, has_trades=True)
    rows = features.batch(bars)
    assert features.name == name
    for column, rows_back in enumerate(back):
        expected = bars.close[500:] / bars.close[500 - rows_back : -rows_back] - 1
        np.testing.assert_allclose(rows[500:, column], expected, rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="core6 on bars of 0:07:00: no return_5m, return_1h; use for_source"):
        find_set("core6").fresh(1, timedelta(minutes=7))


def test_some_trade_counts_missing_are_missing_there_alone() -> None:
    features, bars = find_set("trend52"), market(1_500, seed=12)
    counts = bars.trades.copy()
    counts[1_000:1_010] = np.nan
    rows = features.batch(BarColumns(**{**_fields(bars), "trades": counts}))
    assert np.flatnonzero(~known(rows[features.warm_up :])).tolist() == list(range(352, 362))


def test_an_unknown_set_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="core6, trend52"):
        find_set("core7")


def test_columns_that_do_not_fit_are_refused() -> None:
    features, bars = find_set("core6"), market(20, seed=1)
    with pytest.raises(ValueError, match="20 rows, 1 carries"):
        features.move(bars.time, [bars.open[1:]] + [bars.close] * 5, features.fresh(1, MINUTE), np.empty((20, 6)))


def _columns(bars: BarColumns) -> dict[str, np.ndarray]:
    return {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume", "trades", "time")}


def _named(bars: BarColumns) -> dict[str, object]:
    return {"symbol": bars.symbol, "interval": bars.interval}


def _fields(bars: BarColumns) -> dict[str, object]:
    return {**_named(bars), **_columns(bars)}


def test_the_row_without_trade_counts_is_the_whole_row_less_that_column() -> None:
    """A live desk makes whole rows and a model that was trained without counts reads its columns of them."""
    bars, features = market(1_500, seed=3), find_set("trend52")
    less = features.for_source(MINUTE, has_trades=False)
    assert features.warm_up == less.warm_up
    places = [features.names.index(name) for name in less.names]
    assert features.batch(bars)[:, places].tobytes() == less.batch(bars).tobytes()
    assert features.serving(less.names, MINUTE) == less
    assert features.serving(features.names, MINUTE) is features
    assert features.serving(("rsi_14",), MINUTE) is None
