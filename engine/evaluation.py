"""A playbook's strategies over closed bars: one path from bars to wishes, for years in batch and for one live bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeAlias

import numpy as np

from engine.features import find_feature
from engine.playbook.model import Playbook
from engine.playbook.parts import Distance, StrategyUse
from engine.strategies.columns import Column, Columns, Flags, Sides, Wishes
from engine.strategies.registry import Strategy

FeatureKey: TypeAlias = tuple[str, int]
"""A feature and its length, as in ("ema", 20)."""

TURNOVER_BARS = 60
"""Over how many bars the turnover is averaged that decides which coins are the most liquid."""
MOVES: FeatureKey = ("volatility", 60)
"""What an edge is measured in: the volatility of one bar. Over n bars it grows with √n."""
FORECASTS = ("p_up", "p_down", "p_flat", "edge")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One strategy on one symbol, a value per bar: where it enters and leaves, and with what.

    Distances are in quote currency, `atr_pct` is ATR ÷ close; a column that the playbook does not ask for is None.
    `threshold` is the least confidence of an entry. `expected` is the change of price over the model's horizon that its
    forecast amounts to, a fraction, and `costs` a round trip's share of the order that it must exceed on its side
    (None: not asked); `value` is what the wished side then brings after costs.
    """

    wishes: Wishes
    enter: Flags
    leave: Flags
    side: Sides | None = None
    threshold: Column | None = None
    stop_distance: Column | None = None
    target_distance: Column | None = None
    atr_pct: Column | None = None
    turnover: Column | None = None
    expected: Column | None = None
    costs: float | None = None
    value: Column | None = None


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


def forecast_columns(probability: Column, edge: Column, threshold: float | None = None) -> dict[str, Column]:
    """What strategies see of a model: `probability` [bar, class] of (down, up) or (down, flat, up), `edge` [bar].

    Rows of NaN are bars without a forecast. `threshold`: the model's own least confidence, chosen when it was trained.
    """
    columns = {"p_down": probability[:, 0], "p_up": probability[:, -1], "edge": edge}
    if probability.shape[1] == 3:
        columns["p_flat"] = probability[:, 1]
    if threshold is not None:
        columns["threshold"] = np.full(len(edge), threshold)
    return columns


def evaluate(
    playbook: Playbook,
    number: int,
    bars: Columns,
    features: Mapping[FeatureKey, Column],
    seen_before: int = 0,
    forecast: Mapping[str, Column] | None = None,
    step: timedelta | None = None,
) -> Evaluated:
    """Ask the playbook's strategy `number` about `bars`; `seen_before` bars of the symbol came before the first one.

    `forecast`: columns as of `forecast_columns`, of the same bars (None: there is no model, so there is no forecast).
    `step`: how long these bars are, when that is not what the playbook says.
    """
    use, program = playbook.strategies[number], playbook.programs[number]
    seen = _forecast_of(program, bars, forecast)
    named = {column: features[key] for column, key in program.lengths(use.parameters).items()}
    wishes = program.wishes(replace(bars, features={**named, **seen}), use.parameters)
    enter, leave = wishes.enter.copy(), wishes.leave.copy()
    silent = max(0, use.minimum_bars - 1 - seen_before)
    enter[:silent] = False
    leave[:silent] = False
    threshold = _threshold(use, wishes, (forecast or {}).get("threshold"))
    if threshold is not None and wishes.confidence is not None:
        enter &= wishes.confidence >= threshold
    if wishes.side is not None:
        enter &= np.isin(wishes.side, [1 if side == "long" else -1 for side in use.sides])
    length = step or playbook.step
    stop, target = (_distance(side, use, bars, features, length) for side in (use.exits.stop, use.exits.target))
    for distance in (stop, target):
        if distance is not None:
            enter &= distance > 0
    evaluated = Evaluated(wishes, enter, leave, wishes.side, threshold, stop, target)
    evaluated = _with_volatility(evaluated, use, bars, features)
    return _priced(evaluated, playbook, number, features, length, seen) if program.forecasts else evaluated


def _forecast_of(program: Strategy, bars: Columns, forecast: Mapping[str, Column] | None) -> dict[str, Column]:
    """The columns that a strategy of forecasts finds beside its features: unknown where there are none."""
    if not program.forecasts:
        return {}
    return {name: (forecast or {}).get(name, np.full(len(bars), np.nan)) for name in FORECASTS}


def _threshold(use: StrategyUse, wishes: Wishes, own: Column | None) -> Column | None:
    """The higher of the playbook's least confidence and the model's own; None without either."""
    if wishes.confidence is None or (use.min_confidence is None and own is None):
        return None
    least = np.full(len(wishes.enter), 0.0 if use.min_confidence is None else use.min_confidence)
    higher: Column = least if own is None else np.fmax(least, own)
    return higher


def _priced(
    evaluated: Evaluated,
    playbook: Playbook,
    number: int,
    features: Mapping[FeatureKey, Column],
    step: timedelta | None,
    seen: Mapping[str, Column],
) -> Evaluated:
    """What the forecast amounts to in money, and only entries that are worth more than they cost."""
    if playbook.model is None or step is None:
        raise ValueError(f"the playbook {playbook.name} has no model whose horizon a forecast could be priced over")
    use = playbook.strategies[number]
    expected = seen["edge"] * features[MOVES] * np.sqrt(playbook.model.label.horizon / step)
    costs = playbook.round_trip(use) if use.cost_filter else None
    value = (expected if evaluated.side is None else expected * evaluated.side) - (costs or 0.0)
    enter = evaluated.enter if costs is None else evaluated.enter & (value > 0)
    return replace(evaluated, enter=enter, expected=expected, costs=costs, value=value)


def _with_volatility(
    evaluated: Evaluated, use: StrategyUse, bars: Columns, features: Mapping[FeatureKey, Column]
) -> Evaluated:
    if use.sizing.policy != "inverse_volatility":
        return evaluated
    atr_pct = features["atr", use.sizing.atr_length] / bars.close
    return replace(evaluated, atr_pct=atr_pct, turnover=features["turnover", TURNOVER_BARS])


def _distance(
    distance: Distance | None,
    use: StrategyUse,
    bars: Columns,
    features: Mapping[FeatureKey, Column],
    step: timedelta | None,
) -> Column | None:
    if distance is None or distance.percent is not None:
        return None
    if distance.atr is not None:
        return features["atr", distance.bars] * distance.atr
    hold = use.exits.max_bars or 0.0
    if use.exits.max_hold is not None and step is not None:
        hold = use.exits.max_hold / step
    away: Column = features["volatility", distance.bars] * bars.close * ((distance.volatility or 0.0) * np.sqrt(hold))
    return away


def _keys(use: StrategyUse, program: Strategy) -> list[FeatureKey]:
    keys: list[FeatureKey] = list(program.lengths(use.parameters).values())
    for side in (use.exits.stop, use.exits.target):
        if side is not None and side.percent is None:
            keys.append(("atr" if side.atr else "volatility", side.bars))
    if use.sizing.policy == "inverse_volatility":
        keys += [("atr", use.sizing.atr_length), ("turnover", TURNOVER_BARS)]
    if program.forecasts:
        keys.append(MOVES)
    return keys
