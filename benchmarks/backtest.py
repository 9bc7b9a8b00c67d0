"""How fast a backtest is, beside other engines on the same bars and rules.

    python benchmarks/backtest.py            # within 4 minutes
    uv run --group peers python benchmarks/backtest.py --full

Prints one JSON object on stdout; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BEGAN = time.perf_counter()
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import backtest_peers as peers  # noqa: E402
import numpy as np  # noqa: E402
from report import Board  # noqa: E402

NUMBA_IN = time.perf_counter()

BARS, MINUTE, START = 262_800, 60_000_000, 1_700_000_000_000_000


def made(bars: int, seed: int) -> peers.Columns:
    """A seeded random walk of one-minute bars."""
    draw = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(draw.normal(0, 0.0008, bars)))
    before = np.concatenate(([100.0], close[:-1]))
    return {
        "time": START // MINUTE * MINUTE + np.arange(bars, dtype=np.int64) * MINUTE,
        "open": before,
        "high": np.maximum(before, close) * (1 + draw.uniform(0, 0.0005, bars)),
        "low": np.minimum(before, close) * (1 - draw.uniform(0, 0.0005, bars)),
        "close": close,
        "volume": np.ones(bars),
    }


def series(columns: peers.Columns, symbol: str) -> Any:
    from engine.backtest.market import Series

    return Series(symbol, MINUTE, *(columns[name] for name in ("time", "open", "high", "low", "close", "volume")))


def one_coin(board: Board) -> None:
    """Indicators, signals and trading on one coin with the data in memory as each engine keeps it: the same trades."""
    from engine.backtest.runner import simulate, time_major
    from engine.backtest.wishes import wishes_of
    from engine.core.run import run
    from engine.domain import Instrument
    from engine.playbook import load

    playbook, columns = load(HERE / "ema_peers.yaml"), made(BARS, 7)
    coin = series(columns, "AAA/USD")
    bars, wishes = time_major(playbook, [coin], coin.time)
    rules = playbook.rules([Instrument(coin.symbol)])
    prices = tuple(columns[name] for name in ("open", "high", "low", "close"))
    works: list[Callable[[], Any]] = [
        lambda: run(rules, coin.time, bars, wishes_of(playbook, coin, 0), interval_us=MINUTE),
        lambda: run(rules, coin.time, bars, wishes, interval_us=MINUTE),
        lambda: peers.single_pass(*prices),
        lambda: simulate(playbook, [coin], MINUTE),
    ]
    fed = [peers.with_vectorbt(columns, as_series=as_series) for as_series in (False, True)]
    works += [work for work in fed if work is not None]
    (whole, result), (loop, _), (bare, answer), (packed, _), *others = peers.timed(9, *works)
    ours = len(result.trades), float(result.trades["pnl"].sum())
    _same("single pass", answer, ours)
    board.add(f"trades, 1 coin x {BARS:,} bars", ours[0], "trades", answer[0])
    board.add("loop, set-up and checks included, vs one bare compiled pass", loop * 1e3, "ms", bare * 1e3, loop / bare)
    theirs = [(seconds, *peers.outcome(records)) for seconds, records in others]
    plain, documented = theirs or (None, None)
    for name, found in (
        ("vectorbt fed plain arrays", plain),
        ("vectorbt fed pandas Series", documented),
        ("backtesting.py", peers.with_backtesting(columns)),
    ):
        what = f"indicators, signals, loop vs {name}"
        if found is None:
            board.add(what, whole * 1e3, "ms", "not installed")
            continue
        _same(name, found[1:], ours)
        board.add(what, whole * 1e3, "ms", found[0] * 1e3, found[0] / whole)
    board.add("the same and packing single columns for the loop", packed * 1e3, "ms")


def _seconds(times: int, work: Callable[[], Any]) -> float:
    return peers.timed(times, work)[0][0]


def _same(name: str, theirs: tuple[int, float], ours: tuple[int, float]) -> None:
    if theirs[0] != ours[0] or abs(theirs[1] - ours[1]) > 0.005:
        raise SystemExit(f"{name} made {theirs[0]} trades, P&L {theirs[1]:.4f}; the desk made {ours[0]}, {ours[1]:.4f}")


def many_coins(board: Board, coins: int, bars: int) -> None:
    """Many coins under one account with the data in memory, and whether cost is linear."""
    from engine.backtest.runner import simulate, time_major
    from engine.core.run import run
    from engine.domain import Instrument
    from engine.playbook import load

    together = load(HERE / "ema_peers.yaml").model_copy(update={"coins": "together"})
    together._programs = load(HERE / "ema_peers.yaml").programs
    group = [series(made(bars, seed), f"C{seed:03}/USD") for seed in range(coins)]

    def loop(part: list[Any]) -> float:
        packed, wishes = time_major(together, part, part[0].time)
        rules = together.rules([Instrument(coin.symbol) for coin in part])
        return _seconds(3, lambda: run(rules, part[0].time, packed, wishes, interval_us=MINUTE))

    all_coins, some = loop(group), loop(group[: coins // 4])
    per_all, per_some = (took / bars / count * 1e9 for took, count in ((all_coins, coins), (some, coins // 4)))
    board.add(f"{coins} coins x {bars:,} bars in memory, loop", all_coins, "s")
    board.add("cost of a bar: all coins vs a quarter of them", per_all, "ns", per_some, per_all / per_some)
    seconds = _seconds(1, lambda: simulate(together, group, MINUTE))
    board.add(f"{coins} coins x {bars:,} bars with indicators, signals, packing", seconds, "s")


def length(board: Board) -> None:
    """Whether cost is linear in bars."""
    from engine.backtest.runner import simulate
    from engine.playbook import load

    playbook = load(HERE / "ema_peers.yaml")

    def per_bar(bars: int) -> float:
        coin = series(made(bars, 3), "AAA/USD")
        return _seconds(15, lambda: simulate(playbook, [coin], MINUTE)) / bars * 1e9

    whole, quarter = per_bar(BARS), per_bar(BARS // 4)
    board.add("cost of a bar: whole series vs a quarter", whole, "ns", quarter, whole / quarter)


def starts(board: Board) -> None:
    """New processes: one that finds no compiled code, then three that find it, as on any second start."""
    with tempfile.TemporaryDirectory() as cache:
        cold, *warm = [_child(cache) for _ in range(4)]
    first, imports, numba, whole = (
        statistics.median(one[name] for one in warm) for name in ("first", "imports", "numba", "whole")
    )
    board.add("cold compile and first run in a new process", cold["first"], "s")
    board.add("cached start: first run in a new process, after imports", first, "s")
    board.add("imports in that process; peer: numpy and numba alone", imports, "s", numba)
    board.add("that process from its start to its end", whole, "s")
    board.add(f"peak memory, 1 coin x {BARS:,} bars", max(one["peak_mb"] for one in (cold, *warm)), "MB")


def _child(cache: str) -> dict[str, float]:
    """Caches of its own: numba's, and Python's bytecode, which some machines are told not to write beside the code."""
    own = {"NUMBA_CACHE_DIR": cache, "PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--child"], env={**os.environ, **own}, stdout=subprocess.PIPE, check=True
    )
    answer: dict[str, float] = json.loads(done.stdout)
    return {**answer, "whole": time.perf_counter() - begin}


def child() -> None:
    """What `starts` measures, in a process of its own."""
    from engine.backtest.runner import simulate
    from engine.playbook import load

    imports = time.perf_counter() - BEGAN
    playbook, coin = load(HERE / "ema_peers.yaml"), series(made(BARS, 7), "AAA/USD")
    begin = time.perf_counter()
    simulate(playbook, [coin], MINUTE)
    first = time.perf_counter() - begin
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024  # getrusage would tell the parent's peak
    print(json.dumps({"imports": imports, "numba": NUMBA_IN - BEGAN, "first": first, "peak_mb": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description="Backtest speed beside other engines; one JSON object on stdout.")
    parser.add_argument("--full", action="store_true", help="100 coins x 262,800 bars (needs 3 GB) instead of 26,280")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child()
        return
    board = Board()
    one_coin(board)
    length(board)
    many_coins(board, 100, BARS if args.full else BARS // 10)
    starts(board)
    name = "backtest, full size" if args.full else "backtest, smaller size: 100 coins on a tenth of the bars"
    board.publish(name, NOTE)


NOTE = (
    "CPU seconds of the process (starts: by the clock), medians over rounds, all works in turn, each the best of eight "
    "in a row; seeded random walk, peer rules, equal trades and P&L checked. Fed: the desk float64 bars in one array; "
    "vectorbt plain float64 arrays into Portfolio.from_signals (closes, crosses of compiled averages, opens, highs, "
    "lows), its quickest way, and the same columns as pandas Series over a DatetimeIndex, as its documentation shows; "
    "backtesting.py a DataFrame and the same compiled crosses, once"
)


if __name__ == "__main__":
    main()
