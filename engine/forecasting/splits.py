"""Splits that keep time in order: no training label's life meets the span that it is tested on.

Rows may be in any order and of any number of coins; what counts are instants, so all coins of one instant are always
on the same side. *Purge*: a training label alive [t, t + h] must not meet the test span, which reaches from its first
forecast to the end of its last label (López de Prado, ch. 7). *Embargo*: such rows also keep that distance from the
span, on both sides, because features look back.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from engine.forecasting.cases import Flags, JudgementError, Rows, Times

SHARES = (0.6, 0.2, 0.2)


@dataclass(frozen=True, slots=True, eq=False)
class Thirds:
    """Rows to fit on, to stop early and calibrate on, and to judge once; `left_out` were purged or embargoed."""

    train: Rows
    validation: Rows
    test: Rows
    left_out: int


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Rows to train and to test on; `left_out` would have been trained on, but for purge and embargo."""

    train: Rows
    test: Rows
    left_out: int


def chronological(time: Times, until: Times, shares: tuple[float, float, float] = SHARES, embargo: int = 0) -> Thirds:
    """Oldest to train, then validation, then test, by shares of the instants; `embargo` in microseconds.

    Raises `JudgementError` when a part would be empty.
    """
    if abs(sum(shares) - 1) > 1e-9 or min(shares) <= 0:
        raise JudgementError("SHARES", f"shares {shares}: three positive numbers that add up to 1 are needed")
    number, instants = numbered(time)
    first, second = (round(instants * edge) for edge in (shares[0], shares[0] + shares[1]))
    test = number >= second
    validation = (number >= first) & ~test & clear_of(time, until, test, embargo)
    train = (number < first) & clear_of(time, until, validation, embargo) & clear_of(time, until, test, embargo)
    _need_rows({"training": train, "validation": validation, "test": test}, instants)
    left = len(time) - int(train.sum() + validation.sum() + test.sum())
    return Thirds(np.flatnonzero(train), np.flatnonzero(validation), np.flatnonzero(test), left)


def walk_forward(
    time: Times, until: Times, folds: int = 5, first: float = 0.5, window: int | None = None, embargo: int = 0
) -> tuple[Fold, ...]:
    """`folds` test spans of equally many instants after the oldest `first` share; each is trained on what was before.

    The training span grows from the beginning, or rolls: `window` microseconds before the test span. Raises
    `JudgementError` when a part would be empty.
    """
    number, instants = numbered(time)
    edges = np.round(np.linspace(first * instants, instants, folds + 1)).astype(np.int64)
    made = []
    for begin, end in itertools.pairwise(edges.tolist()):
        test = (number >= begin) & (number < end)
        _need_rows({"test": test}, instants)
        earlier = number < begin
        if window is not None:
            earlier &= time >= int(time[test].min()) - window
        train = earlier & clear_of(time, until, test, embargo)
        _need_rows({"training": train}, instants)
        made.append(Fold(np.flatnonzero(train), np.flatnonzero(test), int(earlier.sum() - train.sum())))
    return tuple(made)


def hold_back(time: Times, until: Times, rows: Rows, share: float = 0.25, embargo: int = 0) -> Fold:
    """Split a fold's training `rows` again: the newest `share` of instants (as `test`) to stop and calibrate on."""
    number, instants = numbered(time[rows])
    late = number >= round(instants * (1 - share))
    early = ~late & clear_of(time[rows], until[rows], late, embargo)
    _need_rows({"training": early, "validation": late}, instants)
    return Fold(rows[early], rows[late], len(rows) - int(early.sum() + late.sum()))


def clear_of(time: Times, until: Times, test: Flags, embargo: int = 0) -> Flags:
    """Which labels' lives keep `embargo` away from the one span of the `test` rows; a touch is a meeting."""
    if not test.any():
        return np.ones(len(time), dtype=np.bool_)
    begin, end = int(time[test].min()) - embargo, int(until[test].max()) + embargo
    clear: Flags = (until < begin) | (time > end)
    return clear


def numbered(time: Times) -> tuple[Times, int]:
    """The number of each row's instant in order of time, and how many different instants there are."""
    instants, number = np.unique(time, return_inverse=True)
    return number.astype(np.int64), len(instants)


def _need_rows(parts: dict[str, Flags], instants: int) -> None:
    for name, rows in parts.items():
        if not rows.any():
            raise JudgementError(
                "FEW_ROWS", f"{instants:,} instants leave no row for the {name} part after purge; train on more history"
            )
