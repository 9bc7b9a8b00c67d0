"""Combinatorial purged cross-validation: many test paths through one history instead of a single one.

N groups of instants, k of them tested at a time: C(N, k) splits whose test groups recombine into k/N·C(N, k) whole
paths (López de Prado, ch. 12; N = 6, k = 2: 15 splits, 5 paths). skfolio names the splits and the paths. Its purge
counts rows, which holds only for one coin on an even grid, so the purge here is that of `splits`: lives in time, all
coins of one instant on one side. On one coin and an even grid the two agree row by row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.forecasting.cases import JudgementError, Rows, Times
from engine.forecasting.splits import Fold, clear_of, numbered


@dataclass(frozen=True, slots=True, eq=False)
class Combinatorial:
    """`folds[i]` is tested on the groups `tested[i]`; path p takes group g from fold `paths[g, p]`."""

    group: Times  # of each row
    folds: tuple[Fold, ...]
    tested: NDArray[np.intp]
    paths: NDArray[np.intp]

    def path(self, number: int) -> tuple[tuple[int, Rows], ...]:
        """(fold, rows of the test that it gives to this path), group by group: together every row once."""
        return tuple(
            (int(fold), np.flatnonzero(self.group == group)) for group, fold in enumerate(self.paths[:, number])
        )


def combinatorial(time: Times, until: Times, groups: int = 6, tested: int = 2, embargo: int = 0) -> Combinatorial:
    """All C(`groups`, `tested`) splits (at least two tested), purged by label lives.

    Raises `JudgementError` when one has nothing to train on.
    """
    from skfolio.model_selection import CombinatorialPurgedCV

    plan = CombinatorialPurgedCV(n_folds=groups, n_test_folds=tested, purged_size=0, embargo_size=0)
    number, instants = numbered(time)
    if instants < groups:
        raise JudgementError("FEW_ROWS", f"{instants} instants cannot make {groups} groups; train on more history")
    group = number * groups // instants
    clear = np.stack([clear_of(time, until, group == one, embargo) for one in range(groups)])
    sets = np.asarray(plan.test_set_index)
    folds = []
    for chosen in sets:
        test = np.isin(group, chosen)
        train = ~test & clear[chosen].all(axis=0)
        if not train.any():
            raise JudgementError("FEW_ROWS", f"after purge nothing is left to train on for groups {chosen.tolist()}")
        folds.append(Fold(np.flatnonzero(train), np.flatnonzero(test), int((~test).sum() - train.sum())))
    return Combinatorial(group, tuple(folds), sets, np.asarray(plan.recombined_paths))
