"""The playbook: one frozen value that says what to trade and how."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal

import yaml
from pydantic import Field, PrivateAttr, field_validator, model_validator

from engine.core.rules import Rules
from engine.domain import Instrument, Symbol, Tier
from engine.playbook.model_terms import ModelTerms
from engine.playbook.parts import (
    Approval,
    Costs,
    Errors,
    Limits,
    Notices,
    Part,
    Positive,
    ProposalTerms,
    Quality,
    Schedule,
    StrategyUse,
)
from engine.playbook.translate import round_trip, to_rules
from engine.playbook.units import Fraction, parse_span
from engine.strategies.registry import Strategy


class Playbook(Part):
    """What to trade and how; read with `load`, never changed. Shares are fractions, spans timedeltas."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    description: str
    universe: tuple[Symbol, ...] | Literal["all"]
    capital: Positive
    interval: Literal["1m", "5m", "15m", "1h", "4h", "1d", "listed"]
    coins: Literal["together", "alone"] = "together"
    strategies: Annotated[tuple[StrategyUse, ...], Field(min_length=1)]
    costs: Costs = Costs()
    volume_share: Fraction | None = 0.1
    limits: Limits = Limits()
    errors: Errors = Errors()
    approval: Approval = Approval()
    proposal: ProposalTerms = ProposalTerms(
        max_life=timedelta(minutes=10),
        max_drift=0.005,
        rest_after_rejection=timedelta(minutes=60),
        max_cards_per_hour=6,
    )
    quality: Quality = Quality()
    notices: Notices = Notices()
    schedule: Schedule = Schedule()
    model: ModelTerms | None = None

    _programs: tuple[Strategy, ...] = PrivateAttr(default=())
    _settings: dict[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("universe")
    @classmethod
    def _symbols(cls, universe: tuple[Symbol, ...] | str) -> tuple[Symbol, ...] | str:
        if universe == "all":
            return universe
        if not universe:
            raise ValueError("name at least one symbol, like BTC/USD, or write `all`")
        for symbol in universe:
            base, slash, quote = symbol.partition("/")
            if not (base and slash and quote) or symbol != symbol.upper() or " " in symbol:
                raise ValueError(f"{symbol!r} is no symbol; write it like BTC/USD")
        repeated = {symbol for symbol in universe if universe.count(symbol) > 1}
        if repeated:
            raise ValueError(f"{', '.join(sorted(repeated))} is named twice")
        return universe

    @model_validator(mode="after")
    def _agreeing(self) -> Playbook:
        names = [use.name for use in self.strategies]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two strategies are named {name!r}; give each its own name")
        shares = sum(use.capital_share for use in self.strategies)
        if shares > 1 + 1e-9:
            raise ValueError(f"the capital shares of the strategies add up to {shares:.0%}; at most 100 % can be given")
        return self

    @model_validator(mode="after")
    def _forecast_in_bars(self) -> Playbook:
        if self.model is None:
            return self
        if self.step is None:
            raise ValueError("a model looks ahead over bars of one length; give `interval`, like 1m")
        spans = {"label.horizon": self.model.label.horizon, "predict_every": self.model.predict_every}
        for name, span in spans.items():
            if span % self.step:
                raise ValueError(f"model.{name} is no whole number of {self.interval} bars")
        return self

    @property
    def hash(self) -> str:
        """SHA-256 of everything that decides: the effective values and the source of each strategy."""
        decides = self.model_dump(mode="json", exclude={"schedule"})
        content = {"playbook": decides, "source": [program.digest for program in self._programs]}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def text(self) -> str:
        """The effective playbook as YAML; `parse` reads it back to a playbook of the same hash."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    @property
    def sections(self) -> tuple[str, str]:
        """The effective playbook as YAML for people, without its universe: how it trades, and its model ("": none)."""
        tree = self.model_dump(mode="json", exclude={"universe", "model"})
        model = self.model.model_dump(mode="json") if self.model else {}
        rules, forecasts = (yaml.safe_dump(part, sort_keys=False, allow_unicode=True) for part in (tree, model))
        return rules, forecasts if model else ""

    @property
    def programs(self) -> tuple[Strategy, ...]:
        """The strategies' functions, in the order of `strategies`."""
        return self._programs

    @property
    def settings(self) -> dict[str, str]:
        """The overrides in force, by the setting's name, for `/desk config`."""
        return dict(self._settings)

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """The universe by name; empty when it is `all`."""
        return () if self.universe == "all" else tuple(self.universe)

    @property
    def step(self) -> timedelta | None:
        """The length of one bar; None when the bars come as the file lists them."""
        return None if self.interval == "listed" else parse_span(self.interval)

    @property
    def tier(self) -> Tier:
        return self.approval.tier

    def tier_of(self, strategy: str) -> Tier:
        """The tier of one strategy: its own, else the playbook's."""
        own = {use.name: use.tier for use in self.strategies}.get(strategy)
        return own or self.approval.tier

    def round_trip(self, use: StrategyUse) -> float:
        """What entering and leaving costs, as a share of the order."""
        return round_trip(self, use)

    def rules(self, instruments: Sequence[Instrument]) -> Rules:
        """The same numbers as the compiled core reads them."""
        return to_rules(self, instruments)
