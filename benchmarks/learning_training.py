"""How long a training takes and weighs: six months of minutes of twenty coins, and a hundred coins forecast at once."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from report import Board

COINS, DAYS = 20, 182
QUICK_DAYS = 60
PREDICTED = 100
_TOLD: set[str] = set()
PROGRAM = "import sys; sys.path[:0] = sys.argv[1:3]; import learning_training as it; it.alone(int(sys.argv[3]))"


def training(board: Board, full: bool) -> None:
    """The training part, in a process of its own so that its peak is its own."""
    here = Path(__file__).resolve().parent
    days = DAYS if full else QUICK_DAYS
    arguments = [sys.executable, "-c", PROGRAM, str(here), str(here.parent), str(days)]
    done = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    what = f"direction, {COINS} coins, {days} days of minutes"
    board.add(f"{what}: train, judge, canaries, card figures", told["seconds"], "s", "limit 300 for 182 days")
    board.add(f"{what}: peak memory", told["peak"], "GB", "limit 4 for 182 days")
    board.add(f"{what}: rows fitted and judged", told["rows"], "rows")
    board.add(f"forecasts of {PREDICTED} coins in one batch", told["predict"], "ms", "limit 20")
    board.add(f"the same with SHAP contributions of {PREDICTED} coins", told["explain"], "ms")


def alone(days: int) -> None:
    """One training; prints what it took as JSON."""
    import resource
    from datetime import UTC, datetime

    from engine.forecasting.registry import ModelFolder
    from engine.playbook import load
    from engine.training.experiments import opened
    from engine.training.fitting import Lab
    from engine.training.training import train

    bars = [_coin(number, days) for number in range(COINS)]
    with tempfile.TemporaryDirectory() as home, opened(Path(home) / "experiments.sqlite") as experiments:
        lab = Lab(experiments, lambda: datetime.now(UTC), "benchmark")
        folder, begun = ModelFolder(Path(home)), time.perf_counter()
        done = train(load("direction"), bars, lab, folder, _said)
        seconds = time.perf_counter() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        model = folder.load(done.passport.name, done.passport.version, done.artefact)
        rows = done.data.rows[-PREDICTED:]
        predict, explain = (_median(lambda make=make: make(rows)) for make in (model.predict, model.contributions))
    told = {
        "seconds": seconds,
        "peak": peak,
        "rows": len(done.data),
        "predict": predict * 1e3,
        "explain": explain * 1e3,
    }
    print(json.dumps(told))


def _coin(number: int, days: int) -> Any:
    """A seeded walk of one-minute bars with a little of the past in it, so that there is something to fit."""
    from engine.ports import BarColumns

    draw = np.random.default_rng(number)
    count = days * 1_440
    steps = draw.normal(0, 0.0008, count)
    steps[121:] -= 0.05 * steps[1:-120]
    close = 100.0 * np.exp(np.cumsum(steps))
    before = np.concatenate(([100.0], close[:-1])) * (1 + draw.uniform(-0.0001, 0.0001, count))
    high, low = np.maximum(before, close) * 1.0003, np.minimum(before, close) * 0.9997
    at = 1_700_006_460_000_000 + np.arange(count, dtype=np.int64) * 60_000_000
    return BarColumns(f"C{number}/USD", timedelta(minutes=1), at, before, high, low, close, draw.lognormal(3, 1, count))


def _median(work: Callable[[], Any]) -> float:
    taken = []
    for _ in range(60):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken[10:]))


def _said(what: str, share: float) -> None:
    if what not in _TOLD:
        _TOLD.add(what)
        print(f"{share:4.0%} {what}", file=sys.stderr, flush=True)
