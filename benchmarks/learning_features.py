"""How fast features are made: years at once, and the live minute of a hundred coins, beside other libraries."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import features_peers as peers
import numpy as np
from report import Board

BARS, COINS, MINUTE = 262_800, 100, timedelta(minutes=1)
OURS_ALONE = {"support_distance", "resistance_distance"}  # the peers' levels are simpler ones
WINDOWS = (300, 648)  # bars: the customary one, and one that suffices for EMA 50 and ADX to 1e-9


def features(board: Board, full: bool) -> None:
    """The features part: years, live, and that all make the same numbers."""
    from engine.features.sets import find_set

    trend, core, bars = find_set("trend52"), find_set("core6"), made(BARS, 7)
    first, rows = seconds(1, lambda: trend.batch(made(2_000, 1)))
    memory = np.empty((BARS, len(trend)))
    took, rows = seconds(15 if full else 7, lambda: trend.batch(bars, memory))
    fresh, _ = seconds(7, lambda: trend.batch(bars))
    what = f"trend52 over {BARS:,} bars"
    for name, make in peers.PEERS.items():
        theirs, found = quietly(3 if full or name != "ta" else 1, make, bars)
        if found is None:
            board.add(f"{what} vs {name}", took * 1e3, "ms", "not installed")
            continue
        if set(found) != set(trend.names):
            raise SystemExit(f"{name} made {len(found)} of {len(trend)} features")
        if name == "TA-Lib + numpy":
            same(trend.names, rows, found)
        board.add(f"{what} vs {name}", took * 1e3, "ms", theirs * 1e3, theirs / took)
    board.add(f"{what}, new memory included", fresh * 1e3, "ms")
    board.add(f"core6 over {BARS:,} bars", seconds(7, lambda: core.batch(bars))[0] * 1e3, "ms")
    board.add("first call, compiled code in the cache or not", first, "s")
    live(board, full)
    gate(board)


def live(board: Board, full: bool) -> None:
    """One minute of a hundred coins: by O(1) updates, and by TA-Lib on windows."""
    from engine.features.panel import Panel
    from engine.features.sets import find_set

    markets = [made(720, seed) for seed in range(COINS)]
    for name in ("trend52", "core6"):
        features = find_set(name)
        carries, rows = features.fresh(COINS, MINUTE), np.empty((COINS, len(features)))
        panel, calls, minutes = Panel(features, MINUTE, [bars.symbol for bars in markets]), [], []
        for i in range(720):
            at = markets[0].time[i : i + 1].repeat(COINS)
            columns = [np.array([getattr(bars, field)[i] for bars in markets]) for field in FIELDS]
            calls.append(seconds(1, lambda: features.move(at, columns, carries, rows))[0])  # noqa: B023
            closed = {b.symbol: [(int(at[0]), column)] for b, column in zip(markets, np.array(columns).T, strict=True)}
            minutes.append(seconds(1, lambda: panel.advance(int(at[0]), closed))[0])  # noqa: B023
        took = statistics.median(calls[100:])
        board.add(f"{name}: one row for {COINS} coins, the call", took * 1e3, "ms")
        board.add(f"{name}: the same from and to Python", statistics.median(minutes[100:]) * 1e3, "ms")
        if name == "trend52":
            same_row(features, rows, markets)
            for window in WINDOWS:
                cut = [part(bars, 720 - window) for bars in markets]
                theirs, _ = quietly(5 if full else 3, lambda cut=cut: [peers.with_talib(bars) for bars in cut])
                board.add(f"{name} vs TA-Lib + numpy on {window} bars", took * 1e3, "ms", theirs * 1e3, theirs / took)


def gate(board: Board) -> None:
    from engine.features.causality import set_leak_of
    from engine.features.sets import find_set

    took, leak = seconds(3, lambda: set_leak_of(find_set("trend52"), made(5_000, 1)))
    if leak is not None:
        raise SystemExit(leak.sentence)
    board.add("causality gate of trend52 before a training", took * 1e3, "ms")


FIELDS = ("open", "high", "low", "close", "volume", "trades")


def made(bars: int, seed: int) -> Any:
    """A seeded random walk of one-minute bars with trade counts."""
    from engine.ports import BarColumns

    draw = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(draw.normal(0, 0.0008, bars)))
    before = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(before, close) * (1 + draw.uniform(0, 0.0005, bars))
    low = np.minimum(before, close) * (1 - draw.uniform(0, 0.0005, bars))
    at = 1_700_000_040_000_000 + np.arange(bars, dtype=np.int64) * 60_000_000
    counts = draw.poisson(20.0, bars).astype(np.float64)
    return BarColumns(f"C{seed}/USD", MINUTE, at, before, high, low, close, draw.lognormal(0, 1, bars), None, counts)


def part(bars: Any, first: int) -> Any:
    return replace(bars, **{name: getattr(bars, name)[first:] for name in ("time", *FIELDS)})


def seconds(times: int, work: Callable[[], Any]) -> tuple[float, Any]:
    """The median time of a call, and its last answer."""
    taken, answer = [], None
    for _ in range(times):
        began = time.perf_counter()
        answer = work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken), answer


def quietly(times: int, make: Callable[..., Any], *given: Any) -> tuple[float, Any]:
    """`seconds` of a library that warns about itself."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        warm = [part(one, len(one.time) - 720) for one in given]
        make(*warm)  # imports, and what is compiled at the first call
        return seconds(times, lambda: make(*given))


def same(columns: tuple[str, ...], rows: np.ndarray, found: dict[str, np.ndarray]) -> None:
    """Stop when TA-Lib and numpy made anything else, to 1e-9."""
    for place, column in enumerate(columns):
        ours, theirs = rows[-1_000:, place], found[column][-1_000:]
        apart = float(np.abs(ours - theirs).max() / max(np.abs(ours).max(), 1e-300))
        if column not in OURS_ALONE and not apart <= 1e-9:
            raise SystemExit(f"{column} is {apart:.2g} apart from TA-Lib and numpy")


def same_row(features: Any, rows: np.ndarray, markets: list[Any]) -> None:
    """Stop when the live rows are not the bits of history."""
    for row, bars in zip(rows, markets, strict=True):
        if row.tobytes() != features.batch(bars)[-1].tobytes():
            raise SystemExit(f"{bars.symbol}: the live row is not the one of history")
