"""The parts of a playbook, each a frozen model that refuses unknown keys, wrong types and impossible values."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from engine.domain import Tier
from engine.features.recursions import MOST_CHANGES
from engine.playbook.units import Fraction, Percent, Share, Span, parse_share

LONGEST_LIFE = timedelta(minutes=10)  # of a card, whatever a playbook says
WIDEST_DRIFT = 0.05

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Sizing(Part):
    """How much one entry buys.

    `fixed` spends `amount`; `inverse_volatility` gives calm coins more, `min_weight` to `max_weight` of equity each, by
    ATR over `atr_length` bars; `risk` loses `risk` of equity at the stop, at most `max_weight` of equity.
    """

    policy: Literal["fixed", "inverse_volatility", "risk"]
    amount: Positive | None = None
    min_weight: Share = 0.0
    max_weight: Fraction = 1.0
    atr_length: Count = 14
    risk: Fraction | None = None

    @model_validator(mode="after")
    def _complete(self) -> Sizing:
        if self.policy == "fixed" and self.amount is None:
            raise ValueError("policy fixed needs `amount`, the money for one trade")
        if self.policy == "risk" and self.risk is None:
            raise ValueError("policy risk needs `risk`, the share of equity lost at the stop, like 0.5 %")
        if self.min_weight > self.max_weight:
            raise ValueError(f"min_weight {self.min_weight:g} is above max_weight {self.max_weight:g}")
        return self


class Distance(Part):
    """How far a stop or a target is from the entry: a `percent` of its price, or `atr` × ATR(`length`), or `volatility`
    × the standard deviation of one bar's change over `length` bars × √(the bars of the strategy's hold)."""

    percent: Percent | None = None
    atr: Positive | None = None
    volatility: Positive | None = None
    length: Annotated[int, Field(ge=1, le=MOST_CHANGES)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Distance:
        if sum(way is not None for way in (self.percent, self.atr, self.volatility)) != 1:
            raise ValueError(
                "give either `percent` (like 5 %), `atr` (a multiple, like 2) or `volatility` (a multiple, like 1), "
                "not both and not neither"
            )
        return self

    @property
    def bars(self) -> int:
        """Over how many bars an average range (14) or a volatility (60) is taken."""
        return self.length or (14 if self.volatility is None else 60)


class Trailing(Part):
    """A stop that follows the best price since entry at `percent`; armed from entry unless `arm_at` profit is named."""

    percent: Fraction
    arm_at: Share | None = None


class Exits(Part):
    """When a position ends. What is left out does not exist; the strategy's own exit signal always does."""

    stop: Distance | None = None
    target: Distance | None = None
    trailing: Trailing | None = None
    max_hold: Span | None = None
    max_bars: Count | None = None

    @field_validator("stop")
    @classmethod
    def _stop_above_zero(cls, stop: Distance | None) -> Distance | None:
        if stop is not None and stop.percent is not None and stop.percent >= 1:
            raise ValueError("a stop must be less than 100 % away")
        return stop

    @model_validator(mode="after")
    def _held_for(self) -> Exits:
        moving = any(side is not None and side.volatility is not None for side in (self.stop, self.target))
        if moving and self.max_hold is None and self.max_bars is None:
            raise ValueError("a distance by volatility is one over the hold; say `max_hold`, like 10 min")
        return self


class StrategyUse(Part):
    """One strategy at work: which, with what parameters, how much of the capital, and how its positions end.

    `cost_filter`: enter only where what the forecast promises exceeds a round trip's costs (left out: on for a strategy
    that uses forecasts, and of no meaning for others). `sides`: a short also needs a venue that lends the coin.
    """

    name: Annotated[str, Field(min_length=1, pattern=r"^[a-z][a-z0-9_]*$")]
    strategy: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    minimum_bars: Count = 1
    capital_share: Fraction = 1.0
    sizing: Sizing
    exits: Exits = Exits()
    min_confidence: Share | None = None
    sides: Annotated[tuple[Literal["long", "short"], ...], Field(min_length=1)] = ("long",)
    cost_filter: bool | None = None
    tier: Tier | None = None


class Costs(Part):
    """What trading costs, per side. `fee: venue` is the venue's schedule (Kraken's lowest tier, 0.40 % taker).

    Slippage = min(`slippage_cap`, `slippage` + `slippage_per_100k` × order ÷ 100,000).
    """

    model: Literal["scenario"] = "scenario"
    fee: Annotated[Share | Literal["venue"], Field(union_mode="left_to_right")] = "venue"
    slippage: Share = 0.0
    slippage_per_100k: Share = 0.0
    slippage_cap: Share = 0.01

    @field_validator("fee", mode="before")
    @classmethod
    def _fee(cls, value: Any) -> Any:
        return value if value == "venue" else parse_share(value)


class Limits(Part):
    """What the desk never exceeds. A limit that is left out does not exist, but for the two that have a value here.

    `timeout` ends every position of that age. `max_leverage: none` does not look at the money that is there: for
    comparing rules, not for trading.
    """

    max_positions: Count | None = None
    max_per_symbol: Count | None = 1
    max_exposure: Positive | None = None
    max_heat: Fraction | None = None
    max_leverage: Annotated[float, Field(gt=0, le=2)] | None = 1.0
    daily_loss: Fraction | None = None
    daily_loss_amount: Positive | None = None
    max_drawdown: Fraction | None = None
    consecutive_losses: Count | None = None
    losses_pause: Span | None = None
    cool_down: Span | None = None
    timeout: Span | None = None


class Errors(Part):
    """What errors do to the desk. `critical: stop`: a critical alarm about what trading rests on ends entries until a
    person resumes. `in_a_row` failed orders, or minutes without an analysis, halt the desk; `then: close` also closes
    every position."""

    critical: Literal["report", "stop"] = "report"
    in_a_row: Count | None = None
    then: Literal["halt", "close"] = "halt"


class Approval(Part):
    """Who lets an entry through. `observe` places no orders, `propose` asks a person for every entry."""

    tier: Tier = Tier.PROPOSE


class ProposalTerms(Part):
    """How long a card lives, how far the price may drift from it, and how often the desk may ask."""

    max_life: Span
    max_drift: Fraction
    rest_after_rejection: Span
    max_cards_per_hour: Count

    @field_validator("max_life")
    @classmethod
    def _fresh(cls, life: timedelta) -> timedelta:
        if life > LONGEST_LIFE:
            raise ValueError("a card lives at most 10 min: nobody shall approve an older price")
        return life

    @field_validator("max_drift")
    @classmethod
    def _near(cls, drift: float) -> float:
        if drift > WIDEST_DRIFT:
            raise ValueError(f"{drift:.4g} is too far: an approval may follow the price by at most 5 %")
        return drift


class Quality(Part):
    """Good one-minute bars a symbol must show after a hole before the desk enters again; 0 switches the gate off."""

    good_minutes: Annotated[int, Field(ge=0)] = 3


class Notices(Part):
    """When a closed trade or a day is big news, in money."""

    big_win: Positive | None = None
    big_loss: Positive | None = None
    daily_goal: Positive | None = None


class Upkeep(Part):
    """When the desk tidies up: `at` (24-hour clock, in `zone`: the desk's own, or utc), on every day or on Sundays."""

    at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "02:00"
    zone: Literal["desk", "utc"] = "utc"
    day: Literal["every", "sunday"] = "sunday"


class Schedule(Part):
    """What the desk does for itself: weekly maintenance, and every so often (real time) a look for what is stuck."""

    maintenance: Upkeep = Upkeep()
    recovery: Span = timedelta(hours=1)

    @field_validator("recovery")
    @classmethod
    def _sensible(cls, every: timedelta) -> timedelta:
        if not timedelta(minutes=5) <= every <= timedelta(days=1):
            raise ValueError("look for what is stuck every 5 min to 24 h, like 1 h")
        return every
