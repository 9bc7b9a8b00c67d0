"""What a model of three classes says about the next minutes: long for up, short for down, nothing for flat."""

from __future__ import annotations

import numpy as np

from engine.strategies.columns import Columns, Wishes, above, nowhere
from engine.strategies.registry import strategy


@strategy(lookback=1, features={}, forecasts=True)
def trend(bars: Columns) -> Wishes:
    """The likelier of up and down; how likely it must be is the playbook's `min_confidence` and the model's threshold.

    A short needs `sides` of the playbook and a venue that lends the coin.
    """
    up, down = bars["p_up"], bars["p_down"]
    rising, falling = above(up, down), above(down, up)
    return Wishes(
        enter=rising | falling,
        leave=nowhere(bars.close),
        side=np.where(falling, -1, 1),
        confidence=np.maximum(up, down),
        numbers={"p_up": up, "p_down": down, "p_flat": bars["p_flat"], "edge": bars["edge"]},
        because_enter="the model expects a move",
        because_idle="the model expects no move",
    )
