"""Two sources on the same bars: how far their closes are apart, and how much volume each of them saw."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_FINEST = 1e-3  # basis points; what is less counts as equal
_PER_DECADE = 20
_BINS = 8 * _PER_DECADE  # up to 1e5 basis points


@dataclass(slots=True)
class Difference:
    """Closes of one source against another's, in basis points, as counts that can be added up.

    Quantiles come from bins a twentieth of a decade wide: right to 12 %.
    """

    bars: int = 0
    equal: int = 0
    worst: float = 0.0  # basis points
    worst_at: int = 0  # microseconds since the epoch, the bar's open
    volume: float = 0.0
    other_volume: float = 0.0
    bins: dict[int, int] = field(default_factory=dict)

    def see(self, opened: np.ndarray, close: np.ndarray, other: np.ndarray, volume: float, other_volume: float) -> None:
        """Count bars of one time each: `close` against the `other` source's."""
        apart = np.abs(close / other - 1) * 1e4
        told = apart >= _FINEST
        where = np.clip(np.log10(np.maximum(apart[told], _FINEST) / _FINEST) * _PER_DECADE, 0, _BINS - 1)
        for number, count in zip(*np.unique(where.astype(int), return_counts=True), strict=True):
            self.bins[int(number)] = self.bins.get(int(number), 0) + int(count)
        self.bars += len(apart)
        self.equal += int((~told).sum())
        self.volume += volume
        self.other_volume += other_volume
        if len(apart) and float(apart.max()) > self.worst:
            row = int(apart.argmax())
            self.worst, self.worst_at = float(apart[row]), int(opened[row])

    def quantile(self, share: float) -> float:
        """Basis points that `share` of the bars stay below."""
        wanted, seen = share * self.bars, self.equal
        if seen >= wanted:
            return 0.0
        for number, count in sorted(self.bins.items()):
            seen += count
            if seen >= wanted:
                return min(self.worst, _FINEST * 10 ** ((number + 1) / _PER_DECADE))
        return self.worst

    @property
    def volume_ratio(self) -> float:
        """This source's volume over the other's; NaN when the other saw none."""
        return self.volume / self.other_volume if self.other_volume > 0 else math.nan

    def add(self, more: Difference) -> None:
        if more.worst > self.worst:
            self.worst, self.worst_at = more.worst, more.worst_at
        for name in ("bars", "equal", "volume", "other_volume"):
            setattr(self, name, getattr(self, name) + getattr(more, name))
        for number, count in more.bins.items():
            self.bins[number] = self.bins.get(number, 0) + count

    def as_json(self) -> dict[str, Any]:
        names = ("bars", "equal", "worst", "worst_at", "volume", "other_volume")
        return {name: getattr(self, name) for name in names} | {"bins": {str(k): v for k, v in self.bins.items()}}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Difference:
        return cls(**{**body, "bins": {int(number): count for number, count in body["bins"].items()}})
