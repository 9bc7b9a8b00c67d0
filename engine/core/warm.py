"""Everything compiled before the first message: one small book and one small run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.core import commands
from engine.core.build import callable_box, new_record
from engine.core.rules import Rules, StrategyRules
from engine.domain import Instrument


def warm(progress: Callable[[float, str], None]) -> None:
    """Call what a desk calls, once, on a throw-away record."""
    rules = Rules((StrategyRules("warm"),), (Instrument("WARM/USD"),), 1.0)
    box = callable_box(new_record(rules, verbose=True))
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("fills and exits", lambda: commands.settle(box, 0, 0, 1, 1.0, 1.0, 1.0, 1.0)),
        ("limits and sizing", lambda: commands.decide(box, 1, 0)),
        ("consent", lambda: commands.command(box, commands.LIFT, 0, 1, 0.0, 0.0, 0.0)),
        ("measures", lambda: commands.measure(box)),
    )
    doing, ended = ("Loading", "loaded") if is_kept() else ("Compiling", "compiled")
    for done, (what, step) in enumerate(steps):
        progress(done / len(steps), f"{doing} the trading core: {what}")
        step()
    progress(1.0, f"The trading core is {ended}")


def is_kept() -> bool:
    """Whether an earlier start compiled all of this and left it in the cache; also where nothing is compiled at all."""
    stats = getattr(commands.measure, "stats", None)  # the last of the steps
    return stats is None or any(Path(stats.cache_path).glob("commands.measure-*.nbi"))
