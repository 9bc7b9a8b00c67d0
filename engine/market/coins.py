"""The table of coins (`coins.yaml`), read once and checked: what each coin was called, where, and from when to when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TABLE = Path(__file__).with_name("coins.yaml")
_KEYS = {"is", "names", "called", "born", "became", "left", "unsure"}


@dataclass(frozen=True, slots=True)
class Era:
    """A name and when it held: from `since` on, and before `until`; None: always, or still."""

    name: str
    since: datetime | None = None
    until: datetime | None = None

    def holds(self, at: datetime | None) -> bool:
        """Whether the name holds at `at`; None: today."""
        if at is None:
            return self.until is None
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Became:
    """What holders got in a coin's place; `ratio` new ones for each, so that prices do not compare."""

    coin: str
    day: datetime
    ratio: float


@dataclass(frozen=True, slots=True)
class Coin:
    """One coin. `name` is the desk's; `eras` are what the world called it, oldest first."""

    name: str
    words: str
    eras: tuple[Era, ...]
    called: Mapping[str, str]  # source family → its own code
    born: datetime | None
    became: Became | None
    left: Mapping[str, datetime]  # source family → the first day without it
    unsure: str


@cache
def coins() -> Mapping[str, Coin]:
    """Every coin of the table by its name at the desk."""
    rows = yaml.load(TABLE.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {str(name): _coin(str(name), row) for name, row in rows.items()}


def _coin(name: str, row: Mapping[str, Any]) -> Coin:
    if unknown := set(row) - _KEYS:
        raise ValueError(f"{TABLE.name}: {name} has {', '.join(sorted(unknown))}; a coin may have {sorted(_KEYS)}")
    born, became = _day(row.get("born")), row.get("became")
    return Coin(
        name=name,
        words=str(row["is"]),
        eras=_eras(row.get("names") or {name: None}, born),
        called=dict(row.get("called") or {}),
        born=born,
        became=Became(str(became["coin"]), _known(became["day"]), float(became["ratio"])) if became else None,
        left={source: _known(day) for source, day in (row.get("left") or {}).items()},
        unsure=str(row.get("unsure") or ""),
    )


def _eras(names: Mapping[Any, Any], born: datetime | None) -> tuple[Era, ...]:
    """Eras that follow one another; the first begins when the coin was born."""
    eras: list[Era] = []
    for name, end in names.items():
        eras.append(Era(str(name), eras[-1].until if eras else born, _day(end)))
    return tuple(eras)


def _day(value: Any) -> datetime | None:
    """Midnight UTC of a day, or of the first day of a month (`2024-10`)."""
    return None if value is None else _known(value)


def _known(value: Any) -> datetime:
    day = value if isinstance(value, date) else date.fromisoformat(f"{value}-01")
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
