"""What the desk writes down for people beside Slack: console lines and daily JSON files, without a secret in them.

`set_up` configures the root logger once. Files are `trading_DATE.log` (everything) and `errors_DATE.log` (warnings and
worse), one JSON object a line, DATE in UTC.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO
from urllib.parse import quote
from zoneinfo import ZoneInfo

KEEP_DAYS = 30
STARS = "***"
_SHORTEST_SECRET = 6  # a shorter value would blank out ordinary words
_LOUD = ("alembic", "aiohttp.access", "apscheduler", "asyncio", "bolt", "slack_bolt", "slack_sdk", "websockets")
_PATTERNS = (
    (re.compile(r"xox[a-z]-[\w-]+|xapp-[\w-]+|xoxe\.[\w.-]+"), STARS),
    (re.compile(r"(?<=://)[^/\s:@'\"]*:[^/\s@'\"]+(?=@)"), STARS),
    (re.compile(r"(hooks\.slack\.com/\w+)/[\w/]+"), rf"\1/{STARS}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), rf"\1 {STARS}"),
    (re.compile(r"(?i)((?:token|ticket|api[_-]?key|secret|password|passwd|signature)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;}]+"),
     rf"\1{STARS}"),
)  # fmt: skip


class Redactor:
    """Replaces secrets by stars: the known values in every spelling, and whatever looks like a token."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {value for value in secrets if len(value) >= _SHORTEST_SECRET}
        spelled = {spelling for value in known for spelling in (value, quote(value, safe=""), json.dumps(value)[1:-1])}
        longest_first = sorted(spelled, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(STARS, text)
        for pattern, stars in _PATTERNS:
            text = pattern.sub(stars, text)
        return text


class JsonLines(logging.Formatter):
    """One JSON object a line; the traceback, if any, in `trace`."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "text": self._redact(record.getMessage()),
        }
        if record.exc_info:
            line["trace"] = self._redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class Console(logging.Formatter):
    """`14:32:15 BUY …`: local time and the words; what went wrong says so. Tracebacks only when debugging."""

    def __init__(self, redact: Redactor, zone: ZoneInfo, *, traces: bool) -> None:
        super().__init__()
        self._redact = redact
        self._zone = zone
        self._traces = traces

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, self._zone)
        level = f"{record.levelname} " if record.levelno >= logging.WARNING else ""
        text = f"{at:%H:%M:%S} {level}{record.getMessage()}"
        if record.exc_info and self._traces:
            text += "\n" + self.formatException(record.exc_info)
        elif record.exc_info and record.exc_info[1] is not None:
            text += f" ({type(record.exc_info[1]).__name__}: {record.exc_info[1]})"
        return self._redact(text)


class Discreet(logging.Handler):
    """When a line cannot be written, says so without the line: the standard library would print it unredacted."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        kind, error, _ = sys.exc_info()
        if sys.stderr is not None and kind is not None:
            sys.stderr.write(f"a log line of {record.name} could not be written: {kind.__name__}: {error}\n")


class ConsoleStream(Discreet, logging.StreamHandler[TextIO]):
    """Standard error, discreetly."""


class DailyFile(Discreet):
    """Appends to `STEM_DATE.log` by the date of the record; a new date opens a new file."""

    def __init__(self, folder: Path, stem: str, level: int) -> None:
        super().__init__(level)
        self._folder, self._stem = folder, stem
        self._date = ""
        self._file: TextIO | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            date = f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%d}"
            if self._file is None or date != self._date:
                self._open(date)
            print(self.format(record), file=self._file, flush=True)
        except (OSError, ValueError):
            self.handleError(record)

    def _open(self, date: str) -> None:
        self._shut()
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._stem}_{date}.log"
        self._file = path.open("a", encoding="utf-8")
        self._date = date

    def _shut(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def close(self) -> None:
        self._shut()
        super().close()


def set_up(
    folder: Path, level: str, zone: ZoneInfo, secrets: Iterable[str] = (), *, debug: bool = False
) -> list[logging.Handler]:
    """Configure the root logger: console and both files in `folder`. Gives the handlers, for `take_down`."""
    redact = Redactor(secrets)
    wanted = logging.DEBUG if debug else logging.getLevelNamesMapping()[level]
    console = ConsoleStream(sys.stderr)
    console.setLevel(wanted)
    console.setFormatter(Console(redact, zone, traces=debug))
    handlers: list[logging.Handler] = [console]
    for stem, least in (("trading", min(wanted, logging.INFO)), ("errors", logging.WARNING)):
        file = DailyFile(folder, stem, least)
        file.setFormatter(JsonLines(redact))
        handlers.append(file)
    root = logging.getLogger()
    root.setLevel(min(wanted, logging.INFO))
    for handler in handlers:
        root.addHandler(handler)
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.DEBUG if debug else logging.WARNING)
    return handlers


def take_down(handlers: Iterable[logging.Handler]) -> None:
    """Detach and close what `set_up` made."""
    for handler in handlers:
        logging.getLogger().removeHandler(handler)
        handler.close()


def old(folder: Path, now: datetime, keep_days: int = KEEP_DAYS) -> list[Path]:
    """The daily files older than `keep_days`."""
    oldest = (now - timedelta(days=keep_days)).strftime("%Y-%m-%d")
    return [
        path for stem in ("trading", "errors") for path in folder.glob(f"{stem}_*.log")
        if re.fullmatch(r"\d{4}-\d\d-\d\d", path.stem.removeprefix(f"{stem}_")) and path.stem[-10:] < oldest
    ]  # fmt: skip


def tidy(folder: Path, now: datetime, keep_days: int = KEEP_DAYS) -> list[Path]:
    """Delete daily files older than `keep_days`; gives what was deleted."""
    gone = old(folder, now, keep_days)
    for path in gone:
        path.unlink(missing_ok=True)
    return gone
