"""Proof about the past: `verify` walks the hash chain, `replay` decides everything again and compares."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from engine import codec
from engine.messages import Started
from engine.outcomes import Outcome
from engine.records import Record, same
from engine.store.ledger import Row, count_rows, link, read_records, read_rows
from engine.trader import Trader
from engine.written import recorded_by

Progress = Callable[[int, int], None]


def _silent(done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """Sequence and (short) hash of a row, as a report ends with it: what came before it is fixed."""

    seq: int
    hash: str

    @staticmethod
    def parse(text: str) -> Anchor:
        """Read `SEQ:HASH`; raises `ValueError` with the shape that is expected."""
        seq, _, digest = text.strip().partition(":")
        known = len(digest) >= 6 and all(letter in "0123456789abcdef" for letter in digest.lower())
        if not seq.isdecimal() or int(seq) < 1 or not known:
            raise ValueError(
                f"anchor was {text!r}; write SEQ:HASH as a report ends with it, for example 1042:9f3ac1d27b60"
            )
        return Anchor(int(seq), digest.lower())


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` found: `bad_seq` and `sentence` name the first bad row, or `bad_seq` is None.

    `cut`: every row that is there is good, and rows that an anchor knows of are not there.
    """

    rows: int
    head: str
    bad_seq: int | None
    sentence: str
    by: str = ""  # whose record it is, in words; "" where no start says so
    cut: bool = False


class _Chain:
    """The walk along the rows: the expected next sequence and the hash so far."""

    def __init__(self, anchor: Anchor | None) -> None:
        self.rows = 0
        self.head = ""
        self.code: str | None = None  # of the last start, where one was seen
        self._anchor = anchor

    def fault(self, row: Row) -> str | None:
        """What is wrong with the next row, or None when it follows."""
        expected = self.rows + 1
        if row.seq != expected:
            return f"row {expected} is missing: row {row.seq} follows row {self.rows}"
        try:
            text = zlib.decompress(row.body)
        except zlib.error as error:
            return f"row {row.seq} was changed: its body cannot be unpacked ({error})"
        if link(self.head, row.seq, row.at, row.kind, text) != row.hash:
            return f"row {row.seq} ({row.kind}, {row.at}) was edited or moved: its hash does not follow"
        self.rows, self.head = row.seq, row.hash
        if row.kind == Started.__name__:
            self.code = json.loads(text)["message"].get("code", "")
        if self._anchor and row.seq == self._anchor.seq and not row.hash.startswith(self._anchor.hash):
            return (
                f"row {row.seq} has hash {row.hash[:12]}, the anchor says {self._anchor.hash}: "
                "history at or before it was rewritten"
            )
        return None

    def by(self) -> str:
        """Whose record it is as far as it could be read, in words."""
        return "" if self.code is None else recorded_by(self.code)

    def short(self) -> str | None:
        """What is missing at the end, as far as an anchor can tell."""
        if self._anchor and self.rows < self._anchor.seq:
            return f"the ledger ends at row {self.rows}, before the anchor's row {self._anchor.seq}"
        return None


def verify(path: Path, anchor: Anchor | None = None, progress: Progress = _silent) -> Verified:
    """Check every row of the ledger at `path`; safe beside a running desk. Raises `LedgerError`."""
    total = count_rows(path)
    chain = _Chain(anchor)
    for row in read_rows(path):
        fault = chain.fault(row)
        if fault:
            bad = min(row.seq, chain.rows + 1)
            whose = "" if chain.rows == row.seq else chain.by()  # an anchor's row follows: no version explains that
            return Verified(chain.rows, chain.head, bad, fault, whose)
        progress(chain.rows, total)
    short = chain.short()
    if short:
        return Verified(chain.rows, chain.head, chain.rows + 1, short, cut=True)
    holds = f"; anchor {anchor.seq} holds" if anchor else ""
    said = f"all in order: {chain.rows} rows checked, head {chain.head[:12] or 'empty'}{holds}"
    return Verified(chain.rows, chain.head, None, said)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first outcome that a replay decided otherwise. A missing one is None."""

    seq: int
    message: str
    position: int
    expected: Outcome | None
    seen: Outcome | None
    by: str = ""  # whose record it is, in words


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found: how many records it decided again, and the first difference or None."""

    records: int
    outcomes: int
    difference: Difference | None


def replay(records: Iterable[Record], progress: Callable[[int], None] | None = None) -> Replayed:
    """Decide recorded messages again with a muted broker: nothing is sent, acknowledgements are the recorded ones.

    Stops at the first record whose outcomes are not equal, bit for bit. Raises `LedgerError` for an unreadable row.
    """
    trader = Trader()
    done = outcomes = 0
    for record in records:
        seen = trader.again(record)
        difference = _compare(record, seen)
        if difference is not None:
            by = recorded_by(trader.code)
            return Replayed(done, outcomes, replace(difference, by=by))
        done, outcomes = done + 1, outcomes + len(seen)
        if progress is not None:
            progress(done)
    return Replayed(done, outcomes, None)


def replay_file(path: Path, progress: Progress = _silent) -> Replayed:
    """Replay the ledger at `path`; safe beside a running desk."""
    total = count_rows(path)
    return replay(read_records(path), lambda done: progress(done, total))


def _compare(record: Record, seen: tuple[Outcome, ...]) -> Difference | None:
    kind = type(record.message).__name__
    again = tuple(codec.decode(codec.encode(outcome)) for outcome in seen)
    for position in range(max(len(again), len(record.outcomes))):
        expected = record.outcomes[position] if position < len(record.outcomes) else None
        found = again[position] if position < len(again) else None
        if expected is None or found is None or not same(expected, found):
            return Difference(record.seq, kind, position, expected, found)
    return None
