"""How fast a backtest is, beside other engines on the same bars and rules.

    python benchmarks/backtest.py            # within 4 minutes
    uv run --group peers python benchmarks/backtest.py --full

Prints one JSON object on stdout; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import backtest_peers as peers  # noqa: E402

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


class Board:
    """The results so far."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, what: str, value: float | None, unit: str, peer: Any = None, ratio: float | None = None) -> None:
        short = [None if x is None else float(f"{x:.4g}") for x in (value, ratio)]
        peer = float(f"{peer:.4g}") if isinstance(peer, float) else peer
        self.rows.append({"what": what, "value": short[0], "unit": unit, "peer": peer, "ratio": short[1]})
        print(f"{what}: {short[0]} {unit} (peer {peer}, ratio {short[1]})", file=sys.stderr, flush=True)


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
    whole, result = peers.timed(
        lambda: run(rules, coin.time, bars, wishes_of(playbook, coin, 0), interval_us=MINUTE), 15
    )
    trades, pnl = len(result.trades), float(result.trades["pnl"].sum())
    packed, _ = peers.timed(lambda: simulate(playbook, [coin], MINUTE), 15)
    loop, _ = peers.timed(lambda: run(rules, coin.time, bars, wishes, interval_us=MINUTE), 15)
    prices = tuple(columns[name] for name in ("open", "high", "low", "close"))
    bare, (bare_trades, bare_pnl) = peers.timed(lambda: peers.single_pass(*prices), 15)
    _same("single pass", (bare_trades, bare_pnl), (trades, pnl))
    board.add(f"trades, 1 coin x {BARS:,} bars", trades, "trades", bare_trades)
    board.add("loop alone vs one bare compiled pass with its averages", loop * 1e3, "ms", bare * 1e3, loop / bare)

    for name, answer in (
        ("vectorbt", peers.with_vectorbt(columns, 5)),
        ("backtesting.py", peers.with_backtesting(columns)),
    ):
        if answer is None:
            board.add(f"whole run vs {name}", whole * 1e3, "ms", "not installed")
            continue
        _same(name, answer[1:], (trades, pnl))
        board.add(f"whole run vs {name}", whole * 1e3, "ms", answer[0] * 1e3, answer[0] / whole)
    board.add("whole run and packing single columns for the loop", packed * 1e3, "ms")


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
        return peers.timed(lambda: run(rules, part[0].time, packed, wishes, interval_us=MINUTE), 3)[0]

    all_coins, some = loop(group), loop(group[: coins // 4])
    per_all, per_some = (took / bars / count * 1e9 for took, count in ((all_coins, coins), (some, coins // 4)))
    board.add(f"{coins} coins x {bars:,} bars in memory, loop", all_coins, "s")
    board.add("cost of a bar: all coins vs a quarter of them", per_all, "ns", per_some, per_all / per_some)
    seconds, _ = peers.timed(lambda: simulate(together, group, MINUTE), 1)
    board.add(f"{coins} coins x {bars:,} bars with indicators, signals, packing", seconds, "s")


def length(board: Board) -> None:
    """Whether cost is linear in bars."""
    from engine.backtest.runner import simulate
    from engine.playbook import load

    playbook = load(HERE / "ema_peers.yaml")

    def per_bar(bars: int) -> float:
        coin = series(made(bars, 3), "AAA/USD")
        return peers.timed(lambda: simulate(playbook, [coin], MINUTE), 9)[0] / bars * 1e9

    whole, quarter = per_bar(BARS), per_bar(BARS // 4)
    board.add("cost of a bar: whole series vs a quarter", whole, "ns", quarter, whole / quarter)


def starts(board: Board) -> None:
    """First run in a new process: with an empty cache, and with a warm one; and its memory."""
    with tempfile.TemporaryDirectory() as cache:
        cold, warm = _child(cache), _child(cache)
    board.add("cold compile and first run", cold["first"], "s")
    board.add("cached start: first run in a new process", warm["first"], "s")
    board.add("imports in a new process", warm["imports"], "s")
    board.add(f"peak memory, 1 coin x {BARS:,} bars", warm["peak_mb"], "MB")


def _child(cache: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--child"],
        env={**os.environ, "NUMBA_CACHE_DIR": cache},
        stdout=subprocess.PIPE,
        check=True,
    )
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def child() -> None:
    """What `starts` measures, in a process of its own."""
    begin = time.perf_counter()
    from engine.backtest.runner import simulate
    from engine.playbook import load

    imports = time.perf_counter() - begin
    playbook, coin = load(HERE / "ema_peers.yaml"), series(made(BARS, 7), "AAA/USD")
    begin = time.perf_counter()
    simulate(playbook, [coin], MINUTE)
    first = time.perf_counter() - begin
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024  # getrusage would tell the parent's peak
    print(json.dumps({"imports": imports, "first": first, "peak_mb": peak}))


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
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, best of several runs"
    name = "backtest, full size" if args.full else "backtest, smaller size: 100 coins on a tenth of the bars"
    print(json.dumps({"name": name, "machine": machine, "results": board.rows}, separators=(",", ":")))


if __name__ == "__main__":
    main()
