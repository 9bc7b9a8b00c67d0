"""A model's view of a coin, as it goes through the desk: into analyses, signals, the ledger and what people read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from engine.domain import Symbol


@dataclass(frozen=True, slots=True)
class Forecast:
    """Calibrated probabilities of one symbol, from the bar that closed `at`, about its close `until`.

    `probabilities` are of (down, up) or (down, flat, up) and add up to 1. `edge` is the expected change until then in
    units of the volatility at `at`. `price` is the close that the change is measured from. `features_hash` finds the
    feature row. `shadow` is a challenger's, on which nothing is traded. `reasons` are (feature, contribution to the
    margin), the largest first, and `row` the features by name: both only where the forecast led to a signal.
    """

    model: str
    version: str
    symbol: Symbol
    at: datetime
    until: datetime
    probabilities: tuple[float, ...]
    price: float
    edge: float
    features_hash: str
    shadow: bool = False
    reasons: tuple[tuple[str, float], ...] = ()
    row: tuple[tuple[str, float], ...] = ()
    feature_set: str = ""  # of the row

    @property
    def down(self) -> float:
        return self.probabilities[0]

    @property
    def up(self) -> float:
        return self.probabilities[-1]

    @property
    def guess(self) -> int:
        """The likeliest class; the first of equals."""
        return self.probabilities.index(max(self.probabilities))

    @property
    def confidence(self) -> float:
        return max(self.probabilities)


@dataclass(frozen=True, slots=True)
class Part:
    """A feature's value, what it contributed to the margin (SHAP), and how a person reads it."""

    feature: str
    value: float
    contribution: float
    words: str = ""


def weighed(forecast: Forecast) -> tuple[tuple[str, float, float], ...]:
    """The (feature, value, contribution) of a forecast that led to a signal, the largest first."""
    row = dict(forecast.row)
    return tuple((name, row[name], weight) for name, weight in forecast.reasons if name in row)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A forecast taken apart: the parts, weightiest first, and the bias add up to the margin."""

    forecast: Forecast
    parts: tuple[Part, ...]
    bias: float


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One trained version of a model, as the desk knows it. Times are aware; shares are fractions."""

    version: str
    artefact: str
    verdict: str
    promotable: bool
    by_rule: bool
    trained: datetime
    expires: datetime
    sentence: str = ""
    failing: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    label: str = ""


@dataclass(frozen=True, slots=True)
class Paired:
    """Forecasts beside a rule that learns nothing, on the same `n` cases: how often the model was right (`ours`), the
    rule (`theirs`), and both."""

    n: int = 0
    ours: int = 0
    theirs: int = 0
    both: int = 0


@dataclass(frozen=True, slots=True)
class Live:
    """How a version's settled forecasts of one day did: `n` forecasts, made at `instants` instants, of which `hits`
    came true. `worth` is the sum of their uniqueness, `brier` that of their Brier scores. `bins` are (n, hits, sum of
    confidence) by 5 points of confidence. `paired` holds the naive rules: always each class, in their order, then
    persistence and reversal; () in a record from before they were kept."""

    day: int
    n: int = 0
    hits: int = 0
    instants: int = 0
    worth: float = 0.0
    brier: float = 0.0
    bins: tuple[tuple[int, int, float], ...] = ((0, 0, 0.0),) * 20
    paired: tuple[Paired, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """Forecasts of one version that wait for their horizon, `made` at one instant: columns parallel to `symbols`.

    `past` are the classes of the moves over the horizon before `made`, −1 where that is not known.
    """

    model: str
    version: str
    made: datetime
    symbols: tuple[Symbol, ...]
    prices: tuple[float, ...]
    probabilities: tuple[tuple[float, ...], ...]
    shadow: bool = False
    past: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelState:
    """A model of the desk: which version forecasts for trades, which in its shadow, and which came before.

    `known` are all versions that were ever offered. `stopped` is why the champion's forecasts are not traded on ("":
    they are). `live` are the days of each version that is champion or challenger, or was. `challenger` is the one on
    offer, the newest that may be promoted if there is one; `others` forecast in the shadow beside it.
    """

    model: str
    champion: ModelVersion | None = None
    challenger: ModelVersion | None = None
    previous: tuple[ModelVersion, ...] = ()  # the last champions, newest first
    since: datetime | None = None  # when the champion became it
    by: str = ""  # who made it so
    stopped: str = ""
    known: tuple[str, ...] = ()
    live: Mapping[str, tuple[Live, ...]] = field(default_factory=dict)
    last_forecast: datetime | None = None  # of the champion
    others: tuple[ModelVersion, ...] = ()
    gone: tuple[tuple[ModelVersion, str], ...] = ()  # the last that forecast no more, newest first, and why in words

    @property
    def challengers(self) -> tuple[ModelVersion, ...]:
        """All that forecast in the shadow, the one on offer first."""
        return ((self.challenger,) if self.challenger is not None else ()) + self.others

    def versions(self) -> tuple[ModelVersion, ...]:
        """All that may still forecast: champion, challengers, and the champions before."""
        return ((self.champion,) if self.champion is not None else ()) + self.challengers + self.previous

    def find(self, version: str) -> ModelVersion | None:
        return next((one for one in self.versions() if one.version == version), None)
