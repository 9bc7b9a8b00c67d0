"""Has the world moved away from what the model was trained on? The population stability index of one feature.

PSI = Σ (a − e)·ln(a / e) over bins, `e` the share expected from the training rows and `a` the share seen now. By custom
below 0.1 nothing has happened, 0.1 is watched, 0.25 is acted on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.forecasting.cases import Column

WATCH, ACT = 0.10, 0.25
_LEAST = 1e-4  # a share that was not seen counts as this: the logarithm of nothing is no number


@dataclass(frozen=True, slots=True)
class Reference:
    """One feature as it was in training: inner edges of the bins, and the share of rows in each."""

    edges: tuple[float, ...]
    shares: tuple[float, ...]


def reference(values: Column, bins: int = 10) -> Reference:
    """Bins of equally many training values; values that repeat often make fewer, wider bins. `values` are finite.

    A feature that never changed has three bins: below its value, at it, and above.
    """
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf"))
    edges = edges[edges > values.min()]
    if not len(edges):
        edges = np.array([values[0], np.nextafter(values[0], np.inf)])
    return Reference(tuple(edges.tolist()), tuple(_shares(values, edges).tolist()))


def psi(expected: Reference, values: Column) -> float:
    """How far the finite ones of `values` have moved from the reference; 0 when there is none."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0
    a = np.maximum(_shares(known, np.array(expected.edges)), _LEAST)
    e = np.maximum(np.array(expected.shares), _LEAST)
    return float(((a - e) * np.log(a / e)).sum())


def _shares(values: Column, edges: Column) -> Column:
    counts = np.bincount(np.searchsorted(edges, values, "right"), minlength=len(edges) + 1)
    shares: Column = counts / len(values)
    return shares
