"""What a live model has shown so far, from its days' counts: hit rate with its interval, Brier score, calibration, and
how far it is ahead of the rules that learn nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.forecasting.calibration import Bin, calibration_error
from engine.forecasting.cases import CLASSES
from engine.forecasting.intervals import FEWEST_BLOCKS, estimate, share_of, wilson_at
from engine.forecasts import Live, Paired
from engine.inference import Interval

RULES = ("persistence", "reversal")  # the last two of `Live.paired`


@dataclass(frozen=True, slots=True)
class LiveRate:
    """`worth` is the sum of the forecasts' uniqueness in time. `brier` is the mean score."""

    value: float
    n: int
    hits: int
    worth: float
    days: int
    brier: float


@dataclass(frozen=True, slots=True)
class LiveLead:
    """A rule that learns nothing: how often it would have been right, and how far ahead of it the model was on the same
    `n` cases, as a difference of shares with its 95 % interval."""

    name: str
    accuracy: float
    value: float
    interval: Interval
    n: int

    @property
    def ours(self) -> float:
        """How often the model was right on these cases: of all that were settled, the rule was asked about fewer."""
        return self.accuracy + self.value


@dataclass(frozen=True, slots=True)
class LiveRecord:
    """A rate with its 95 % interval and the calibration behind it. `effective_n` is what the forecasts are worth in
    independent cases: coins that move together count less. `beside` are the naive rules, the constant first; () where
    they were not kept."""

    rate: LiveRate
    interval: Interval
    effective_n: float
    bins: tuple[Bin, ...]
    calibration_error: float
    beside: tuple[LiveLead, ...] = ()

    @property
    def best(self) -> LiveLead | None:
        """The rule that would have been right most often."""
        return max(self.beside, key=lambda one: one.accuracy, default=None)


def live_rate(days: Sequence[Live]) -> LiveRate | None:
    """The sums; None before the first forecast was settled."""
    n, hits = sum(one.n for one in days), sum(one.hits for one in days)
    if not n:
        return None
    worth, brier = sum(one.worth for one in days), sum(one.brier for one in days) / n
    return LiveRate(hits / n, n, hits, worth, len(days), brier)


def live_record(days: Sequence[Live]) -> LiveRecord | None:
    """The rate with its interval, as `hits.hit_rate` has it: over ten days from blocks of days; before that the coins
    of one instant count as one. A day is a block for horizons up to six hours (`overlap.blocks`)."""
    rate = live_rate(days)
    if rate is None:
        return None
    if len(days) >= FEWEST_BLOCKS:
        found = share_of(np.array([one.hits for one in days]), np.array([one.n for one in days]), rate.worth)
        interval, worth = found.interval, found.effective_n
    else:
        at_once = rate.n / max(1, sum(one.instants for one in days))
        worth = max(1.0, rate.worth / max(1.0, at_once))
        interval = wilson_at(rate.value, worth)
    bins = _bins(days, worth / rate.n)
    return LiveRecord(rate, interval, worth, bins, calibration_error(bins), _beside(days, worth / rate.n))


def always(days: Sequence[Live]) -> tuple[int, Paired] | None:
    """The class that came most often, which nobody can know before: the hardest constant. None where none was kept."""
    known = [one.paired for one in days if one.paired]
    if not known:
        return None
    sums = [_summed(known, place) for place in range(len(known[-1]) - len(RULES))]
    common = max(range(len(sums)), key=lambda number: sums[number].theirs)
    return common, sums[common]


def _beside(days: Sequence[Live], share: float) -> tuple[LiveLead, ...]:
    """The hardest constant, persistence and reversal. `share`: effective ÷ counted cases."""
    if (constant := always(days)) is None:
        return ()
    known = [one.paired for one in days if one.paired]
    classes = len(known[-1]) - len(RULES)
    names = {f"always {CLASSES[classes][constant[0]]}": constant[0], RULES[0]: classes, RULES[1]: classes + 1}
    return tuple(_lead(name, known, place, share) for name, place in names.items() if _summed(known, place).n)


def _summed(known: Sequence[Sequence[Paired]], place: int) -> Paired:
    one = [day[place] for day in known]
    return Paired(*(sum(getattr(day, name) for day in one) for name in Paired.__slots__))


def _lead(name: str, known: Sequence[Sequence[Paired]], place: int, share: float) -> LiveLead:
    """Where the two differ decides (McNemar 1947): the share of those cases that went to the model, by Wilson at what
    they are worth; over ten days the wider of that and of the difference by blocks of days."""
    whole, days = _summed(known, place), [day[place] for day in known if day[place].n]
    ours, differ = whole.ours - whole.both, whole.ours + whole.theirs - 2 * whole.both
    value, part = (whole.ours - whole.theirs) / whole.n, differ / whole.n
    low = high = 0.0
    if differ:
        around = wilson_at(ours / differ, differ * share)
        low, high = part * (2 * around.low - 1), part * (2 * around.high - 1)
    if len(days) >= FEWEST_BLOCKS:
        blocks = estimate(*_differences(days)).interval
        low, high = min(low, blocks.low), max(high, blocks.high)
    return LiveLead(name, whole.theirs / whole.n, value, Interval(low, high), whole.n)


def _differences(days: Sequence[Paired]) -> tuple[np.ndarray, np.ndarray]:
    """Case by case, in any order within a day: model right − rule right, and the number of the day."""
    counts = [(day.ours - day.both, day.theirs - day.both) for day in days]
    each = [(won, lost, day.n - won - lost) for day, (won, lost) in zip(days, counts, strict=True)]
    values = np.concatenate([np.repeat([1.0, -1.0, 0.0], row) for row in each])
    return values, np.repeat(np.arange(len(days)), [day.n for day in days])


def _bins(days: Sequence[Live], share: float) -> tuple[Bin, ...]:
    """Bins of 5 points of confidence that hold anything; `share`: effective ÷ counted cases."""
    found = []
    for place, parts in enumerate(zip(*(one.bins for one in days), strict=True)):
        n, hits = sum(part[0] for part in parts), sum(part[1] for part in parts)
        if n:
            around = wilson_at(hits / n, max(1.0, n * share))
            confidence = sum(part[2] for part in parts) / n
            found.append(Bin(place * 0.05, (place + 1) * 0.05, n, confidence, hits / n, around))
    return tuple(found)
