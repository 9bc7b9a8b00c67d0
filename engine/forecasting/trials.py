"""What the best of many trials is worth: deflated Sharpe ratio, and the probability of backtest overfitting.

Sharpe ratios here are per period, not annual. Sources: Bailey & López de Prado, "The Deflated Sharpe Ratio" (2014);
Bailey, Borwein, López de Prado & Zhu, "The Probability of Backtest Overfitting" (2017).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from engine.forecasting.cases import Column, JudgementError
from engine.inference import Shape

EULER_MASCHERONI = 0.5772156649015329
_NORMAL = NormalDist()
_LARGEST_CUT = 16


def expected_maximum(trials: int, variance: float = 1.0) -> float:
    """E[max] of `trials` Sharpe ratios of true mean 0: √V·((1 − γ)·z(1 − 1/N) + γ·z(1 − 1/(N·e))); 0 for one trial."""
    if trials < 2:
        return 0.0
    above = (1 - EULER_MASCHERONI) * _NORMAL.inv_cdf(1 - 1 / trials)
    return math.sqrt(variance) * (above + EULER_MASCHERONI * _NORMAL.inv_cdf(1 - 1 / (trials * math.e)))


def deflated_sharpe(form: Shape, trials: int, variance: float) -> float:
    """Probability that the Sharpe ratio is above what the best of `trials` without skill would show: PSR(SR0).

    `variance` is that of the trials' per-period Sharpe ratios.
    """
    return form.psr(expected_maximum(trials, variance))


@dataclass(frozen=True, slots=True)
class Overfitting:
    """PBO and the logits it was counted from; `splits` even cuts of the history."""

    probability: float
    splits: int
    logits: tuple[float, ...]


def overfitting(returns: Column, cuts: int = _LARGEST_CUT) -> Overfitting:
    """PBO by CSCV: how often the trial that was best in one half of the history is in the worse half of the other.

    `returns` [period, trial]: the same periods under every trial. Cut into `cuts` even blocks of periods, every choice
    of half of them is in-sample once. The logit is ln(w / (1 − w)) of w = rank ÷ (trials + 1) out of sample of the best
    in sample; PBO is the share of logits ≤ 0. Raises `JudgementError` below two trials or two periods a cut.
    """
    periods, trials = returns.shape
    if trials < 2 or cuts % 2 or cuts < 2 or periods < 2 * cuts:
        raise JudgementError(
            "PBO", f"{trials} trials over {periods} periods cannot be cut into {cuts} even blocks of two or more"
        )
    edges = np.linspace(0, periods, cuts + 1).round().astype(np.int64)
    sums, squares = (np.add.reduceat(values, edges[:-1], axis=0) for values in (returns, returns**2))
    sizes = np.diff(edges).astype(np.float64)
    chosen = np.zeros((math.comb(cuts, cuts // 2), cuts))
    for row, blocks in enumerate(itertools.combinations(range(cuts), cuts // 2)):
        chosen[row, blocks] = 1
    inside = _sharpes(chosen @ sums, chosen @ squares, chosen @ sizes)
    outside = _sharpes((1 - chosen) @ sums, (1 - chosen) @ squares, (1 - chosen) @ sizes)
    best = outside[np.arange(len(chosen)), inside.argmax(axis=1)][:, None]
    rank = (outside < best).sum(axis=1) + ((outside == best).sum(axis=1) + 1) / 2
    logits = np.log(rank / (trials + 1 - rank))
    return Overfitting(float((logits <= 0).mean()), len(logits), tuple(logits.tolist()))


def _sharpes(total: Column, squares: Column, count: Column) -> Column:
    """Sharpe ratios from sums; a trial that never traded has no variation and counts as 0."""
    mean = total / count[:, None]
    spread = np.sqrt(np.maximum(squares / count[:, None] - mean**2, 0.0))
    ratios: Column = np.divide(mean, spread, out=np.zeros_like(mean), where=spread > 1e-12)
    return ratios
