"""Strategies: pure functions from columns to wishes. A new one is one function in one file."""

from engine.strategies.columns import Columns, Wishes, above, crossed_above, crossed_below, nowhere
from engine.strategies.registry import Strategy, StrategyError, find_strategy, strategy

__all__ = [
    "Columns",
    "Strategy",
    "StrategyError",
    "Wishes",
    "above",
    "crossed_above",
    "crossed_below",
    "find_strategy",
    "nowhere",
    "strategy",
]
