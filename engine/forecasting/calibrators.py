"""From a model's raw probabilities to ones that mean what they say, as numbers that a JSON file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from engine.forecasting.cases import Classes, Column
from engine.forecasting.scores import log_loss

Kind = Literal["isotonic", "platt"]
KINDS: tuple[Kind, ...] = ("isotonic", "platt")
EDGE = 1e-4
"""No class is ever called impossible or certain: nothing that was fitted on some thousand rows can know that."""
FEWEST_A_STEP = 50
"""Rows behind the two outermost steps of an isotonic fit; fewer would promise extremes that a handful showed."""


@dataclass(frozen=True, slots=True)
class Calibrator:
    """One rising map per class (for two classes: one, of the second). `knots` are (raw, calibrated) pairs, straight
    lines between them; Platt's map is (slope, shift) on the log-odds."""

    kind: Kind
    knots: tuple[tuple[tuple[float, float], ...], ...]

    def apply(self, probability: Column) -> Column:
        """Calibrated [row, class] from raw ones; rows add up to 1."""
        if probability.shape[1] == 2:
            second = np.clip(self._map(self.knots[0], probability[:, 1]), EDGE, 1 - EDGE)
            return np.column_stack((1.0 - second, second))
        columns = [np.clip(self._map(knots, probability[:, c]), EDGE, 1 - EDGE) for c, knots in enumerate(self.knots)]
        raised = np.column_stack(columns)
        answer: Column = raised / raised.sum(axis=1, keepdims=True)
        return answer

    def _map(self, knots: tuple[tuple[float, float], ...], raw: Column) -> Column:
        if self.kind == "platt":
            slope, shift = knots[0]
            answer: Column = 1.0 / (1.0 + np.exp(-(slope * _odds(raw) + shift)))
            return answer
        at, to = np.array(knots).T
        line: Column = np.interp(raw, at, to)
        return line

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "knots": [[list(pair) for pair in knots] for knots in self.knots]}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Calibrator:
        """Raises `ValueError` for what is no calibration."""
        if told.get("kind") not in KINDS:
            raise ValueError(f"a calibration of kind {told.get('kind')!r}; known: {', '.join(KINDS)}")
        knots = tuple(tuple((float(a), float(b)) for a, b in part) for part in told["knots"])
        return cls(told["kind"], knots)


def calibrate(
    probability: Column, label: Classes, late: np.ndarray, how: Literal["best", "isotonic", "platt"] = "best"
) -> Calibrator:
    """Fit on validation rows. `late` marks the newer half: of the two kinds the one is `best` that, fitted on either
    half, has the lower log-loss on the other; then it is fitted on all of them."""
    kinds = KINDS if how == "best" else (how,)
    if len(kinds) == 1 or not 0 < late.sum() < len(late):
        return _fit(kinds[0], probability, label)

    def loss(kind: Kind) -> float:
        halves = [(late, ~late), (~late, late)]
        made = [(_fit(kind, probability[a], label[a]), b) for a, b in halves]
        return sum(log_loss(one.apply(probability[b]), label[b]) * float(b.sum()) for one, b in made)

    return _fit(min(kinds, key=loss), probability, label)


def _fit(kind: Kind, probability: Column, label: Classes) -> Calibrator:
    classes = probability.shape[1]
    wanted = (1,) if classes == 2 else tuple(range(classes))
    make = _isotonic if kind == "isotonic" else _platt
    return Calibrator(kind, tuple(make(probability[:, c], label == c) for c in wanted))


def _isotonic(raw: Column, came: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Pooled adjacent violators (scikit-learn's), as the middle of each step, so that it rises without jumps."""
    from sklearn.isotonic import IsotonicRegression

    order = np.argsort(raw, kind="stable")
    sorted_raw, fitted = raw[order], IsotonicRegression().fit_transform(raw[order], came[order].astype(np.float64))
    edges = np.flatnonzero(np.diff(fitted)) + 1
    steps = [part for part in np.split(np.arange(len(raw)), edges) if len(part)]
    while len(steps) > 1 and len(steps[0]) < FEWEST_A_STEP:
        steps[:2] = [np.concatenate(steps[:2])]
    while len(steps) > 1 and len(steps[-1]) < FEWEST_A_STEP:
        steps[-2:] = [np.concatenate(steps[-2:])]
    hits = came[order]
    knots = [(float(sorted_raw[part].mean()), float(hits[part].mean())) for part in steps]
    return tuple(knots) if len(knots) > 1 else (knots[0], (knots[0][0] + 1.0, knots[0][1]))


def _platt(raw: Column, came: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Logistic regression on the log-odds (Platt 1999), with next to no shrinkage."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(came)) < 2:
        share = float(np.clip(came.mean(), EDGE, 1 - EDGE))
        return ((0.0, float(np.log(share / (1 - share)))),)
    fit = LogisticRegression(C=1e6, max_iter=1_000).fit(_odds(raw).reshape(-1, 1), came)
    return ((max(0.0, float(fit.coef_[0, 0])), float(fit.intercept_[0])),)


def _odds(raw: Column) -> Column:
    inside = np.clip(raw, EDGE, 1 - EDGE)
    answer: Column = np.log(inside / (1.0 - inside))
    return answer
