"""A strategy for measuring, not for trading: it wishes to enter every coin at every bar."""

from __future__ import annotations

import numpy as np

from engine.strategies import Columns, Wishes, strategy


@strategy(lookback=1, features={})
def always(bars: Columns) -> Wishes:
    """In at every close, out by the playbook's stops alone."""
    everywhere = np.ones(len(bars), dtype=np.bool_)
    return Wishes(enter=everywhere, leave=~everywhere, because_enter="always", because_idle="never")
