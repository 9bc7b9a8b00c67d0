"""From successive readings to the alarms that stand: they appear, escalate, are counted, and clear by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from engine.domain import Alarm
from engine.health import CRITICAL, OK, Reading

RAISE_AFTER, CLEAR_AFTER = 2, 3  # checks in a row; what is critical is raised at once
ESCALATE_AFTER = timedelta(minutes=30)  # a warning that stands so long becomes critical
REMIND_EVERY = timedelta(hours=1)  # a standing alarm is counted again

PATIENT_AFTER = 6  # checks in a row before a busy minute of the machine is an alarm

_PATIENT = frozenset({"ledger", "event loop", "inbox"})
_TOLD_BY_THE_TRADER = frozenset({"prices"})
_STUBBORN = frozenset(
    {"scheduler", "memory", "second path", "ledger", "maintenance", "recovery"}
)  # warnings that age alone makes no worse


@dataclass(slots=True)
class _Streak:
    bad: int = 0
    good: int = 0
    told: datetime | None = None


@dataclass(slots=True)
class Watch:
    """Follows readings. `standing` may start with the alarms of the last run, so that they can clear.

    Times are desk time; `speed` stretches them, so that escalation takes the same real time on a fast desk.
    """

    speed: float = 1.0
    standing: dict[str, Alarm] = field(default_factory=dict)
    _streaks: dict[str, _Streak] = field(default_factory=dict)

    @classmethod
    def resumed(cls, alarms: Sequence[Alarm], speed: float) -> Watch:
        """A watch that knows the alarms of the run before."""
        return cls(speed, {alarm.key: alarm for alarm in alarms})

    def see(self, readings: Sequence[Reading], now: datetime) -> tuple[Alarm, ...] | None:
        """Take the readings of one check. The alarms that now stand if that is news, else None."""
        before = dict(self.standing)
        seen = {reading.name: reading for reading in readings}
        for reading in readings:
            self._follow(reading, now)
        for key in [key for key in self.standing if key not in seen]:
            self._clear(key)  # no longer measured: nothing to say about it
        return self.alarms() if self.standing != before else None

    def alarms(self) -> tuple[Alarm, ...]:
        """What stands, the critical first, then the oldest."""
        return tuple(sorted(self.standing.values(), key=lambda one: (one.level != CRITICAL, one.since, one.key)))

    def _follow(self, reading: Reading, now: datetime) -> None:
        streak = self._streaks.setdefault(reading.name, _Streak())
        if reading.status == OK or reading.name in _TOLD_BY_THE_TRADER:
            streak.bad, streak.good = 0, streak.good + 1
            if streak.good >= CLEAR_AFTER:
                self._clear(reading.name)
            return
        streak.bad, streak.good = streak.bad + 1, 0
        if reading.name in self.standing:
            self._go_on(self.standing[reading.name], reading, streak, now)
        elif streak.bad >= _patience(reading):
            streak.told = now
            self.standing[reading.name] = Alarm(
                reading.name, reading.status, reading.sentence, now, mention=reading.mention, numbers=_numbers(reading)
            )

    def _go_on(self, alarm: Alarm, reading: Reading, streak: _Streak, now: datetime) -> None:
        """Escalate, or count again after an hour; otherwise the alarm stays as it was told."""
        streak.told = streak.told or now
        aged = now - alarm.since >= ESCALATE_AFTER * self.speed and alarm.key not in _STUBBORN
        worse = alarm.level != CRITICAL and (reading.status == CRITICAL or aged)
        if not worse and now - streak.told < REMIND_EVERY * self.speed:
            return
        streak.told = now
        self.standing[alarm.key] = replace(
            alarm,
            level=CRITICAL if worse else alarm.level,
            sentence=reading.sentence,
            count=alarm.count + 1,
            mention=alarm.mention or reading.mention,
            numbers=_numbers(reading),
        )

    def _clear(self, key: str) -> None:
        self.standing.pop(key, None)
        self._streaks.pop(key, None)


def _patience(reading: Reading) -> int:
    """How many bad checks in a row make an alarm."""
    if reading.name in _PATIENT:
        return PATIENT_AFTER
    return 1 if reading.status == CRITICAL else RAISE_AFTER


def _numbers(reading: Reading) -> dict[str, float]:
    return {} if reading.value is None else {reading.unit or "value": reading.value}
