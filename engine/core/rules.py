"""What the core obeys, as plain frozen values: no YAML, no clock. `None` always means "off".

Fractions are fractions (0.05 is 5 %), money is quote currency, durations are int microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.domain import Instrument, Side

Policy = Literal["fixed", "inverse_volatility", "risk"]


@dataclass(frozen=True, slots=True)
class Costs:
    """Scenario costs per side. Slippage is min(cap, base + per_100k * notional / 100,000) of the notional."""

    fee_rate: float = 0.0
    slippage_base: float = 0.0
    slippage_per_100k: float = 0.0
    slippage_cap: float = 0.01


@dataclass(frozen=True, slots=True)
class Sizing:
    """How much one entry may cost.

    `fixed`: `amount` of quote currency. `risk`: equity * `risk_fraction` / stop distance, at most `max_weight` of
    equity. `inverse_volatility`: equity * weight, where the weight is 1/n * mean ATR % / own ATR % over the symbols
    held or signalled at this bar (ATR as a fraction of price from `Signal.numbers["atr_pct"]`; a held one counts with
    that of its entry), water-filled into [`min_weight`, `max_weight`]; above `participants` symbols the most liquid
    take part (`Signal.numbers["turnover"]`). A `Signal.weight` wins over the formula. Cash a little short shrinks it.
    """

    policy: Policy = "fixed"
    amount: float = 100.0
    risk_fraction: float = 0.005
    min_weight: float = 0.02
    max_weight: float = 0.20
    participants: int = 50


@dataclass(frozen=True, slots=True)
class StrategyRules:
    """One strategy's sizing and default exits; a signal's own stop, target, trailing or max_hold wins over them.

    `trailing` is the distance from the best price since entry; `trailing_arm` the gain that arms it (None: from entry).
    `max_bars` counts closed bars, the entry bar being 1. `capital_share` caps the strategy's notional in use as a
    share of equity. `entry_life_us`: what has not filled by then is cancelled (None: works until filled or withdrawn).
    """

    name: str
    sizing: Sizing = Sizing()
    capital_share: float = 1.0
    stop_pct: float | None = None
    target_pct: float | None = None
    trailing: float | None = None
    trailing_arm: float | None = None
    max_hold_us: int | None = None
    max_bars: int | None = None
    entry_life_us: int | None = None
    sides: tuple[Side, ...] = (Side.LONG,)


@dataclass(frozen=True, slots=True)
class Limits:
    """Portfolio limits and breakers. Waiting intents and resting orders count as used.

    `max_exposure` is money; `max_heat` is sum(quantity * (entry - stop)) / equity; `max_leverage` bounds gross notional
    with costs to that multiple of equity (1.0: nothing is borrowed, None: cash is not looked at). `daily_loss_*`
    measure realised + unrealised against equity at the desk's midnight and end at the next one. `max_drawdown` (from
    the peak) lasts until lifted, `consecutive_losses` for `losses_pause_us` (None: until lifted). After a close its
    symbol rests `cool_down_us`.
    """

    max_positions: int | None = None
    max_per_symbol: int | None = 1
    max_exposure: float | None = None
    max_heat: float | None = None
    max_leverage: float | None = 1.0
    daily_loss_fraction: float | None = None
    daily_loss_amount: float | None = None
    max_drawdown: float | None = None
    consecutive_losses: int | None = None
    losses_pause_us: int | None = None
    cool_down_us: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything one run or desk obeys. The order of `strategies` is the playbook's: earlier is first on a tie.

    `volume_share`: a fill takes at most this share of a slice's volume (None: volume is ignored). `quiet_bars_fill`:
    bars of volume 0 fill like others (for sources whose volumes mean nothing; needs `volume_share` None).
    `good_bars_needed`: closed bars a symbol must show after a missing one before it may be entered (0: off).
    """

    strategies: tuple[StrategyRules, ...]
    instruments: tuple[Instrument, ...]
    capital: float
    costs: Costs = Costs()
    limits: Limits = Limits()
    volume_share: float | None = 0.10
    quiet_bars_fill: bool = False
    good_bars_needed: int = 3
