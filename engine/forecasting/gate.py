"""May a model trade? Steps, each a value with its numbers and a sentence; the verdict; and whether it may be promoted.

*Evidence* decides the verdict, *promotion* steps come on top, a failed *defect* step stops the model whatever it earns.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from engine.forecasting.canaries import Canary, Causality
from engine.forecasting.intervals import cases_needed
from engine.forecasting.judgement import Judgement
from engine.forecasting.money import Fees, Money
from engine.forecasting.skill import Skill


class Verdict(StrEnum):
    EDGE = "edge"
    NOT_PROVEN = "not proven"
    NO_EDGE = "no edge"
    STOPPED = "stopped"


class Part(StrEnum):
    DEFECT = "defect"
    EVIDENCE = "evidence"
    PROMOTION = "promotion"


@dataclass(frozen=True, slots=True)
class GateTerms:
    """Thresholds, filled from the playbook; None switches a step off. Shares are fractions.

    `alarm_accuracy` is for accuracy over all bars (two classes) or the direction of moves (three): above it a defect is
    likelier than skill. `fewest_cases` are effective ones: enough to see 58 % in four of five looks. A model whose lead
    over the best baseline is surely below `worth_having` has no edge; one whose lead is only not sure is not proven.
    A model whose test ended longer ago than `oldest` says nothing about today, and is not promoted.
    """

    fewest_cases: int = cases_needed(0.58)
    least_accuracy: float | None = 0.55
    fewest_trades: int = 100
    least_deflated_sharpe: float | None = 0.95
    most_overfitting: float | None = 0.5
    alarm_accuracy: float = 0.58
    worth_having: float = 0.02
    oldest: timedelta = timedelta(days=7)
    needed_canaries: tuple[str, ...] = ("shuffled", "lagged", "centred")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the gate: `value` against `limit` (None: not known, or no number), and a sentence for people."""

    code: str
    part: Part
    passed: bool
    sentence: str
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a gate looks at. `money` and `skill` are None where nothing could be traded."""

    judgement: Judgement
    money: Money | None = None
    skill: Skill | None = None
    causality: Causality | None = None
    canaries: tuple[Canary, ...] = ()
    live_stop: str = ""  # the sentence of a stop that live results have caused
    fees: Fees | None = None
    age: timedelta | None = None  # how long ago the test ended (None: nobody asks)


@dataclass(frozen=True, slots=True)
class Gate:
    """The answer: the verdict with its sentence, every step, and who may promote.

    `promotable`: a person may, by a button. `by_rule`: a playbook's rule may as well; not while an alarm is up.
    """

    verdict: Verdict
    sentence: str
    steps: tuple[Step, ...]
    promotable: bool
    by_rule: bool

    @property
    def failed(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if not step.passed)

    def step(self, code: str) -> Step | None:
        return next((step for step in self.steps if step.code == code), None)
