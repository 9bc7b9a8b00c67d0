"""How large a planted edge is: from the share of right answers to how often, and how far, prices move for a reason."""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, sqrt

import numpy as np
from numpy.typing import NDArray

HORIZON = 120  # minutes of a block, and of the direction that can be known
TELLING = 115  # its first minutes, in which the volume tells; in the rest the price moves
SURE = 0.93  # how likely the direction is to be right while a move is to come
LEAST, MOST = 0.50, 0.75
_SPREAD = 0.036  # standard deviation of the log price's walk over a block
_QUANTILE = 1.4757910281791708  # of SURE in the standard normal distribution

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Edge:
    """`moved`: the share of blocks that end with a move of `move` (log price); `spread` and `minute` are standard
    deviations of the walk over a block and a minute."""

    p: float
    moved: float
    move: float = _SPREAD * _QUANTILE
    spread: float = _SPREAD
    minute: float = _SPREAD / sqrt(HORIZON)

    @classmethod
    def of(cls, p: float) -> Edge:
        """The edge of which `p` of all answers can be right. Raises `ValueError` for a share that cannot be."""
        require_share(p)
        low, high = 0.0, 1.0
        while high - low > 1e-9:  # what can be known rises with the share of moved blocks
            middle = (low + high) / 2
            low, high = (middle, high) if share_of(cls(p, middle)) < p else (low, middle)
        return cls(p, high)


def require_share(p: float) -> None:
    """Raise `ValueError` for a share of right answers that cannot be planted."""
    if not LEAST < p <= MOST:
        raise ValueError(
            f"a share of {p:g} cannot be; use one above {LEAST:.2f} and at most {MOST:.2f}; "
            "a simulated market without a planted share has no edge"
        )


def share_of(edge: Edge) -> float:
    """Over all minutes of long times, how often the likelier direction comes true."""
    moved, still = chances_of(edge, 1.0), chances_of(edge, 0.0)
    right = edge.moved * np.maximum(moved, 1 - moved) + (1 - edge.moved) * np.maximum(still, 1 - still)
    return float(right.mean())


def chances(edge: Edge, way: Column) -> Column:
    """How likely a rise is at each minute of blocks that lead up, down or nowhere (1, −1, 0)."""
    up = chances_of(edge, 1.0)
    known = np.where(way[:, None] > 0, up, np.where(way[:, None] < 0, 1 - up, 0.5))
    answer: Column = known.ravel()
    return answer


def chances_of(edge: Edge, way: float) -> Column:
    """How likely a rise is at each minute of a block that leads `way`; what the next one does is not known by then."""
    minute = np.arange(HORIZON)
    done = np.maximum(0, minute - (TELLING - 1)) / (HORIZON - TELLING)
    ahead, beyond = way * edge.move * (1 - done) / edge.spread, edge.move * done / edge.spread
    either = (_normal(ahead + beyond) + _normal(ahead - beyond)) / 2
    answer: Column = (1 - edge.moved) * _normal(ahead) + edge.moved * either
    return answer


def _normal(at: Column) -> Column:
    return np.array([0.5 * (1 + erf(one / sqrt(2))) for one in at.tolist()])
