"""What a `Started` message means for deciding: the playbook's numbers, the desk's zone and its speed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from engine.core.rules import Rules
from engine.domain import Symbol, Tier
from engine.messages import Started
from engine.playbook import Playbook, parse
from engine.playbook.parts import LONGEST_LIFE, Exits
from engine.ports import PRICE_SILENCE

GRACE = timedelta(seconds=2)  # how long a feed may take to close a minute
_QUOTE_AGE = timedelta(seconds=15)
_ANALYSIS = timedelta(seconds=3)
_TENTH = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """The frozen terms of one run of the desk. Above speed 1 the spans of SEMANTICS 1 are × speed, drift × √speed."""

    playbook: Playbook
    rules: Rules
    symbols: tuple[Symbol, ...]
    zone: ZoneInfo
    speed: float

    def barred(self, symbol: Symbol) -> str:
        """Why the venue takes no new entries in `symbol`; "" when it does."""
        return next((item.barred for item in self.rules.instruments if item.symbol == symbol), "")

    @property
    def stretch(self) -> float:
        return max(1.0, self.speed)

    @property
    def quote_age(self) -> timedelta:
        return _QUOTE_AGE * self.stretch

    @property
    def analysis_wait(self) -> timedelta:
        return (GRACE + _ANALYSIS) * self.stretch

    @property
    def silence(self) -> timedelta:
        return PRICE_SILENCE * self.stretch

    @property
    def grace(self) -> timedelta:
        return GRACE * self.stretch

    def life(self, strategy: str) -> timedelta:
        """How long a card lives: the playbook's longest life, or a quarter of the strategy's hold, in time or in bars,
        or of its model's horizon; never more than 10 minutes (× speed), nor longer than what was forecast."""
        horizon = self._horizon(strategy)
        quarters = [span / 4 for span in (*self._holds(strategy), *horizon)]
        life = min([LONGEST_LIFE, self.playbook.proposal.max_life, *quarters]) * self.stretch
        return min([life, *horizon])

    def _horizon(self, strategy: str) -> list[timedelta]:
        """How far the forecasts reach that the strategy reads; empty for one that reads none."""
        model, uses = self.playbook.model, zip(self.playbook.strategies, self.playbook.programs, strict=True)
        reads = any(use.name == strategy and program.forecasts for use, program in uses)
        return [model.label.horizon] if model is not None and reads else []

    def _holds(self, strategy: str) -> list[timedelta]:
        exits = next((use.exits for use in self.playbook.strategies if use.name == strategy), Exits())
        step = self.playbook.step
        in_bars = exits.max_bars * step if exits.max_bars is not None and step is not None else None
        return [hold for hold in (exits.max_hold, in_bars) if hold is not None]

    def drift_limit(self, price: float, stop: float | None) -> float:
        """How far the executable price may be from the card's: a fraction."""
        distance = abs(price - stop) / price if stop is not None and price > 0 else 0.0
        return max(self.playbook.proposal.max_drift, _TENTH * distance) * float(self.stretch**0.5)

    def clock(self, at: datetime) -> str:
        """`06:31:05 PST`: an instant in the desk's zone, as a sentence says it."""
        return at.astimezone(self.zone).strftime("%H:%M:%S %Z")

    def moment(self, at: datetime) -> str:
        return at.astimezone(self.zone).strftime("%Y-%m-%d %H:%M %Z")

    def tiers(self) -> dict[str, Tier]:
        """The playbook's own tier of every strategy."""
        return {use.name: self.playbook.tier_of(use.name) for use in self.playbook.strategies}

    def day(self, at: datetime) -> int:
        """The desk's local day number."""
        return at.astimezone(self.zone).date().toordinal()


def plan_of(started: Started) -> Plan:
    """Read the plan. `settings` may carry `timezone` and `speed`; raises `PlaybookError` for a bad one."""
    playbook = parse(started.playbook_yaml, source="the recorded playbook")
    known = {instrument.symbol: instrument for instrument in started.instruments}
    missing = [symbol for symbol in started.symbols if symbol not in known]
    if missing:
        raise ValueError(f"no instrument was given for {', '.join(missing)}")
    return Plan(
        playbook=playbook,
        rules=playbook.rules([known[symbol] for symbol in started.symbols]),
        symbols=started.symbols,
        zone=ZoneInfo(started.settings.get("timezone", "America/Los_Angeles")),
        speed=float(started.settings.get("speed", "1")),
    )
