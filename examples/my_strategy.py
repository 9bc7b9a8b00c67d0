"""A strategy of your own: one file with one function.

It buys when the relative strength index rises out of the cellar and sells when it reaches the roof. Try it:

    nightdesk backtest --playbook examples/my_playbook.yaml --bars FILE.parquet --out out/my

What the function gets: `bars`, the closed bars of one coin, oldest first, as numpy columns (`bars.close`, `bars.high`,
`bars.volume` …) and, by the names given below, the features it asked for (`bars["strength"]`).
What it answers: for every bar, True where it would enter and True where it would leave.

Two rules keep backtest and live trading equal: look only backwards, and only `lookback` bars far. Here that is 2,
because a crossing is seen on the last two bars. Longer memory belongs into features.
"""

from engine.strategies import Columns, Wishes, crossed_above, strategy


@strategy(lookback=2, features={"strength": ("rsi", "length")})
def my_strategy(bars: Columns, length: int = 14, low: float = 30.0, high: float = 70.0) -> Wishes:
    """The arguments after `bars` are the parameters that a playbook may set; each needs a type and a default."""
    return Wishes(
        enter=crossed_above(bars["strength"], low),
        leave=crossed_above(bars["strength"], high),
        numbers={"RSI": bars["strength"]},
        because_enter=f"RSI rose above {low:g}",
        because_leave=f"RSI reached {high:g}",
        because_idle=f"RSI crossed neither {low:g} nor {high:g}",
    )
