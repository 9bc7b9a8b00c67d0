"""What a desk was really told, and when it closed its minutes: written by the venue's side, whatever kills the desk."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

from engine.domain import Symbol
from tests.faults.truth import MINUTE, Truth, candle_of

WHOLE, NAMED, BROKEN = "whole", "named", "broken"  # a trade as it was; only its number; something unreadable of it
NAME = "journal"


class Journal:
    """One line a fact, in the order in which the desk met them."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / NAME, os.O_APPEND | os.O_CREAT | os.O_WRONLY)

    def told(self, symbol: Symbol, number: int, how: str) -> None:
        self._write(symbol, number, how)

    def closed(self, at: datetime) -> None:
        self._write("minute", at.isoformat(), "")

    def _write(self, *row: str | int) -> None:
        os.write(self._file, (json.dumps(row) + "\n").encode())


class Heard:
    """The journal of a run, read after it."""

    def __init__(self, folder: Path, truth: Truth) -> None:
        self._truth = truth
        self._closed: dict[datetime, int] = {}  # minute → how many facts came before it was closed
        self._facts: list[tuple[Symbol, int, str]] = []
        for line in (folder / NAME).read_text().splitlines():
            what, number, how = json.loads(line)
            if what == "minute":
                self._closed.setdefault(datetime.fromisoformat(number), len(self._facts))
            else:
                self._facts.append((what, number, how))

    def excuses(self, symbol: Symbol, close: datetime, bar: tuple[float, ...]) -> bool:
        """Whether `bar` (open, high, low, close, volume), which is not true, is all that could be known at its close.

        It is not when a later number had come, or something of a trade that could not be read.
        """
        facts = [(number, how) for name, number, how in self._facts[: self._closed[close]] if name == symbol]
        whole = {number for number, how in facts if how == WHOLE}
        known = {number for number, how in facts if how == BROKEN}
        top = max((number for number, how in facts if how != BROKEN), default=0)
        before = [trade for trade in self._truth.trades[symbol] if trade.at < close]
        traded = [trade for trade in before if trade.at >= close - MINUTE]
        heard = [trade for trade in traded if trade.id in whole]
        if heard:
            if any(trade.id not in whole and (trade.id < top or trade.id in known) for trade in traded):
                return False
            return candle_of(heard, close - MINUTE).is_like(bar)
        for trade in reversed(before):
            if bar == (*(trade.price,) * 4, 0.0):
                return True
            if trade.id <= top or trade.id in known:
                return False
        return False
