"""How good forecasts are, in one number each. Labels are class numbers, probabilities [row, class]."""

from __future__ import annotations

import numpy as np

from engine.forecasting.cases import Classes, Column, Flags

_LEAST = 1e-15


def log_loss(probability: Column, label: Classes) -> float:
    """Mean −ln of the probability that was given to what came true."""
    given = probability[np.arange(len(label)), label]
    return float(-np.log(np.clip(given, _LEAST, 1.0)).mean())


def brier(probability: Column, label: Classes) -> float:
    """Two classes: mean (p(up) − up)², 0.25 for a coin. Three: mean Σ over classes of (p − came true)² (Brier 1950)."""
    if probability.shape[1] == 2:
        return float(((probability[:, 1] - label) ** 2).mean())
    squares = (probability**2).sum(axis=1) - 2 * probability[np.arange(len(label)), label] + 1
    return float(squares.mean())


def constant_brier(shares: Column, label: Classes) -> float:
    """The Brier score of always giving the same shares, those of the training rows: what a forecast has to beat."""
    return brier(np.broadcast_to(shares, (len(label), len(shares))), label)


def shares_of(label: Classes, classes: int) -> Column:
    """How often each class came."""
    counts: Column = np.bincount(label, minlength=classes) / len(label)
    return counts


def macro_f1(guess: Classes, label: Classes, classes: int) -> float:
    """Mean over classes of 2·hits / (guessed + came true); a class neither guessed nor seen is left out."""
    hits = np.bincount(label[guess == label], minlength=classes)
    both = np.bincount(guess, minlength=classes) + np.bincount(label, minlength=classes)
    return float((2 * hits[both > 0] / both[both > 0]).mean())


def auc(score: Column, came_true: Flags) -> float | None:
    """How likely a row that came true scored above one that did not, ties half (Mann-Whitney); None for one class."""
    positive = int(came_true.sum())
    negative = len(came_true) - positive
    if not positive or not negative:
        return None
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2
    above = float(rank[place[came_true]].sum()) - positive * (positive + 1) / 2
    return above / (positive * negative)


def class_auc(probability: Column, label: Classes) -> float | None:
    """Two classes: up against down. Three: moved against flat, which is what volatility makes predictable."""
    if probability.shape[1] == 2:
        return auc(probability[:, 1], label == 1)
    return auc(1 - probability[:, 1], label != 1)


def right_direction(probability: Column, label: Classes) -> Flags:
    """Three classes, rows that moved: whether the likelier of up and down came true, flat left aside."""
    flags: Flags = (probability[:, 2] > probability[:, 0]) == (label == 2)
    return flags
