"""A playbook's words as the compiled core's rules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from engine.core import rules as core
from engine.domain import Instrument, Side
from engine.playbook.parts import Costs, Limits, Sizing, StrategyUse

if TYPE_CHECKING:
    from engine.playbook.model import Playbook

KRAKEN_TAKER = 0.004
"""Kraken's published taker fee of the lowest 30-day volume tier."""


def to_rules(playbook: Playbook, instruments: Sequence[Instrument]) -> core.Rules:
    """What the core obeys on these instruments. ATR distances and volatilities travel with each signal instead."""
    return core.Rules(
        strategies=tuple(_strategy(use, playbook.limits.timeout) for use in playbook.strategies),
        instruments=tuple(instruments),
        capital=playbook.capital,
        costs=_costs(playbook.costs),
        limits=_limits(playbook.limits),
        volume_share=playbook.volume_share,
        quiet_bars_fill=playbook.volume_share is None,
        good_bars_needed=playbook.quality.good_minutes,
    )


def round_trip(playbook: Playbook, use: StrategyUse) -> float:
    """Fee and slippage of an entry and its exit, as a share of the order: of its largest size, where slippage grows.

    A playbook knows no spread: the live one comes on top in the Trader (`engine.trader.spreads`), and in a backtest the
    slippage stands for it.
    """
    costs, sizing = _costs(playbook.costs), use.sizing
    amount = playbook.capital * sizing.max_weight if sizing.amount is None else sizing.amount
    slippage = min(costs.slippage_cap, costs.slippage_base + costs.slippage_per_100k * amount / 100_000)
    return 2 * (costs.fee_rate + slippage)


def _strategy(use: StrategyUse, timeout: timedelta | None) -> core.StrategyRules:
    exits = use.exits
    ages = [span for span in (exits.max_hold, timeout) if span is not None]
    return core.StrategyRules(
        name=use.name,
        sizing=_sizing(use.sizing),
        capital_share=use.capital_share,
        stop_pct=exits.stop.percent if exits.stop else None,
        target_pct=exits.target.percent if exits.target else None,
        trailing=exits.trailing.percent if exits.trailing else None,
        trailing_arm=exits.trailing.arm_at if exits.trailing else None,
        max_hold_us=_micros(min(ages, default=None)),
        max_bars=exits.max_bars,
        sides=tuple(Side.LONG if side == "long" else Side.SHORT for side in use.sides),
    )


def _sizing(sizing: Sizing) -> core.Sizing:
    return core.Sizing(
        policy=sizing.policy,
        amount=sizing.amount or 0.0,
        risk_fraction=sizing.risk or 0.0,
        min_weight=sizing.min_weight,
        max_weight=sizing.max_weight,
    )


def _costs(costs: Costs) -> core.Costs:
    return core.Costs(
        fee_rate=KRAKEN_TAKER if costs.fee == "venue" else float(costs.fee),
        slippage_base=costs.slippage,
        slippage_per_100k=costs.slippage_per_100k,
        slippage_cap=costs.slippage_cap,
    )


def _limits(limits: Limits) -> core.Limits:
    return core.Limits(
        max_positions=limits.max_positions,
        max_per_symbol=limits.max_per_symbol,
        max_exposure=limits.max_exposure,
        max_heat=limits.max_heat,
        max_leverage=limits.max_leverage,
        daily_loss_fraction=limits.daily_loss,
        daily_loss_amount=limits.daily_loss_amount,
        max_drawdown=limits.max_drawdown,
        consecutive_losses=limits.consecutive_losses,
        losses_pause_us=_micros(limits.losses_pause),
        cool_down_us=_micros(limits.cool_down),
    )


def _micros(span: timedelta | None) -> int | None:
    return None if span is None else span // timedelta(microseconds=1)
