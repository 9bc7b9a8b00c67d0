"""What a judgement is made of: rows of a test span, each a forecast's instant, its label and the label's life."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]
Times = NDArray[np.int64]
Rows = NDArray[np.intp]
Classes = NDArray[np.int64]
Flags = NDArray[np.bool_]

CLASSES = {2: ("down", "up"), 3: ("down", "flat", "up")}
"""The classes by their number, in order of price; a label is a place in this tuple."""


class JudgementError(ValueError):
    """Rows cannot be judged. `code` is for machines, the text says what was wrong, with what value, and what to do."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """Rows to judge, in any order, all arrays of one length.

    `time` (int64 µs) is the close at which the forecast is made, `until` when its label is known; `coin` numbers the
    symbol; `label` is the class that came true; `past` the class of the move over the horizon before `time`, −1 where
    that is not known. `classes` is 2 (down, up) or 3 (down, flat, up). Raises `JudgementError` for rows that cannot be.
    """

    time: Times
    until: Times
    coin: Classes
    label: Classes
    past: Classes
    classes: int = 2

    def __post_init__(self) -> None:
        if self.classes not in CLASSES:
            raise JudgementError("CLASSES", f"{self.classes} classes: judged are 2 (down, up) or 3 (down, flat, up)")
        lengths = {name: len(getattr(self, name)) for name in ("time", "until", "coin", "label", "past")}
        if len(set(lengths.values())) > 1:
            raise JudgementError("LENGTHS", f"the columns of the rows differ in length: {lengths}")
        if not len(self.time):
            raise JudgementError("NO_ROWS", "there is no row to judge; train on a longer history")
        if not (self.until > self.time).all():
            raise JudgementError("LIFE", "a label ends at or before the forecast that it belongs to; check the labels")
        if self.label.min() < 0 or self.label.max() >= self.classes or self.past.max() >= self.classes:
            raise JudgementError("LABELS", f"labels must be 0 to {self.classes - 1}; rows without one are left out")

    def __len__(self) -> int:
        return len(self.time)

    @property
    def life(self) -> int:
        """The longest life of a label, in microseconds."""
        return int((self.until - self.time).max())

    def at(self, rows: Rows | Flags) -> Cases:
        """Some of the rows."""
        return Cases(
            self.time[rows], self.until[rows], self.coin[rows], self.label[rows], self.past[rows], self.classes
        )


def check_probability(probability: Column, cases: Cases) -> None:
    """Raise `JudgementError` unless this is [row, class] with finite shares that add up to 1."""
    wanted = (len(cases), cases.classes)
    if probability.shape != wanted:
        raise JudgementError("SHAPE", f"probabilities of shape {probability.shape}; needed: {wanted}, a row per case")
    if not np.isfinite(probability).all():
        bad = int((~np.isfinite(probability)).any(axis=1).sum())
        raise JudgementError("NOT_A_NUMBER", f"{bad:,} forecasts are not numbers; leave rows without a forecast out")
    if probability.min() < -1e-9 or np.abs(probability.sum(axis=1) - 1).max() > 1e-6:
        raise JudgementError("NO_PROBABILITY", "the forecasts of a row are no probabilities: they must add up to 1")


def guesses(probability: Column) -> Classes:
    """The likeliest class of each row; of two equally likely ones the higher."""
    last = probability.shape[1] - 1
    found: Classes = last - probability[:, ::-1].argmax(axis=1)
    return found
