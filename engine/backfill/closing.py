"""The last look: what the store has now of the range that was asked for, symbol by symbol."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from engine.backfill.gaps import Gap, complete, gaps_of
from engine.backfill.outages import Presence, outages
from engine.backfill.outliers import Outlier, outliers
from engine.backfill.report import Report, SymbolReport
from engine.backfill.wanted import Wanted
from engine.domain import Symbol, instant, micros
from engine.ports import BarColumns, Listing, Piece
from engine.store.history_gaps import QUIET

LISTED_MOST = 1_000  # gaps without trades that one symbol has in the table by themselves, the longest first
A_DAY = timedelta(days=1)


class Closing:
    """Give it every symbol's bars with `see`, then `tell` the report. `left`: pieces that were not fetched.

    `whole`: the stretches in which everything that was traded is stored, and absent bars are quiet ones.
    """

    def __init__(self, wanted: Wanted, left: Sequence[Piece]) -> None:
        self.whole: list[Gap] = []
        self._wanted = wanted
        self._left = left
        self._slots = (wanted.until - wanted.since) // wanted.interval
        self._coins: list[Presence] = []
        self._outliers: list[Outlier] = []
        self._reports: dict[Symbol, SymbolReport] = {}

    def see(self, bars: BarColumns, listing: Listing, refused: Sequence[int] = ()) -> None:
        """Take in what the store has of one symbol, oldest first; `refused`: opens (µs) of bars that were not taken."""
        wanted = self._wanted
        step = wanted.interval // timedelta(microseconds=1)
        present = np.zeros(self._slots, bool)
        present[(bars.time - step - micros(wanted.since)) // step] = True
        fetched = self._fetched(bars.symbol) | present
        one_price = float((bars.high == bars.low).mean()) if len(bars.time) else 1.0
        listed = self._listed(listing, present) | present
        self._coins.append(Presence(bars.symbol, present, listed, fetched, one_price, self._bad(refused, step)))
        self._outliers.extend(outliers(bars))
        times = [instant(int(at)) - wanted.interval for at in bars.time[[0, -1]]] if len(bars.time) else [None, None]
        self._reports[bars.symbol] = SymbolReport(len(bars.time), *times)

    def tell(self, report: Report) -> list[Gap]:
        """Fill in the report and `whole`; returns the gaps that belong into the table."""
        out = outages(self._coins, self._slots)
        listed: list[Gap] = []
        for coin in self._coins:
            gaps = list(gaps_of(coin, out, self._wanted.since, self._wanted.interval))
            _count(self._reports[coin.symbol], gaps)
            worth = _worth_listing(gaps)
            report.unlisted += len(gaps) - len(worth)
            listed.extend(worth)
            self.whole.extend(complete(coin, out, self._wanted.since, self._wanted.interval))
        report.symbols = self._reports
        report.outliers = sorted(self._outliers, key=lambda one: -abs(one.move))
        return listed

    def _bad(self, refused: Sequence[int], step: int) -> np.ndarray:
        slots = (np.array(refused, np.int64) - micros(self._wanted.since)) // step
        bad = np.zeros(self._slots, bool)
        bad[slots[(slots >= 0) & (slots < self._slots)]] = True
        return bad

    def _fetched(self, symbol: Symbol) -> np.ndarray:
        known = np.ones(self._slots, bool)
        for piece in self._left:
            if symbol in piece.symbols:
                known[self._slot(piece.since) : self._slot(piece.until)] = False
        return known

    def _listed(self, listing: Listing, present: np.ndarray) -> np.ndarray:
        """From the first to the last day that the source names. Where it names none, a day or more without a bar at
        either end counts as not listed."""
        listed = np.ones(self._slots, bool)
        rows = np.flatnonzero(present)
        day = A_DAY // self._wanted.interval
        first, last = (int(rows[0]), int(rows[-1]) + 1) if rows.size else (self._slots, self._slots)
        if listing.first is not None:
            listed[: self._slot(listing.first)] = False
        elif first >= day:
            listed[:first] = False
        if listing.last is not None:
            listed[self._slot(listing.last) :] = False
        elif self._slots - last >= day:
            listed[last:] = False
        return listed

    def _slot(self, at: datetime) -> int:
        return min(max(0, (at - self._wanted.since) // self._wanted.interval), self._slots)


def _count(report: SymbolReport, gaps: Sequence[Gap]) -> None:
    for gap in gaps:
        count, bars = report.gaps.get(gap.cause, (0, 0))
        report.gaps[gap.cause] = (count + 1, bars + gap.bars)
        if gap.bars > report.longest.get(gap.cause, (gap.start, gap.end, 0))[2]:
            report.longest[gap.cause] = (gap.start, gap.end, gap.bars)


def _worth_listing(gaps: Sequence[Gap]) -> list[Gap]:
    """All gaps, but of those without trades the longest only: a thin coin has one every other minute."""
    quiet = sorted((gap for gap in gaps if gap.cause == QUIET), key=lambda gap: -gap.bars)[:LISTED_MOST]
    return sorted([*(gap for gap in gaps if gap.cause != QUIET), *quiet], key=lambda gap: gap.start)
