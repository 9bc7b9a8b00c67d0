"""One run's misfortunes, drawn from its seed before it begins, so that every life of the desk finds the same ones."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.faults.truth import PAIRS

Stretch = tuple[datetime, datetime]
OMITS_QUIET = 0.3  # share of the runs
CALM = timedelta(minutes=6)  # at the end of every run: time for what is left to be healed


@dataclass(frozen=True, slots=True)
class Life:
    """From one start of the desk to its end: `kill` (−9), `stop` (orderly) or `end` of the run."""

    since: datetime
    until: datetime
    end: str


@dataclass(frozen=True, slots=True)
class Weather:
    """Shares are per frame. A `liar` is what the second source multiplies prices with meanwhile."""

    lives: tuple[Life, ...]
    calm_from: datetime
    cuts: tuple[datetime, ...] = ()
    refusing: tuple[Stretch, ...] = ()  # nobody answers at the venue's socket
    mute: tuple[Stretch, ...] = ()  # the line is open, and nothing comes
    shut: tuple[tuple[str, Stretch], ...] = ()  # a symbol that the venue will not subscribe
    rest_away: tuple[Stretch, ...] = ()
    database_away: tuple[Stretch, ...] = ()
    lies: tuple[tuple[str, Stretch], ...] = ()
    reordered: float = 0.0
    late: float = 0.0
    doubled: float = 0.0
    garbled: float = 0.0
    dropped: float = 0.0
    omits_quiet: bool = False  # REST has no row for a minute without trades, as with most vendors
    kinds: frozenset[str] = field(default_factory=frozenset)


def weather_of(seed: int, since: datetime, until: datetime) -> Weather:
    """Draw a run between two instants; most kinds of fault come in about half of the runs."""
    dice = random.Random(f"weather {seed}")
    rough = until - CALM

    def some(most: int, shortest: float, longest: float) -> tuple[Stretch, ...]:
        count = dice.choice((0, 0, 1, most))
        return tuple(_stretch(dice, since, rough, shortest, longest) for _ in range(count))

    def share(most: float) -> float:
        return dice.choice((0.0, 0.0, dice.uniform(0, most)))

    return Weather(
        lives=_lives(dice, since, until),
        calm_from=rough,
        cuts=tuple(sorted(_within(dice, since, rough) for _ in range(dice.choice((0, 1, 3))))),
        refusing=some(2, 5, 60),
        mute=some(2, 3, 60),
        shut=tuple((dice.choice(list(PAIRS)), stretch) for stretch in some(1, 60, 600)),
        rest_away=some(2, 20, 200),
        database_away=some(3, 10, 900),
        lies=tuple((dice.choice(list(PAIRS)), stretch) for stretch in some(1, 60, 400)),
        reordered=share(0.2),
        late=share(0.02),
        doubled=share(0.1),
        garbled=share(0.03),
        dropped=share(0.02),
        omits_quiet=dice.random() < OMITS_QUIET,
    )


def during(stretches: tuple[Stretch, ...], at: datetime) -> bool:
    return any(start <= at < end for start, end in stretches)


def told(pairs: tuple[tuple[str, Stretch], ...], symbol: str, at: datetime) -> bool:
    """Whether a stretch of one symbol covers `at`."""
    return any(name == symbol and start <= at < end for name, (start, end) in pairs)


def _within(dice: random.Random, since: datetime, until: datetime) -> datetime:
    return since + dice.random() * (until - since)


def _stretch(dice: random.Random, since: datetime, until: datetime, shortest: float, longest: float) -> Stretch:
    start = _within(dice, since, until)
    return start, min(until, start + timedelta(seconds=dice.uniform(shortest, longest)))


def _lives(dice: random.Random, since: datetime, until: datetime) -> tuple[Life, ...]:
    ends = sorted(_within(dice, since + timedelta(seconds=30), until - CALM) for _ in range(dice.choice((0, 1, 1, 2))))
    lives, start = [], since
    for end in ends:
        if end <= start:
            continue
        lives.append(Life(start, end, dice.choice(("kill", "kill", "stop"))))
        start = min(end + timedelta(seconds=dice.choice((2, 20, 90, 600)) * dice.random()), until - CALM)
    return (*lives, Life(start, until, "end"))
