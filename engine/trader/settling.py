"""Forecasts wait for their horizon; the minute that ends it says what came true (SPEC 6.7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from engine.domain import BarQuality, Symbol, micros
from engine.forecasts import Forecast, Live, Made, ModelState, Paired
from engine.messages import Minute
from engine.outcomes import ForecastsSettled
from engine.trader import models, watching
from engine.trader.memory import Memory

DAYS_KEPT = 60
UNKNOWN = -1  # the class of a move that nobody saw
_COUNTS = (BarQuality.GOOD, BarQuality.QUIET, BarQuality.HEALED)
_BIN = 0.05
_MICROSECOND = timedelta(microseconds=1)


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
            tuple(_past(desk, one) for one in items),
        )
        desk.made.setdefault(until, []).append(made)
        state = desk.models.get(model)
        if state is not None and not shadow:
            desk.models = {**desk.models, model: replace(state, last_forecast=at)}


def _past(desk: Memory, one: Forecast) -> int:
    """The class of the move over the horizon before the forecast."""
    close = desk.before.get(one.at - (one.until - one.at), {}).get(one.symbol)
    classes = len(one.probabilities)
    return UNKNOWN if close is None else class_of(one.price / close - 1.0, classes, _band(desk, one.model))


def class_of(move: float, classes: int, band: float) -> int:
    """The class of a change of price, as `engine.forecasting.labels` has it."""
    if classes == 2:
        return int(move > 0)
    return 2 if move > band else 0 if move < -band else 1


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
        watching.watch(desk, minute.at)
    _remember(desk, minute.at, closes)


def _remember(desk: Memory, at: datetime, closes: dict[Symbol, float]) -> None:
    """Keep the closes that a forecast of one horizon later looks back to: what persistence and reversal go by."""
    if (terms := models.terms_of(desk)) is None:
        return
    horizon = terms.label.horizon
    desk.before = {then: known for then, known in desk.before.items() if then >= at - horizon}
    if not micros(at + horizon) % (terms.predict_every // _MICROSECOND):
        desk.before[at] = {symbol: close for symbol, close in closes.items() if close > 0}


def _judge(desk: Memory, made: Made, until: datetime, closes: dict[Symbol, float]) -> None:
    band = _band(desk, made.model)
    past = made.past or (UNKNOWN,) * len(made.symbols)
    columns = zip(made.symbols, made.prices, made.probabilities, past, strict=True)
    judged = [
        _Judged(symbol, closes[symbol] / price - 1.0, tuple(told), band, before)
        for symbol, price, told, before in columns
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
    past: int

    @property
    def came(self) -> int:
        """The class that came true."""
        return class_of(self.move, len(self.told), self.band)

    @property
    def naive(self) -> tuple[bool | None, ...]:
        """Whether each rule of `Live.paired` was right; None where it had nothing to go by."""
        came, last = self.came, len(self.told) - 1
        always = tuple(came == number for number in range(last + 1))
        if self.past == UNKNOWN:
            return (*always, None, None)
        return (*always, self.past == came, last - self.past == came)

    @property
    def hit(self) -> bool:
        return self.told.index(max(self.told)) == self.came

    @property
    def brier(self) -> float:
        """Of two classes the square of P(up)'s miss; of three the sum over the classes."""
        if len(self.told) == 2:
            return (self.told[1] - self.came) ** 2
        return sum((p - (number == self.came)) ** 2 for number, p in enumerate(self.told))


def _band(desk: Memory, model: str) -> float:
    terms = models.terms_of(desk)
    return (terms.label.band or 0.0) if terms is not None and terms.name == model else 0.0


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
        _paired(last.paired, judged),
    )
    kept = (*(one for one in days if one.day != day), now)[-DAYS_KEPT:]
    return replace(state, live={**state.live, made.version: kept})


def _paired(before: Sequence[Paired], judged: Sequence[_Judged]) -> tuple[Paired, ...]:
    """The day's counts beside each naive rule, with these forecasts."""
    rules = list(zip(*(one.naive for one in judged), strict=True))
    known = before if len(before) == len(rules) else (Paired(),) * len(rules)
    return tuple(_counted_beside(one, right, judged) for one, right in zip(known, rules, strict=True))


def _counted_beside(day: Paired, right: Sequence[bool | None], judged: Sequence[_Judged]) -> Paired:
    pairs = [(one.hit, rule) for one, rule in zip(judged, right, strict=True) if rule is not None]
    return Paired(
        day.n + len(pairs),
        day.ours + sum(ours for ours, _ in pairs),
        day.theirs + sum(theirs for _, theirs in pairs),
        day.both + sum(ours and theirs for ours, theirs in pairs),
    )
