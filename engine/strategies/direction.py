"""What a model says about up or down: in when it expects a rise; the stop, the target and the time end a position."""

from __future__ import annotations

from engine.strategies.columns import Columns, Wishes, above, nowhere
from engine.strategies.registry import strategy


@strategy(lookback=1, features={}, forecasts=True)
def direction(bars: Columns) -> Wishes:
    """Long where a rise is likelier than a fall; how likely it must be is the playbook's `min_confidence`."""
    return Wishes(
        enter=above(bars["p_up"], bars["p_down"]),
        leave=nowhere(bars.close),
        confidence=bars["p_up"],
        numbers={"p_up": bars["p_up"], "p_down": bars["p_down"], "edge": bars["edge"]},
        because_enter="the model expects a rise",
        because_idle="the model expects no rise",
    )
