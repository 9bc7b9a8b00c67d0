"""Rows to learn from: what is in them, what was left out and why, and a hash that knows the content."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from engine.forecasting.cases import JudgementError
from engine.training.dataset import FEWEST_ROWS, build, moves_of, volatility_of
from tests.training.made import STEP_US, cut, market, playbook, walk

TERMS = playbook(sample_every=None).model
EVERY = playbook(sample_every=timedelta(minutes=30)).model


def code(call, *given):
    with pytest.raises(JudgementError) as caught:
        call(*given)
    return caught.value.code


def test_every_bar_gives_a_row_or_a_reason():
    data = build(EVERY, market(2))
    for one in data.left_out:
        assert one.rows + sum(one.reasons.values()) == one.bars
        assert {"not sampled", "features not known", "no label"} == set(one.reasons)
    assert sum(one.rows for one in data.left_out) == len(data)


def test_rows_are_in_order_of_time_and_sampled_at_the_same_instants_for_every_coin():
    data = build(EVERY, market(3))
    assert (np.diff(data.cases.time) >= 0).all()
    assert (data.cases.time % (30 * 60_000_000) == 0).all()
    assert len(set(data.cases.coin[data.cases.time == data.cases.time[len(data) // 2]])) == 3


def test_features_and_labels_of_a_row_are_those_of_its_bar():
    bars = market(2)
    data = build(TERMS, bars)
    row = len(data) // 2
    one = bars[data.cases.coin[row]]
    place = int(np.searchsorted(one.time, data.cases.time[row]))
    assert np.allclose(data.rows[row], data.features.batch(one)[place].astype(np.float32))
    later = one.close[place + 24]
    assert data.cases.label[row] == int(later > one.close[place])
    assert data.change[row] == pytest.approx(later / one.close[place] - 1)
    assert data.cases.until[row] == one.time[place + 24]


def test_a_block_without_numbers_gives_no_rows_near_it_and_the_rest_stays():
    bars = walk()
    broken = replace(bars, volume=np.where(np.arange(len(bars.time)) // 300 == 20, np.nan, bars.volume))
    whole, found = build(TERMS, [bars]), build(TERMS, [broken])
    assert 0 < len(found) < len(whole)
    assert np.isfinite(found.rows).all()
    assert found.left_out[0].reasons["features not known"] > whole.left_out[0].reasons["features not known"]


def test_labels_do_not_reach_over_a_hole():
    bars = walk()
    holed = replace(
        bars, **{name: np.delete(getattr(bars, name), slice(6_000, 6_010)) for name in
                 ("time", "open", "high", "low", "close", "volume")}
    )  # fmt: skip
    data = build(TERMS, [holed])
    before = data.cases.time[(data.cases.time > bars.time[5_976]) & (data.cases.time < bars.time[6_010])]
    assert not len(before)


def test_the_hash_is_of_the_content():
    bars = market(2)
    again = [replace(one, close=one.close.copy()) for one in bars]
    assert build(EVERY, bars).hash == build(EVERY, again).hash
    again[1].close[777] *= 1 + 1e-12
    hashes = {build(EVERY, one).hash for one in (bars, again, bars[:1])}
    other = build(EVERY.model_copy(update={"sample_every": timedelta(hours=1)}), bars).hash
    assert len(hashes | {other}) == 4


def test_trade_counts_are_learnt_from_where_every_coin_has_them():
    terms = playbook("trend", sample_every=None).model
    bars = walk(days=20, step=timedelta(minutes=1))
    counted = replace(bars, trades=np.full(len(bars.time), 7.0))
    assert build(terms, [counted]).features.name == "trend52"
    assert build(terms, [counted, replace(bars, symbol="ETH/USD")]).features.name == "trend51"


def test_the_worth_of_a_class_is_its_mean_move_in_units_of_volatility():
    data = build(EVERY, market(2))
    down, up = moves_of(data, np.arange(len(data)))
    assert down < 0 < up
    assert up == pytest.approx((data.change / data.volatility)[data.cases.label == 1].mean())


def test_volatility_knows_nothing_of_the_next_bar():
    close = walk().close
    short = volatility_of(close[:500], 24)
    assert np.array_equal(volatility_of(close, 24)[:500], short, equal_nan=True)
    assert np.isnan(short[:60]).all()
    returns = np.diff(close) / close[:-1]
    assert short[100] == pytest.approx(returns[40:100].std() * np.sqrt(24))


def test_a_coin_without_bars_is_left_out_and_said():
    bars = [*market(2), cut(walk("EMPTY/USD"), 0, 0)]
    data = build(EVERY, bars)
    assert [one.rows for one in data.left_out if one.symbol == "EMPTY/USD"] == [0]
    assert 2 not in data.cases.coin


def test_bars_that_give_too_little_are_refused_with_a_code():
    assert code(build, EVERY, []) == "NO_BARS"
    assert code(build, EVERY, [cut(walk(), 0, 500)]) == "TOO_FEW_ROWS"
    assert code(build, EVERY, [walk(), walk("B/USD", step=timedelta(minutes=1), days=5)]) == "INTERVALS"
    assert code(build, playbook("trend").model, [walk(step=timedelta(hours=1), days=200)]) == "BARS"
    assert FEWEST_ROWS == 1_000


def test_the_bars_carry_the_time_of_their_close():
    assert walk().time[0] % STEP_US == 0
