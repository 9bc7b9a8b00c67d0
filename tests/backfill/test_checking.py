"""Rows of a source: what is wrong with one is said, and nothing else is lost with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backfill.checking import COLUMNS, checked, taken
from engine.backfill.differences import Difference
from engine.backfill.findings import Findings
from engine.domain import micros
from engine.ports import BarColumns, Rejected
from tests.backfill.made import MINUTE, START, bars_of

END = START + 60 * MINUTE


def changed(bars: BarColumns, row: int, **values: float) -> BarColumns:
    columns: dict[str, Any] = {}
    for name, value in values.items():
        columns[name] = getattr(bars, name).copy()
        columns[name][row] = value
    return replace(bars, **columns)


def test_good_bars_pass_as_they_are() -> None:
    bars = bars_of("BTC/USD", 60)

    seen = checked(bars, START, END, END)

    assert not seen.rejected
    assert all(np.array_equal(getattr(seen.bars, name), getattr(bars, name)) for name in COLUMNS)


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("NOT_FINITE", {"close": float("nan")}),
        ("NOT_FINITE", {"volume": float("inf")}),
        ("NOT_POSITIVE", {"low": 0.0}),
        ("NEGATIVE_VOLUME", {"volume": -1.0}),
        ("INCONSISTENT", {"high": 1.0}),
        ("INCONSISTENT", {"low": 1e6, "high": 2e6}),
        ("OFF_GRID", {"time": micros(START) + 90_000_000}),
        ("FUTURE", {"time": micros(START + timedelta(days=365))}),
    ],
)
def test_a_bad_row_is_named_and_the_others_stay(code: str, fault: dict[str, float]) -> None:
    bars = changed(bars_of("BTC/USD", 60), 7, **fault)

    seen = checked(bars, START, END, END)

    assert [(one.symbol, one.code, one.count) for one in seen.rejected] == [("BTC/USD", code, 1)]
    assert seen.rejected[0].sentence.startswith("BTC/USD 20")
    assert len(seen.bars.time) == 59


def test_bars_of_other_pieces_are_left_to_them() -> None:
    seen = checked(bars_of("BTC/USD", 120), START + 10 * MINUTE, START + 20 * MINUTE, START + 120 * MINUTE)

    assert (len(seen.bars.time), seen.outside, seen.rejected) == (10, 110, ())


def test_of_two_bars_for_one_time_the_later_stands_and_both_kinds_are_counted() -> None:
    bars = bars_of("BTC/USD", 3)
    twice = taken(bars, np.array([0, 1, 1, 2, 2]))
    other = changed(twice, 4, volume=77.0)

    seen = checked(other, START, END, END)

    assert seen.duplicates == 1
    assert [(one.code, one.count) for one in seen.rejected] == [("CONFLICT", 1)]
    assert seen.bars.volume[-1] == 77.0
    assert list(seen.bars.time) == list(bars.time)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 29), min_size=1, max_size=80), st.randoms(use_true_random=False))
def test_no_row_is_lost_without_a_word(rows: list[int], chance: Any) -> None:
    bars = taken(bars_of("BTC/USD", 30), np.array(rows))
    for _ in range(3):
        bars = changed(bars, chance.randrange(len(rows)), **{chance.choice(["open", "close", "volume"]): -1.0})

    seen = checked(bars, START + 5 * MINUTE, END, END)

    told = sum(one.count for one in seen.rejected)
    assert len(seen.bars.time) + told + seen.duplicates + seen.outside == len(rows)
    assert (np.diff(seen.bars.time) > 0).all()


def test_differences_add_up_and_their_quantiles_are_right_to_their_bins() -> None:
    chance = np.random.default_rng(3)
    other = np.full(4000, 100.0)
    apart = np.concatenate([np.zeros(1000), 10 ** chance.uniform(-2, 2, 3000)])
    close = other * (1 + apart / 1e4)
    halves = [Difference(), Difference()]
    for half, rows in zip(halves, (slice(0, 1500), slice(1500, None)), strict=True):
        half.see(np.arange(4000)[rows], close[rows], other[rows], 3.0, 2.0)
    whole = Difference()
    for half in halves:
        whole.add(Difference.from_json(half.as_json()))

    assert (whole.bars, whole.equal, whole.volume_ratio) == (4000, 1000, 1.5)
    assert whole.worst == pytest.approx(apart.max(), rel=1e-6)
    assert whole.worst_at == apart.argmax()
    assert whole.quantile(0.2) == 0.0
    for share in (0.5, 0.9, 0.99):
        assert whole.quantile(share) == pytest.approx(np.quantile(apart, share), rel=0.13)


def test_what_pieces_showed_survives_its_way_through_the_store() -> None:
    one, other = Findings(duplicates=2, kept=5), Findings()
    one.reject([Rejected("A/B", "FUTURE", 3, "first of A")])
    one.note("the file is cut short")
    one.difference("A/B", "feed").see(np.array([1]), np.array([101.0]), np.array([100.0]), 1.0, 1.0)
    other.reject([Rejected("A/B", "FUTURE", 4, "second of A")])

    total = Findings.from_json(one.as_json())
    total.add(Findings.from_json(other.as_json()))

    assert total.rejected == {("A/B", "FUTURE"): (7, "first of A")}
    assert (total.duplicates, total.kept, total.notes) == (2, 5, ["the file is cut short"])
    assert total.differences["A/B", "feed"].worst == pytest.approx(100)
    assert Findings().as_json() == {}
