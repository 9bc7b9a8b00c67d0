"""Forecasts wait for their horizon; the minute that ends it says what came true (SPEC 6.7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from engine.domain import BarQuality, Symbol
from engine.forecasting.live import live_rate
from engine.forecasts import Forecast, Live, Made, ModelState
from engine.messages import Minute
from engine.outcomes import ForecastsSettled
from engine.trader import models
from engine.trader.memory import Memory

DAYS_KEPT = 60
_COUNTS = (BarQuality.GOOD, BarQuality.QUIET, BarQuality.HEALED)
_BIN = 0.05


def note(desk: Memory, forecasts: Sequence[Forecast]) -> None:
    """Keep what was forecast until it can be judged."""
    groups: dict[tuple[datetime, str, str, datetime, bool], list[Forecast]] = {}
    for one in forecasts:
        groups.setdefault((one.until, one.model, one.version, one.at, one.shadow), []).append(one)
    for (until, model, version, at, shadow), items in groups.items():
        made = Made(
            model,
            version,
            at,
            tuple(one.symbol for one in items),
            tuple(one.price for one in items),
            tuple(one.probabilities for one in items),
            shadow,
        )
        desk.made.setdefault(until, []).append(made)
        state = desk.models.get(model)
        if state is not None and not shadow:
            desk.models = {**desk.models, model: replace(state, last_forecast=at)}


def settle(desk: Memory, minute: Minute) -> None:
    """Judge the forecasts whose horizon ends with this minute; one whose minute has no bar stays unjudged."""
    due = sorted(until for until in desk.made if until <= minute.at)
    rows = zip(minute.symbols, minute.close, minute.quality, strict=True)
    closes = {symbol: close for symbol, close, quality in rows if quality in _COUNTS}
    for until in due:
        for made in desk.made.pop(until):
            if until == minute.at:
                _judge(desk, made, until, closes)
    if due:
        _watch(desk, minute.at)


def _judge(desk: Memory, made: Made, until: datetime, closes: dict[Symbol, float]) -> None:
    band = _band(desk, made)
    columns = zip(made.symbols, made.prices, made.probabilities, strict=True)
    judged = [
        _Judged(symbol, closes[symbol] / price - 1.0, tuple(told), band)
        for symbol, price, told in columns
        if symbol in closes and price > 0
    ]
    if not judged:
        return
    desk.say(
        ForecastsSettled(
            made.model,
            made.version,
            made.made,
            until,
            tuple(one.symbol for one in judged),
            tuple(one.move for one in judged),
            tuple(one.hit for one in judged),
            made.shadow,
        )
    )
    state = desk.models.get(made.model)
    if state is not None and state.find(made.version) is not None:
        worth = sum(_uniqueness(desk, made, one.symbol, until) for one in judged)
        desk.models = {**desk.models, made.model: _counted(state, made, judged, worth)}


@dataclass(frozen=True, slots=True)
class _Judged:
    symbol: Symbol
    move: float
    told: tuple[float, ...]
    band: float

    @property
    def came(self) -> int:
        """The class that came true, as `engine.forecasting.labels` has it."""
        if len(self.told) == 2:
            return int(self.move > 0)
        return 2 if self.move > self.band else 0 if self.move < -self.band else 1

    @property
    def hit(self) -> bool:
        return self.told.index(max(self.told)) == self.came

    @property
    def brier(self) -> float:
        """Of two classes the square of P(up)'s miss; of three the sum over the classes."""
        if len(self.told) == 2:
            return (self.told[1] - self.came) ** 2
        return sum((p - (number == self.came)) ** 2 for number, p in enumerate(self.told))


def _band(desk: Memory, made: Made) -> float:
    terms = models.terms_of(desk)
    return (terms.label.band or 0.0) if terms is not None and terms.name == made.model else 0.0


def _uniqueness(desk: Memory, made: Made, symbol: Symbol, until: datetime) -> float:
    """How much of this life no earlier one of the coin had covered. Over all lives of a coin that adds up to the sum
    of their uniqueness, ∫ 1{any alive} ÷ horizon, because all live equally long."""
    key = (made.version, symbol)
    since = max(made.made, desk.covered.get(key, made.made))
    desk.covered[key] = until
    return max(0.0, (until - since) / (until - made.made))


def _counted(state: ModelState, made: Made, judged: Sequence[_Judged], worth: float) -> ModelState:
    days = state.live.get(made.version, ())
    day = date.toordinal(made.made.date())
    last = days[-1] if days and days[-1].day == day else Live(day)
    bins = [list(one) for one in last.bins]
    for one in judged:
        confidence = max(one.told)
        place = min(int(confidence / _BIN + 1e-9), len(bins) - 1)
        bins[place] = [bins[place][0] + 1, bins[place][1] + one.hit, bins[place][2] + confidence]
    now = Live(
        day,
        last.n + len(judged),
        last.hits + sum(one.hit for one in judged),
        last.instants + 1,
        last.worth + worth,
        last.brier + sum(one.brier for one in judged),
        tuple((int(n), int(hits), float(total)) for n, hits, total in bins),
    )
    kept = (*(one for one in days if one.day != day), now)[-DAYS_KEPT:]
    return replace(state, live={**state.live, made.version: kept})


def _watch(desk: Memory, at: datetime) -> None:
    """Stop the champion whose settled forecasts are right less often than the playbook bears."""
    terms = models.terms_of(desk)
    state = desk.models.get(terms.name) if terms is not None else None
    if terms is None or state is None or state.champion is None or state.stopped:
        return
    rate = live_rate(state.live.get(state.champion.version, ()))
    least, needed = terms.watch.stop_accuracy, terms.watch.fewest_settled
    if rate is None or rate.worth < needed or rate.value >= least:
        return
    words = (
        f"{state.champion.version} was right {rate.value:.1%} of the time in {rate.n:,} settled forecasts "
        f"(worth {rate.worth:,.0f}); below {least:.0%} it is not traded on"
    )
    numbers = {"accuracy": rate.value, "limit": least, "settled": float(rate.n), "worth": rate.worth}
    models.stop(desk, terms.name, at, words, numbers)
