"""A playbook's strategies over closed bars: one path from bars to wishes, for years in batch and for one live bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from engine.features import find_feature
from engine.playbook.model import Playbook
from engine.playbook.parts import Distance, StrategyUse
from engine.strategies.columns import Column, Columns, Flags, Wishes
from engine.strategies.registry import Strategy

FeatureKey: TypeAlias = tuple[str, int]
"""A feature and its length, as in ("ema", 20)."""

TURNOVER_BARS = 60
"""Over how many bars the turnover is averaged that decides which coins are the most liquid."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One strategy on one symbol, a value per bar: where it enters and leaves, and with what.

    Distances are in quote currency, `atr_pct` is ATR ÷ close; a column that the playbook does not ask for is None.
    """

    wishes: Wishes
    enter: Flags
    leave: Flags
    stop_distance: Column | None = None
    target_distance: Column | None = None
    atr_pct: Column | None = None
    turnover: Column | None = None


def features_of(playbook: Playbook) -> tuple[FeatureKey, ...]:
    """Every feature that the playbook's strategies, stops and sizings read, each once."""
    keys = [
        key for use, program in zip(playbook.strategies, playbook.programs, strict=True) for key in _keys(use, program)
    ]
    return tuple(dict.fromkeys(keys))


def bars_to_know(playbook: Playbook) -> int:
    """Bars after which every feature is known and every strategy may speak."""
    known = max((find_feature(name).warm_up(length) for name, length in features_of(playbook)), default=1)
    spoken = max(use.minimum_bars for use in playbook.strategies)
    return max(known + max(program.lookback for program in playbook.programs) - 1, spoken)


def fresh_carries(keys: tuple[FeatureKey, ...]) -> dict[FeatureKey, Column]:
    return {key: find_feature(key[0]).fresh() for key in keys}


def advance(
    bars: Columns, carries: Mapping[FeatureKey, Column], into: Column | None = None
) -> dict[FeatureKey, Column]:
    """The features of `bars`, which follow the bars that `carries` has seen; `carries` moves on.

    `into` is memory for them, a row per feature and a place per bar (None: new memory).
    """
    block = np.empty((len(carries), len(bars))) if into is None else into
    columns = dict(zip(carries, block, strict=True))
    for name in dict.fromkeys(name for name, _ in carries):
        feature = find_feature(name)
        inputs = [getattr(bars, column) for column in feature.inputs]
        feature.advance_all(inputs, [(key[1], carry, columns[key]) for key, carry in carries.items() if key[0] == name])
    return columns


def evaluate(
    use: StrategyUse, program: Strategy, bars: Columns, features: Mapping[FeatureKey, Column], seen_before: int = 0
) -> Evaluated:
    """Ask one strategy about `bars`; `seen_before` bars of the symbol came before the first of them."""
    named = {column: features[key] for column, key in program.lengths(use.parameters).items()}
    wishes = program.wishes(replace(bars, features=named), use.parameters)
    enter, leave = wishes.enter.copy(), wishes.leave.copy()
    silent = max(0, use.minimum_bars - 1 - seen_before)
    enter[:silent] = False
    leave[:silent] = False
    if use.min_confidence is not None and wishes.confidence is not None:
        enter &= wishes.confidence >= use.min_confidence
    stop, target = (_distance(side, features) for side in (use.exits.stop, use.exits.target))
    for distance in (stop, target):
        if distance is not None:
            enter &= distance > 0
    return _with_volatility(Evaluated(wishes, enter, leave, stop, target), use, bars, features)


def _with_volatility(
    evaluated: Evaluated, use: StrategyUse, bars: Columns, features: Mapping[FeatureKey, Column]
) -> Evaluated:
    if use.sizing.policy != "inverse_volatility":
        return evaluated
    atr_pct = features["atr", use.sizing.atr_length] / bars.close
    return replace(evaluated, atr_pct=atr_pct, turnover=features["turnover", TURNOVER_BARS])


def _distance(distance: Distance | None, features: Mapping[FeatureKey, Column]) -> Column | None:
    if distance is None or distance.atr is None:
        return None
    return features["atr", distance.length] * distance.atr


def _keys(use: StrategyUse, program: Strategy) -> list[FeatureKey]:
    keys: list[FeatureKey] = list(program.lengths(use.parameters).values())
    keys += [("atr", side.length) for side in (use.exits.stop, use.exits.target) if side is not None and side.atr]
    if use.sizing.policy == "inverse_volatility":
        keys += [("atr", use.sizing.atr_length), ("turnover", TURNOVER_BARS)]
    return keys
