"""The model of a playbook: what it forecasts, from what, how it is fitted, judged, promoted and retired."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from engine.domain import Symbol
from engine.features.sets import BUILT_IN
from engine.playbook.errors import did_you_mean
from engine.playbook.learner_terms import Learner, Sweep
from engine.playbook.parts import Count, Part, Positive
from engine.playbook.units import Fraction, Share, Span

CLASSES = {"direction": 2, "three_classes": 3}
LONGEST_HISTORY = timedelta(days=5 * 366)


class Label(Part):
    """What comes true: the `direction` of the price over `horizon`, or `three_classes` with ±`band` as flat."""

    kind: Literal["direction", "three_classes"]
    horizon: Span
    band: Share | None = None

    @model_validator(mode="after")
    def _banded(self) -> Label:
        if (self.band is None) == (self.kind == "three_classes"):
            raise ValueError("three_classes needs `band`, like 0.2 %, and direction has none")
        return self

    @property
    def classes(self) -> int:
        return CLASSES[self.kind]


class Acceptance(Part):
    """What a model must show out of sample before it may trade; None switches a step off."""

    least_accuracy: Share | None = 0.55
    fewest_trades: Count = 100
    least_deflated_sharpe: Share | None = 0.95
    most_overfitting: Share | None = 0.5


class Watch(Part):
    """Live accuracy below which the desk warns, and stops the model; drift (PSI) to look at, and to act on.

    `fewest_settled` counts independent cases: coins that move together, and horizons that overlap, count once. With
    three classes one can be right by always saying the commonest: `alert_behind` and `stop_behind` are how far behind
    that a model may fall (None: not watched). A stop also needs 95 % certainty (`ModelTerms.sure_below`).
    """

    alert_accuracy: Share = 0.50
    stop_accuracy: Share = 0.45
    alert_behind: Share | None = None
    stop_behind: Share | None = None
    fewest_settled: Count = 24
    drift_watch: Positive = 0.10
    drift_act: Positive = 0.25


class Retrain(Part):
    """When a challenger is trained: `at` (24-hour clock, in `zone`: the desk's own, or utc), on every day or one."""

    at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "02:00"
    zone: Literal["desk", "utc"] = "desk"
    day: Literal["every", "sunday"] = "every"


class ModelTerms(Part):
    """One model over all coins of the playbook's universe, on its bars."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    features: str
    label: Label
    predict_every: Span
    history: Span
    sample_every: Span | None = None  # rows to learn from are this far apart (None: every bar)
    shares: tuple[Fraction, Fraction, Fraction] = (0.6, 0.2, 0.2)
    embargo: Span | None = None
    learner: Learner = Learner()
    sweep: Sweep | None = None  # numbers of the learner to try before each training (None: those above)
    calibration: Literal["best", "isotonic", "platt"] = "best"
    acceptance: Acceptance = Acceptance()
    watch: Watch = Watch()
    retrain: Retrain = Retrain()
    expires_after: Span = timedelta(days=7)
    stale_after: Span = timedelta(hours=36)  # a training whose newest bar is older is refused
    promotion: Literal["button", "rule"] = "button"
    universe: tuple[Symbol, ...] | None = None  # coins to learn from, when they are others than those traded
    other_coins: bool = False  # forecast coins as well that a version has not learnt from (`universe` says so, too)

    @property
    def sure_below(self) -> float:
        """What a stop must be sure of: that live accuracy is below this. A champion showed as much in its test, so one
        that is still as good is stopped in under 1 % of its lives; without a step for accuracy in the gate, a coin."""
        return self.acceptance.least_accuracy or self.watch.alert_accuracy

    @property
    def forecasts_others(self) -> bool:
        """Whether coins are forecast that a version has not learnt from: only where the playbook says so."""
        return self.other_coins or self.universe is not None

    @field_validator("features")
    @classmethod
    def _there(cls, features: str) -> str:
        if features not in BUILT_IN:
            meant = did_you_mean(features, BUILT_IN)
            raise ValueError(f"there is no feature set {features!r}.{meant} Allowed: {', '.join(BUILT_IN)}")
        return features

    @field_validator("shares")
    @classmethod
    def _whole(cls, shares: tuple[float, float, float]) -> tuple[float, float, float]:
        if abs(sum(shares) - 1.0) > 1e-9:
            raise ValueError(f"the shares add up to {sum(shares):.0%}; train, validation and test make 100 %")
        return shares

    @field_validator("history")
    @classmethod
    def _limited(cls, history: timedelta) -> timedelta:
        if not timedelta(days=7) <= history <= LONGEST_HISTORY:
            raise ValueError(f"a history of {history.days} days: choose 7 d to {LONGEST_HISTORY.days} d")
        return history
