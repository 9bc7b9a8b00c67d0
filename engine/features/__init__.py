"""Features: numbers computed only from bars that have closed."""

from engine.features import recursions as recursions
from engine.features.registry import Column, Feature, find_feature
from engine.features.windowed import from_pandas_ta

__all__ = ["Column", "Feature", "find_feature", "from_pandas_ta"]
