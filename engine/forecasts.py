"""A model's view of a coin, as it goes through the desk: into analyses, signals, the ledger and what people read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.domain import Symbol


@dataclass(frozen=True, slots=True)
class Forecast:
    """Calibrated probabilities of one symbol, from the bar that closed `at`, about its close `until`.

    `probabilities` are of (down, up) or (down, flat, up) and add up to 1. `edge` is the expected change until then in
    units of the volatility at `at`. `price` is the close that the change is measured from. `features_hash` finds the
    feature row. `shadow` is a challenger's, on which nothing is traded. `reasons` are (feature, contribution to the
    margin), the largest first.
    """

    model: str
    version: str
    symbol: Symbol
    at: datetime
    until: datetime
    probabilities: tuple[float, ...]
    price: float
    edge: float
    features_hash: str
    shadow: bool = False
    reasons: tuple[tuple[str, float], ...] = ()

    @property
    def down(self) -> float:
        return self.probabilities[0]

    @property
    def up(self) -> float:
        return self.probabilities[-1]
