"""A backfill's progress for whoever looks: bars on a terminal, lines in a log, JSON for another program."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from bot.render import duration
from engine import clock

if TYPE_CHECKING:
    from engine import backfill

TELL_EVERY = 0.2  # seconds between two lines of JSON
LINE_EVERY = 10.0
BARS_MOST = 24  # symbols with a bar of their own


class Shown(Protocol):
    """How progress is shown; a context, in which `see` is called with every piece."""

    def __enter__(self) -> Shown: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    def see(self, progress: backfill.Progress) -> None: ...

    def say(self, sentence: str) -> None: ...

    def result(self, summary: Mapping[str, Any], table: str) -> None: ...


def shown(how: str, interval: str) -> Shown:
    """`auto` is bars on a terminal, lines elsewhere."""
    if how == "json":
        return AsJson()
    if how == "bars" or (how == "auto" and sys.stderr.isatty()):
        return AsBars()
    return AsLines(interval)


class _Quiet:
    """What the three have in common."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return

    def say(self, sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    def result(self, summary: Mapping[str, Any], table: str) -> None:
        print(table, flush=True)


class AsJson(_Quiet):
    """One object a line on standard output: `progress`, at most five a second, and at last `result`."""

    def __init__(self) -> None:
        self._told = float("-inf")
        self._stage = ""

    def see(self, progress: backfill.Progress) -> None:
        now = clock.monotonic()
        if now - self._told >= TELL_EVERY or progress.stage != self._stage:
            self._told, self._stage = now, progress.stage
            print(json.dumps({"progress": progress.as_json()}), flush=True)

    def result(self, summary: Mapping[str, Any], table: str) -> None:
        print(json.dumps({"result": summary}), flush=True)


class AsLines(_Quiet):
    """A line every ten seconds, and at every new stage."""

    def __init__(self, interval: str) -> None:
        self._interval = interval
        self._told = float("-inf")
        self._stage = ""

    def see(self, progress: backfill.Progress) -> None:
        now = clock.monotonic()
        if now - self._told < LINE_EVERY and progress.stage == self._stage:
            return
        self._told, self._stage = now, progress.stage
        if progress.stage == "fetching":
            busy = ", ".join(f"{name} {part.share:.0%}" for name, part in progress.parts.items() if 0 < part.share < 1)
            left = f", about {duration(progress.eta)} left" if progress.eta is not None else ""
            rows = f"{progress.rows:,} rows of {self._interval}, {progress.rows_per_second:,.0f} a second{left}"
            self.say(f"{progress.share:.0%}: {rows}{f' ({busy[:120]})' if busy else ''}")
        elif progress.stage == "checking":
            self.say(f"looking through what is stored: {progress.checked} of {len(progress.parts)} symbols")


class AsBars(_Quiet):
    """One bar for the whole, and one for each symbol while they are few."""

    def __init__(self) -> None:
        self._bars: dict[str, Any] = {}

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for bar in self._bars.values():
            bar.close()

    def see(self, progress: backfill.Progress) -> None:
        if progress.stage == "fetching" and not self._bars:
            if progress.eta is not None:
                self.say(f"about {duration(progress.eta)} at the source's own pace")
            self._begin(progress)
        for name, bar in self._bars.items():
            part = progress.parts.get(name)
            done = progress.before + progress.done + progress.failed if part is None else part.done + part.failed
            bar.update(done - bar.n)
            rows = progress.rows if part is None else part.rows
            bar.set_postfix_str(f"{rows:,} rows{f', {progress.stage}' if part is None else ''}", refresh=part is None)

    def _begin(self, progress: backfill.Progress) -> None:
        from tqdm import tqdm

        symbols = list(progress.parts) if len(progress.parts) <= BARS_MOST else []
        width = max(map(len, ["all", *symbols]))
        for place, name in enumerate(["all", *symbols]):
            part = progress.parts.get(name)
            total, done = (progress.pieces, progress.before) if part is None else (part.pieces, part.done)
            self._bars[name] = tqdm(
                total=total, initial=done, desc=f"{name:<{width}}", unit=" pieces", position=place, file=sys.stderr
            )
