"""Has the world moved away from what the model was trained on? The population stability index of one feature.

PSI = Σ (a − e)·ln(a / e) over bins, `e` the share expected from the training rows and `a` the share seen now. By custom
below 0.1 nothing has happened, 0.1 is watched, 0.25 is acted on. That custom is for samples of independent rows; one
day of a market is far from a hundred days of it in any feature that moves slowly. So a day is unusual here only when it
is also further away than every day that the model was made of: fitted, calibrated and judged on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.forecasting.cases import Column, Times
from engine.forecasting.overlap import DAY

WATCH, ACT = 0.10, 0.25
BEYOND = 1.5  # times the furthest known day: on real bars 1 or 2 days of a hundred
FEWEST_ROWS = 50  # of a day that tells how far days lie
_LEAST = 1e-4  # a share that was not seen counts as this: the logarithm of nothing is no number


@dataclass(frozen=True, slots=True)
class Reference:
    """One feature as it was in training: inner edges of the bins, and the share of rows in each. `furthest` is the PSI
    of the day furthest from that among those the model was made of; 0 where it is not known."""

    edges: tuple[float, ...]
    shares: tuple[float, ...]
    furthest: float = 0.0


@dataclass(frozen=True, slots=True)
class Drift:
    """How far one feature is from training, and from where on that is to be watched, and acted on."""

    feature: str
    psi: float
    watch: float
    act: float


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


def with_days(known: Reference, values: NDArray[np.floating[Any]], time: Times) -> Reference:
    """The reference that knows how far single days of the model's own rows lie from it; `time` is int64 µs."""
    days = (values[time // DAY == day] for day in np.unique(time // DAY))
    furthest = max((psi(known, day.astype(np.float64)) for day in days if len(day) >= FEWEST_ROWS), default=0.0)
    return replace(known, furthest=furthest)


def drift_of(feature: str, known: Reference, values: Column, watch: float = WATCH, act: float = ACT) -> Drift:
    """The feature's distance now; `watch` and `act` are the least that count."""
    return Drift(feature, psi(known, values), max(watch, known.furthest), max(act, BEYOND * known.furthest))


def _shares(values: Column, edges: Column) -> Column:
    counts = np.bincount(np.searchsorted(edges, values, "right"), minlength=len(edges) + 1)
    shares: Column = counts / len(values)
    return shares
