"""The controls of the whole pipeline, on markets whose truth is known: noise, and edges of a known size.

    python -m tests.training --controls [--quick]

Of forty random walks at least 38 must end with *no edge* (*not proven* does not count) and none be promoted; a planted
interaction, which neither a rule nor a line can see, must be found to within two points of what can be known, with
honest confidences.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.forecasting.gate import Verdict
from engine.market.planted import COINS, best_possible, planted_bars, random_walk_bars
from tests.training.made import playbook, trained

DIRECTION = playbook()  # the playbook of the shelf, as it is
WALKS, WALK_DAYS = 40, 60
SHARES, SEEDS, DAYS = (0.55, 0.60, 0.70), (11, 12, 13), 180


@dataclass(frozen=True)
class Found:
    """One market through the whole training: what could be known, what was found, what the gate said."""

    best: float
    accuracy: float
    calibration_error: float
    logistic: float
    reversal: float
    verdict: Verdict
    promotable: bool
    by_rule: bool
    trades: int
    pnl: float


def found(bars, best=0.5, terms=DIRECTION):
    with TemporaryDirectory() as folder:
        done = trained(Path(folder), bars, terms)
    card = done.card
    beside = {name: card.judgement.against(name).accuracy.value for name in ("logistic", "reversal")}
    seen = card.judgement
    return Found(
        best, seen.accuracy.value, seen.calibration_error, **beside, verdict=card.gate.verdict,
        promotable=card.gate.promotable, by_rule=card.gate.by_rule, trades=card.money.trades, pnl=card.money.pnl,
    )  # fmt: skip


def planted(share, seed, days=DAYS, terms=DIRECTION):
    return found(planted_bars(COINS, days, share, seed), best_possible(COINS, days, share, seed), terms)


def noise(seed, days=WALK_DAYS, coins=COINS[:3], terms=DIRECTION):
    return found(random_walk_bars(coins, days, seed), terms=terms)


def main() -> int:
    quick = "--quick" in sys.argv
    walks = [_said(f"random walk {seed}", noise(seed)) for seed in range(8 if quick else WALKS)]
    count = {word: sum(one.verdict is word for one in walks) for word in Verdict}
    told = ", ".join(f"{number} {word}" for word, number in count.items())
    print(f"\n{len(walks)} random walks: {told}; promoted {sum(one.promotable for one in walks)}\n")
    for share in SHARES:
        for seed in SEEDS[:1] if quick else SEEDS:
            _said(f"planted {share:.0%}, seed {seed}", planted(share, seed))
    return 0


def _said(name, one):
    print(
        f"{name:<22} best {one.best:.1%}  right {one.accuracy:.1%}  ECE {one.calibration_error:.2%}  logistic "
        f"{one.logistic:.1%}  reversal {one.reversal:.1%}  {one.verdict:<10}  "
        f"{'promotable' if one.promotable else '-':<10}  {one.trades} trades {one.pnl:+.0f}",
        flush=True,
    )
    return one
