"""Canaries: the same training with one thing wrong on purpose. They show that the pipeline can tell noise from skill.

- `shuffled`: trained on labels in random order. There is nothing to learn, so any edge left on the test is a leak.
- `lagged`: the model itself, judged with each coin's features one bar late. What a forecast knows may only get older: a
  late model that is *better* means that rows and labels are out of step. How much of the edge is left says how fast a
  trade must be.
- `centred`: trained with one feature that sees the future, a centred average of the close. It must be caught: named by
  the causality test, or far above what real markets allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.forecasting.intervals import Estimate
from engine.forecasting.wording import percent

Kind = Literal["shuffled", "lagged", "centred"]
KINDS: tuple[Kind, ...] = ("shuffled", "lagged", "centred")


@dataclass(frozen=True, slots=True)
class Canary:
    """What one canary came to on the test rows; `named` says whether the causality test named its planted leak.
    `direction` (three classes): how often the likelier of up and down came true among rows that moved."""

    kind: Kind
    accuracy: Estimate
    named: bool = False
    direction: Estimate | None = None

    @property
    def believed(self) -> Estimate:
        """What the alarm looks at: of three classes the direction of those that moved, for most never move at all."""
        return self.direction or self.accuracy


@dataclass(frozen=True, slots=True)
class Causality:
    """The causality test of the features: the names of those whose past changes when the future does."""

    leaking: tuple[str, ...] = ()


def faithful(canary: Canary, model: Estimate, base_rate: float, alarm: float) -> tuple[bool, str]:
    """Whether the canary did what it must, and the sentence that says so."""
    seen = f"{percent(canary.accuracy.value)}"
    if canary.kind == "shuffled":
        if canary.accuracy.interval.low <= base_rate:
            return True, f"Trained on shuffled labels it is right {seen} of the time: nothing is left, as it must be."
        return False, f"Trained on shuffled labels it is still right {seen} of the time: the test rows leak into it."
    if canary.kind == "lagged":
        if canary.accuracy.interval.low <= model.interval.high:
            return True, f"With features one bar late it is right {seen} of the time, on time {percent(model.value)}."
        return False, f"With features one bar late it is better ({seen}) than on time: rows and labels are out of step."
    told = percent(canary.believed.value)
    if canary.named or canary.believed.value > alarm:
        how = "the causality test names it" if canary.named else f"{told} is beyond belief"
        return True, f"A feature that sees the future, put in on purpose, was caught: {how}."
    return False, f"A feature that sees the future, put in on purpose, was not caught ({told})."
