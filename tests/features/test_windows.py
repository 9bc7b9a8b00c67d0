"""Rolling sums do not drift, whatever has passed through them, and extremes are those of the window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.jit import compiled
from engine.features.extremes import EXTREMES, WINDOWS, highest, push
from engine.features.windows import SPREAD, SUM, slide, slide_spread

YEAR = 525_600


@compiled
def all_sums(values: Any, box: Sequence[Any], out: Any) -> None:
    for i in range(values.size):
        out[i] = slide(box[0], values[i])


@compiled
def all_spreads(values: Any, box: Sequence[Any], mean: Any, variance: Any) -> None:
    for i in range(values.size):
        mean[i] = slide_spread(box[0], values[i])
        variance[i] = box[0].variance


@compiled
def all_extremes(values: Any, box: Sequence[Any], widths: Any, out: Any) -> None:
    for i in range(values.size):
        push(box[0], values[i], i)
        for w in range(3):
            out[w, i] = highest(box[0], w, i - widths[w] + 1)


def sums(values: np.ndarray, width: int) -> np.ndarray:
    box, out = np.zeros(1, SUM), np.empty(len(values))
    box["width"] = width
    all_sums(values, box, out)
    return out[width - 1 :]


def spreads(values: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    box, mean, variance = np.zeros(1, SPREAD), np.empty(len(values)), np.empty(len(values))
    box["width"], box["share"] = width, 1.0 / width
    all_spreads(values, box, mean, variance)
    return mean[width - 1 :], variance[width - 1 :]


def windows(values: np.ndarray, width: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(values, width)


def shapes(seed: int, bars: int) -> dict[str, np.ndarray]:
    """Columns that break careless running sums."""
    draw = np.random.default_rng(seed)
    spiky = draw.lognormal(0, 1, bars)
    spiky[draw.integers(0, bars, 1 + bars // 500)] *= 1e12
    jumping = 50_000.0 + np.cumsum(draw.normal(0, 0.01, bars))
    jumping[bars // 2 :] *= 1e-4
    steps = np.repeat(draw.lognormal(0, 8, -(-bars // 37)), 37)[:bars]
    return {
        "spiky": spiky,
        "jumping": jumping,
        "steps": steps,
        "walk": 100 * np.exp(np.cumsum(draw.normal(0, 1e-3, bars))),
    }


@pytest.mark.parametrize("shape", ["spiky", "jumping", "steps", "walk"])
@pytest.mark.parametrize("width", [15, 20, 60, 240])
def test_sums_and_deviations_are_those_of_each_window_alone(shape: str, width: int) -> None:
    values = shapes(width, 4_000)[shape]
    views = windows(values, width)
    np.testing.assert_allclose(sums(values, width), views.sum(axis=1), rtol=1e-9)
    mean, variance = spreads(values, width)
    away = views - views.min(axis=1, keepdims=True)
    np.testing.assert_allclose(mean, views.mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(variance, away.var(axis=1), rtol=1e-9, atol=1e-300)


def test_a_year_of_minutes_does_not_drift() -> None:
    values = shapes(1, YEAR)
    for width in (20, 240):
        for shape in ("spiky", "walk"):
            last = windows(values[shape], width)[-2_000:]
            np.testing.assert_allclose(sums(values[shape], width)[-2_000:], last.sum(axis=1), rtol=1e-10)
            mean, variance = spreads(values[shape], width)
            np.testing.assert_allclose(mean[-2_000:], last.mean(axis=1), rtol=1e-10)
            np.testing.assert_allclose(variance[-2_000:], last.var(axis=1), rtol=1e-9)


@pytest.mark.parametrize("value", [0.1, 3e-7, 61_234.56, 0.0])
def test_equal_values_have_no_deviation_at_all(value: float) -> None:
    values = np.concatenate((np.random.default_rng(0).lognormal(0, 5, 100), np.full(100, value)))
    mean, variance = spreads(values, 20)
    assert (variance[-80:] == 0.0).all()
    assert (mean[-80:] == value).all()
    assert sums(np.concatenate((values[:100], np.zeros(100))), 20)[-1] == 0.0


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["walk", "rising", "falling", "steps"]))
def test_the_highest_of_three_windows_comes_from_one_queue(seed: int, kind: str) -> None:
    draw = np.random.default_rng(seed)
    moves = draw.integers(-2, 3, 700).astype(float)
    values = np.cumsum({"walk": moves, "rising": np.abs(moves), "falling": -np.abs(moves), "steps": moves // 2}[kind])
    box, out = np.zeros(1, EXTREMES), np.empty((3, 700))
    all_extremes(values, box, np.array(WINDOWS), out)
    for w, width in enumerate(WINDOWS):
        assert (out[w, width - 1 :] == windows(values, width).max(axis=1)).all()
