"""Words: numbers, times and money as a person reads them, and the templates that use them.

A template (`templates/NAME.j2`) has named parts as Jinja blocks: `text` (the whole decision in plain words, for
notifications and screen readers) and, as needed, `title`, `body`, `facts` (one a line, `Label: value`), `more`, `note`.
Everything that enters a template is escaped for Slack; only what a filter here marks `Raw` is not.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.runtime import Undefined

NONE = "none"
UNKNOWN = "n/a"
_HERE = Path(__file__).resolve().parent
_USER = re.compile(r"[UW][A-Z0-9_]{2,}")
_NAMED = re.compile(r"(?<!\w)@([UW][A-Z0-9_]{2,})\b")
_TIGHT = re.compile(r"(?<=\d)%")


class MissingTemplatesError(RuntimeError):
    """The templates are not where the desk looks for them."""


class Raw(str):
    """Text that is already Slack mark-up."""

    __slots__ = ()


def slack(text: object) -> Raw:
    """Escape the three characters that mean something to Slack; quotes stay quotes."""
    return Raw(str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def plain(text: str) -> str:
    """What a person typed, without Slack's mark-up: `<@U1|ann>` → `@ann`, `<#C1|trades>` → `#trades`, `&amp;` → `&`."""

    def shown(match: re.Match[str]) -> str:
        target, _, label = match[1].partition("|")
        sign = {"@": "@", "#": "#", "!": "@"}.get(target[:1], "")
        return sign + (label or target[len(sign) :]).removeprefix(sign)

    return html.unescape(re.sub(r"<([^<>]+)>", shown, text)).strip()


def _unknown(number: float | None) -> bool:
    return number is None or isinstance(number, Undefined) or not math.isfinite(number)


def _sign(number: float, signed: bool) -> str:
    if number < 0:
        return "−"
    return "+" if signed and number > 0 else ""


def money(amount: float | None, *, signed: bool = False) -> str:
    """`$1,000.00`, `−$3.20`, and `+$3.20` when `signed`; what is not a number is `n/a`."""
    if amount is None or _unknown(amount):
        return UNKNOWN
    rounded = round(amount, 2)
    return f"{_sign(rounded, signed)}${abs(rounded):,.2f}"


def percent(fraction: float | None, *, signed: bool = False, digits: int = 2) -> str:
    """A fraction as `0.42 %`, `+0.42 %` when `signed`."""
    if fraction is None or _unknown(fraction):
        return UNKNOWN
    rounded = round(fraction * 100, digits)
    return f"{_sign(rounded, signed)}{abs(rounded):,.{digits}f} %"


def signed(number: float, digits: int = 1) -> str:
    """`+1.2` and `−1.2`; what rounds to nothing is `+0.0`."""
    rounded = round(number, digits)
    return f"{'−' if rounded < 0 else '+'}{abs(rounded):.{digits}f}"


def price(number: float | None) -> str:
    """A price with the digits that its size deserves: `67,450.00`, `0.4213`, `0.00001234`; None is `none`."""
    if number is None:
        return NONE
    if _unknown(number):
        return UNKNOWN
    size = abs(number)
    digits = 2 if size >= 100 or size == 0 else min(12, max(2, 3 - math.floor(math.log10(size))))
    return f"{_sign(number, False)}{size:,.{digits}f}"


def amount(quantity: float | None) -> str:
    """A quantity of coins, at most six significant digits, without trailing zeros or exponent."""
    if quantity is None or _unknown(quantity):
        return UNKNOWN
    if quantity == 0:
        return "0"
    digits = max(0, min(12, 5 - math.floor(math.log10(abs(quantity)))))
    text = f"{quantity:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def figure(value: float | None) -> str:
    """Any number: whole ones without a point, else six significant digits."""
    if value is None or _unknown(value):
        return UNKNOWN
    return f"{value:,.0f}" if value == round(value) else amount(value)


def ratio(value: float | None) -> str:
    """A ratio with two digits: `1.34`."""
    return UNKNOWN if value is None or _unknown(value) else f"{_sign(value, False)}{abs(value):,.2f}"


def duration(span: timedelta | float | None) -> str:
    """`45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`; None is `none`. Seconds when a number."""
    if span is None:
        return NONE
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if _unknown(seconds):
        return UNKNOWN
    seconds = max(0, round(seconds))
    if seconds < 120:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"


def short(text: object, length: int = 200) -> str:
    """Free text cut to `length` characters, on one line."""
    flat = " ".join(str(text).split())
    return flat if len(flat) <= length else flat[: length - 1].rstrip() + "…"


def actor(by: str | None) -> str:
    """Who did it: a mention, `the console`, `the desk` or `the rule NAME`."""
    if not by:
        return "nobody"
    if by.startswith("rule:"):
        return slack(f"the rule {by.removeprefix('rule:')}")
    known = {"console": "the console", "desk": "the desk"}
    return Raw(known.get(by) or (f"<@{by}>" if _USER.fullmatch(by) else slack(by)))


def told(sentence: object, length: int = 400) -> str:
    """A sentence of the engine's on one line, its `@U0ADMIN` as a mention that Slack turns into a name, and its `5%`
    spaced like every other number here."""
    return Raw(_NAMED.sub(r"<@\1>", slack(short(_TIGHT.sub(" %", str(sentence)), length))))


def _finalize(value: object) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return UNKNOWN
    return value if isinstance(value, Raw) else slack(value)


class Words:
    """The templates of one desk, in its time zone."""

    def __init__(self, zone: ZoneInfo, folder: Path | None = None, invented: bool = False) -> None:
        """`invented`: the desk's time is not everybody's, and says so."""
        self.zone = zone
        self._invented = invented
        self._env = Environment(  # autoescape would turn quotes into entities that Slack shows literally
            loader=FileSystemLoader(folder or templates_folder()),
            autoescape=False,
            undefined=StrictUndefined,
            finalize=_finalize,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
        )
        self._env.filters.update(_FILTERS, clock=self.clock, day=self.day, seen=self.seen, moment=self.moment)

    def clock(self, at: datetime) -> str:
        """`14:05 PST`: the desk's own time, explicitly."""
        return at.astimezone(self.zone).strftime("%H:%M %Z")

    def day(self, at: datetime) -> str:
        return at.astimezone(self.zone).strftime("%a %d %b %Y")

    def moment(self, at: datetime) -> str:
        return at.astimezone(self.zone).strftime("%Y-%m-%d %H:%M %Z")

    def seen(self, at: datetime) -> str:
        """The viewer's own time with the desk's beside it; where the desk's is not everybody's, that alone."""
        if self._invented:
            return Raw(f"{self.clock(at)} desk time")
        stamp = int(at.timestamp())
        return Raw(f"<!date^{stamp}^{{time}}|{self.clock(at)}> ({self.clock(at)})")

    def parts(self, template: str, data: Mapping[str, Any]) -> dict[str, str]:
        """Every part of a template as text, without empty ones and without rows (`row_…`), which `line` renders."""
        loaded = self._env.get_template(f"{template}.j2")
        context = loaded.new_context(dict(data))
        named = {name: block for name, block in loaded.blocks.items() if not name.startswith("row_")}
        texts = {name: _tidy("".join(block(context))) for name, block in named.items()}
        return {name: text for name, text in texts.items() if text}

    def line(self, template: str, part: str, **data: Any) -> str:
        """One part of a template, for lines that a larger message collects."""
        loaded = self._env.get_template(f"{template}.j2")
        return _tidy("".join(loaded.blocks[part](loaded.new_context(data))))


def templates_folder() -> Path:
    """Where the templates are: beside the packages, in a checkout as in an installation."""
    folder = _HERE.parent / "templates"
    if not folder.is_dir():
        raise MissingTemplatesError(f"templates were not found at {folder}; install the desk again")
    return folder


def _tidy(text: str) -> str:
    lines = (line.rstrip() for line in text.strip().splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


_FILTERS: dict[str, Callable[..., Any]] = {
    "money": money,
    "percent": percent,
    "price": price,
    "amount": amount,
    "figure": figure,
    "ratio": ratio,
    "signed": signed,
    "duration": duration,
    "short": short,
    "told": told,
    "actor": actor,
    "slack": slack,
}
