"""Published and recomputed test vectors of the statistics that reports quote."""

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.inference import Shape, mean_interval, shape, t_value, wilson


@pytest.mark.parametrize(
    ("given_shape", "expected"),
    [(Shape(0.458, 24), 0.98167), (Shape(0.458, 24, -2.448, 10.164), 0.91336)],
)
def test_the_probabilistic_sharpe_ratio_is_that_of_2012(given_shape, expected):
    assert given_shape.psr() == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize(
    ("given_shape", "error", "months"),
    [
        (Shape(0.7079, 134, -0.2250, 2.9570), 0.10276, 8.5826),
        (Shape(0.8183, 134, -1.4455, 7.0497), 0.15501, 13.9116),
    ],
)
def test_the_error_and_the_minimum_track_record_are_the_published_ones(given_shape, error, months):
    assert given_shape.error == pytest.approx(error, abs=1e-5)
    assert given_shape.periods_needed() == pytest.approx(months, abs=1e-4)


@pytest.mark.parametrize(("a_year", "years"), [(252, 2.7310), (52, 2.8288), (12, 3.2398)])
def test_two_against_one_a_year_takes_about_three_years_to_show(a_year, years):
    monthly = Shape(2 / math.sqrt(a_year), a_year)
    assert monthly.periods_needed(1 / math.sqrt(a_year)) / a_year == pytest.approx(years, abs=1e-4)


def test_no_track_record_proves_a_sharpe_ratio_that_is_not_there():
    assert Shape(-0.1, 100).periods_needed() is None


def test_wilson_of_530_in_1000():
    found = wilson(530, 1000)
    assert (found.low, found.high) == pytest.approx((0.49901, 0.56076), abs=5e-6)
    assert wilson(0, 0) is None


@given(n=st.integers(1, 10_000), data=st.data())
def test_wilson_stays_between_nothing_and_all_and_holds_the_share(n, data):
    hits = data.draw(st.integers(0, n))
    found = wilson(hits, n)
    assert 0 <= found.low <= hits / n + 1e-12
    assert hits / n - 1e-12 <= found.high <= 1


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (5, 2.5706), (10, 2.2281), (30, 2.0423), (120, 1.9799)],
)
def test_the_t_quantile_is_that_of_the_tables(freedom, quantile):
    assert t_value(freedom) == pytest.approx(quantile, rel=2e-3)


def test_the_interval_of_a_mean_is_wider_for_few_values_and_absent_for_one():
    few, many = mean_interval([0.01, -0.01] * 2), mean_interval([0.01, -0.01] * 50)
    assert few.high - few.low > many.high - many.low > 0
    assert mean_interval([0.01]) is None


def test_a_series_without_variation_has_no_shape():
    assert shape([0.1 + 0.2 - 0.3] * 50) is None
    assert shape([0.001] * 50) is None
    assert shape([0.01, 0.02]) is None


def test_the_shape_of_normal_quantiles_is_nearly_normal():
    normal = [NormalDist(0.001, 0.01).inv_cdf((index + 0.5) / 2000) for index in range(2000)]
    found = shape(normal)
    assert found.sharpe == pytest.approx(0.1, rel=0.01)
    assert (found.skew, found.kurtosis) == pytest.approx((0.0, 3.0), abs=0.03)
