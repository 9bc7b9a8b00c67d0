"""The trading core: what a slice of market does to positions, orders and money. The same code everywhere."""

from __future__ import annotations

from collections.abc import Callable


def compile(progress: Callable[[float, str], None]) -> None:
    """Compile (or load from the cache) all that a desk calls; `progress` gets a fraction and a sentence."""
    from engine.core.warm import warm

    warm(progress)
