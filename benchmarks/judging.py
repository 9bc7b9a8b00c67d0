"""Does the judge tell noise from skill? Markets whose truth is known, and how long a judgement takes.

    uv run python benchmarks/judging.py [--full]

Forecasts are made, not trained, so that the truth is exact: noise that changes slowly on random walks whose labels
overlap and whose coins move together, and probabilities that are right 55, 60 or 70 % of the time, which no baseline
sees. Money and canaries are as good as they can be: everything hangs on the forecasts. `--full`: 400 random walks.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from report import Board

from engine.forecasting.cases import Cases, Column, guesses
from engine.forecasting.gate import Gate, Verdict
from engine.forecasting.intervals import share
from engine.forecasting.judgement import judge
from engine.forecasting.overlap import blocks, uniqueness
from engine.forecasting.verdicts import decide
from tests.forecasting.found import lucky
from tests.forecasting.made import HOUR, planted, random_walks, stubborn_forecasts

NOISE_SEED, FORECAST_SEED = 50_000, 90_000
DAYS = 240


def main() -> int:
    full = "--full" in sys.argv[1:]
    walks, markets = (400, 100) if full else (80, 30)
    board = Board()
    _noise(board, walks)
    for best in (0.55, 0.60, 0.70):
        _planted(board, best, markets)
    _speed(board)
    board.publish("judging", f"{walks} random walks of {DAYS} days, {markets} planted markets of 60 days each")
    return 0


def _noise(board: Board, walks: int) -> None:
    """The share of random walks without an edge, and of intervals that hold the truth, of rows taken as one by one."""
    gates: list[Gate] = []
    held, naive = 0, 0
    for seed in range(walks):
        cases = random_walks(NOISE_SEED + seed, days=DAYS, step=HOUR)
        probability = stubborn_forecasts(cases, FORECAST_SEED + seed)
        gates.append(decide(lucky(cases, probability)))
        ours, theirs = _holding(cases, probability)
        held, naive = held + ours, naive + theirs
    for word in (Verdict.NO_EDGE, Verdict.NOT_PROVEN):
        count = sum(gate.verdict is word for gate in gates)
        board.add(f"random walks: {word}", 100 * count / walks, "%")
    board.add("random walks: may be promoted", 100 * sum(gate.promotable for gate in gates) / walks, "%")
    peer = f"{100 * naive / walks:.3g} when every row counts as independent"
    board.add("95 % intervals that hold the truth", 100 * held / walks, "%", peer)


def _holding(cases: Cases, probability: Column) -> tuple[bool, bool]:
    hit = guesses(probability) == cases.label
    unique = float(uniqueness(cases.time, cases.until, cases.coin).sum())
    found = share(hit, blocks(cases.time, cases.until), unique).interval
    alone = 1.96 * 0.5 / float(np.sqrt(len(hit)))
    return found.low <= 0.5 <= found.high, abs(float(hit.mean()) - 0.5) <= alone


def _planted(board: Board, best: float, markets: int) -> None:
    gates = [decide(lucky(*planted(300 + seed, best))) for seed in range(markets)]
    edges = sum(gate.verdict is Verdict.EDGE for gate in gates)
    board.add(f"planted {best:.0%}: called an edge", 100 * edges / markets, "%")
    board.add(f"planted {best:.0%}: may be promoted", 100 * sum(gate.promotable for gate in gates) / markets, "%")


def _speed(board: Board) -> None:
    """One judgement of 36 days of minutes of 20 coins, 1,032,000 forecasts, with four baselines."""
    cases = random_walks(1, days=36, coins=20, step=HOUR // 60)
    probability = stubborn_forecasts(cases, 1)
    begun = time.perf_counter()
    found = judge(cases, probability, {"logistic": probability})
    board.add(f"judging {found.rows:,} forecasts", time.perf_counter() - begun, "s")


if __name__ == "__main__":
    sys.exit(main())
