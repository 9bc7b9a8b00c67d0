"""Features: numbers computed only from bars that have closed."""

from engine.features import recursions as recursions
from engine.features.registry import Column, Feature, find_feature

__all__ = ["Column", "Feature", "find_feature"]
