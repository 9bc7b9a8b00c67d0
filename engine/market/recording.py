"""Recordings of a venue's frames, one a line: whose words they are, when each came, and what became of them.

A line may begin with the recorder's own time (`1618678132.825: {…}`, `1723161253937085768 {…}`), or be the recorder's
own note of a connection (`wss://… <-> …`), which is counted and says nothing of a market.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

from engine.domain import Symbol, instant
from engine.market.errors import RecordError
from engine.market.intake import Intake
from engine.market.symbols import Absent

NOTE = "recorder's note"
BROKEN = "malformed"
NOTHING = timedelta(0)
NONSENSE = timedelta(minutes=1)  # a venue's time so far ahead of the others is a mistake, and sets no clock
WRONG_SHAPE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)

_NOTED = re.compile(r"\w+://\S+ (<->|<-|->) ")
_STAMPED = re.compile(r"(\d{9,19})(\.\d+)?:? (?=[\[{])")

Body: TypeAlias = object  # a frame's JSON; None where it is none
T = TypeVar("T")


class Reader(Protocol):
    """The handler of a venue's frames: takes each whole text, and no frame can kill it."""

    checksums_good: int
    checksums_bad: int

    @property
    def refused(self) -> Mapping[Symbol, str]: ...

    def handle(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Wire:
    """One venue's frames as a recording has them. The questions may raise `WRONG_SHAPE` on a frame that is none."""

    venue: str
    fits: Callable[[Body], bool]
    kind: Callable[[Body], str]
    at: Callable[[Body], datetime | None]  # the latest venue time inside a frame
    names: Callable[[Body], Iterable[str]]  # the pairs that it names, as the venue writes them
    symbol: Callable[[str, datetime], Symbol | Absent]
    subscribes: Callable[[Body], bool]  # whether it acknowledges a subscription of prints
    reader: Callable[[Intake, Mapping[str, Symbol], int], Reader]  # of these names, and a book of this depth
    passing: frozenset[str]  # kinds that tell of one moment: what continues a replay leaves the earlier ones out
    numbered: bool = False  # the venue counts each symbol's trades up one by one, and does not say where it stands


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One line, of a kind, and the venue's time when it came."""

    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A file of frames, `names` in order of appearance; `subscribes`: it has the answers to what was asked for."""

    wire: Wire
    frames: Sequence[RecordedFrame]
    names: tuple[str, ...]
    subscribes: bool
    until: datetime  # every trade before this is in the file


@dataclass(frozen=True, slots=True)
class Account:
    """What became of a recording so far: every line counts once under its kind, and what is set aside has a reason."""

    lines: Mapping[str, int]
    earlier: int  # lines of those that an earlier replay had delivered
    prints: int
    late_prints: int
    lost_prints: int  # numbered by the venue and not in the record
    quotes: int
    checksums_good: int
    checksums_bad: int
    set_aside: Mapping[str, int]

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.lines.items()))
        aside = ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.set_aside.items()))
        return (
            f"{sum(self.lines.values()):,} lines ({kinds}), {self.earlier:,} of them delivered before; "
            f"{self.prints:,} prints, {self.late_prints:,} late, {self.lost_prints:,} missing from the record; "
            f"{self.quotes:,} quotes; book checksums {self.checksums_good:,} good, {self.checksums_bad:,} bad; "
            f"set aside: {aside or 'nothing'}"
        )


def read_recording(path: Path, wires: Sequence[Wire]) -> Recording:
    """Read one frame per line (packed where the name ends in `.zst`). Raises `RecordError` when none can be placed."""
    lines = [_unwrapped(line) for line in _lines(path)]
    wire = _wire_of(path, (parsed(text) for _, _, text in lines), wires)
    names: dict[str, None] = {}
    subscribes, kinds, told = False, [], []
    none: tuple[str, ...] = ()
    for _, is_note, text in lines:
        body = None if is_note else parsed(text)
        names |= dict.fromkeys(_answer(lambda body: tuple(wire.names(body)), body, none))
        subscribes = subscribes or _answer(wire.subscribes, body, False)
        kinds.append(NOTE if is_note else _answer(wire.kind, body, BROKEN))
        told.append(_answer(wire.at, body, None))
    times = _times([heard for heard, _, _ in lines], told)
    if not any(times):
        raise RecordError(f"{path} has no frame with a time in it, so nobody knows when its frames came")
    placed = _carried(times)
    frames = [RecordedFrame(*frame) for frame in zip(placed, kinds, (text for _, _, text in lines), strict=True)]
    until = max((at for at in told if at and at <= placed[-1]), default=placed[-1])
    return Recording(wire, frames, tuple(names), subscribes, until)


def _times(heard: Sequence[datetime | None], told: Sequence[datetime | None]) -> Sequence[datetime | None]:
    """When frames came, by the venue's clock: the recorder's own, set right by the message that came fastest.

    Without a recorder's clock it is the venue's time inside a frame, where there is one.
    """
    if not any(heard):
        return told
    apart = sorted(venue - recorder for recorder, venue in zip(heard, told, strict=True) if recorder and venue)
    usual = apart[len(apart) // 2] if apart else NOTHING
    ahead = max((one for one in apart if one - usual < NONSENSE), default=NOTHING)
    return [at + ahead if at else None for at in heard]


def _carried(times: Iterable[datetime | None]) -> list[datetime]:
    """A time for each frame, none before the last one's; one without a time comes with the frame before it."""
    times = list(times)
    placed, at = [], min(time for time in times if time)
    for time in times:
        at = max(at, time) if time else at
        placed.append(at)
    return placed


def _wire_of(path: Path, bodies: Iterable[Body], wires: Sequence[Wire]) -> Wire:
    """Whose words the first frame is that anybody knows."""
    known = next((wire for body in bodies for wire in wires if _answer(wire.fits, body, False)), None)
    if known is None:
        venues = ", ".join(wire.venue for wire in wires)
        raise RecordError(f"{path} has no frame that can be replayed; known are the frames of {venues}")
    return known


def _answer(question: Callable[[Body], T], body: Body, otherwise: T) -> T:
    """`otherwise` for a frame that cannot be read: its handler says what is wrong with it."""
    try:
        return question(body)
    except WRONG_SHAPE:
        return otherwise


def _lines(path: Path) -> Iterator[str]:
    import pyarrow as pa

    try:
        kind = "zstd" if path.suffix == ".zst" else None
        with pa.input_stream(str(path), compression=kind) as stream:
            text = stream.read().decode()
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read as recorded frames: {error}") from error
    return (line for line in text.splitlines() if line.strip())


def _unwrapped(line: str) -> tuple[datetime | None, bool, str]:
    """When the recorder wrote a line, whether the line is its own note, and the frame."""
    if _NOTED.match(line):
        return None, True, line
    found = _STAMPED.match(line)
    return (_recorded(found[1], found[2] or ""), False, line[found.end() :]) if found else (None, False, line)


def _recorded(whole: str, fraction: str) -> datetime:
    """The recorder's time in s, ms, µs or ns since the epoch: 10, 13, 16 or 19 digits before the point."""
    per_second = 10 ** (3 * ((len(whole) - 8) // 3))
    return instant(
        int(whole) * 1_000_000 // per_second + (round(float(fraction) * 1e6) // per_second if fraction else 0)
    )


def parsed(line: str) -> Body:
    """A recorded line's JSON; None when it is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
