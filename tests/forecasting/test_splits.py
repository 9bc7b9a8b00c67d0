"""Splits: no training label's life meets the span that is tested, whatever the rows look like."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.forecasting.cases import JudgementError
from engine.forecasting.combinatorial import combinatorial
from engine.forecasting.splits import chronological, hold_back, walk_forward

MINUTE = 60_000_000


@st.composite
def rows(draw):
    """Several coins at the same and at different instants, holes, lives of any length, in any order."""
    instants = np.sort(draw(st.lists(st.integers(0, 3_000), min_size=60, max_size=120, unique=True)))
    coins = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 1_000)))
    time = np.repeat(instants, coins)[rng.permutation(len(instants) * coins)].astype(np.int64) * MINUTE
    until = time + rng.integers(1, draw(st.integers(2, 60)), len(time)) * MINUTE
    return time, until, draw(st.integers(0, 30)) * MINUTE


def meets(time, until, train, test, embargo):
    """Whether a training life comes closer than `embargo` to the span from the first forecast to the last label."""
    begin, end = time[test].min() - embargo, until[test].max() + embargo
    return bool(((until[train] >= begin) & (time[train] <= end)).any())


def split_or_nothing(split, *given_rows, **terms):
    """The split, or None where so few rows leave nothing to train on, which is refused."""
    try:
        return split(*given_rows, **terms)
    except JudgementError as error:
        if error.code != "FEW_ROWS":
            raise
        return None


@given(rows())
@settings(max_examples=60, deadline=None)
def test_no_life_of_a_training_label_meets_the_validation_or_the_test(made):
    time, until, embargo = made
    parts = split_or_nothing(chronological, time, until, embargo=embargo)
    if parts is None:
        return
    assert not meets(time, until, parts.train, parts.validation, embargo)
    assert not meets(time, until, parts.train, parts.test, embargo)
    assert not meets(time, until, parts.validation, parts.test, embargo)
    assert len(parts.train) + len(parts.validation) + len(parts.test) + parts.left_out == len(time)


@given(rows(), st.sampled_from([None, 900 * MINUTE]))
@settings(max_examples=60, deadline=None)
def test_a_walk_forward_learns_only_from_what_is_over(made, window):
    time, until, embargo = made
    folds = split_or_nothing(walk_forward, time, until, folds=3, window=window, embargo=embargo)
    if folds is None:
        return
    for fold in folds:
        assert until[fold.train].max() < time[fold.test].min() - embargo
        if window is not None:
            assert time[fold.train].min() >= time[fold.test].min() - window
    tested = np.concatenate([fold.test for fold in folds])
    assert len(np.unique(tested)) == len(tested)


@given(rows())
@settings(max_examples=40, deadline=None)
def test_the_validation_part_of_a_fold_keeps_its_distance_too(made):
    time, until, embargo = made
    every = np.arange(len(time))
    parts = split_or_nothing(hold_back, time, until, every, embargo=embargo)
    if parts is None:
        return
    assert not meets(time, until, parts.train, parts.test, embargo)
    assert time[parts.train].max() < time[parts.test].min()


@given(rows())
@settings(max_examples=30, deadline=None)
def test_all_coins_of_an_instant_are_on_one_side_and_no_life_meets_any_tested_group(made):
    time, until, embargo = made
    cuts = split_or_nothing(combinatorial, time, until, groups=6, tested=2, embargo=embargo)
    if cuts is None:
        return
    for fold, groups in zip(cuts.folds, cuts.tested, strict=True):
        assert not np.isin(time[fold.train], time[fold.test]).any()
        for group in groups:
            assert not meets(time, until, fold.train, cuts.group == group, embargo)


def even(instants, horizon):
    time = np.arange(instants, dtype=np.int64) * MINUTE
    return time, time + horizon * MINUTE


def test_six_groups_two_at_a_time_make_fifteen_splits_and_five_whole_paths():
    time, until = even(600, 5)
    cuts = combinatorial(time, until)
    assert len(cuts.folds) == math.comb(6, 2) == 15
    assert cuts.paths.shape == (6, 5)
    for number in range(5):
        pieces = cuts.path(number)
        assert sorted(np.concatenate([rows for _, rows in pieces]).tolist()) == list(range(600))
        for fold, rows in pieces:
            assert np.isin(rows, cuts.folds[fold].test).all()


def test_every_tested_piece_belongs_to_one_path():
    time, until = even(600, 5)
    cuts = combinatorial(time, until)
    pairs = [(fold, int(cuts.group[rows[0]])) for number in range(5) for fold, rows in cuts.path(number)]
    assert len(set(pairs)) == len(pairs) == 15 * 2


@pytest.mark.parametrize(("groups", "tested"), [(6, 2), (5, 2), (8, 3)])
def test_on_one_coin_and_an_even_grid_the_purge_is_skfolios(groups, tested):
    from skfolio.model_selection import CombinatorialPurgedCV

    horizon = 7
    time, until = even(groups * 100, horizon)
    theirs = CombinatorialPurgedCV(n_folds=groups, n_test_folds=tested, purged_size=horizon, embargo_size=0)
    ours = combinatorial(time, until, groups=groups, tested=tested)
    for fold, (train, test) in zip(ours.folds, theirs.split(np.zeros((len(time), 1))), strict=True):
        assert fold.train.tolist() == train.tolist()
        assert fold.test.tolist() == sorted(np.concatenate(test).tolist())


def test_what_purge_takes_is_one_life_on_each_side():
    time, until = even(100, 5)
    parts = chronological(time, until)
    assert parts.left_out == 10  # five rows before the validation, five before the test
    assert parts.train[-1] == 54
    assert parts.validation[[0, -1]].tolist() == [60, 74]


def test_too_short_a_history_is_refused_with_a_reason():
    time, until = even(12, 10)
    with pytest.raises(JudgementError, match="train on more history"):
        chronological(time, until)
