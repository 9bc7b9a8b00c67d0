"""Rows on their way to the disk: nothing is acted on, and nothing forgotten, before they are there."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from typing import NamedTuple

from engine.disk_watch import DiskWatch
from engine.inbox import Entry, Inbox
from engine.ports import Ledger
from engine.records import Post, Record
from engine.snapshot import Snapshot
from engine.store.ledger import LedgerError
from engine.trader import Judgement

_log = logging.getLogger(__name__)
RETRY = 1.0  # real seconds between attempts at what must succeed


class Judged(NamedTuple):
    """A message to be recorded, what follows from it, and the desk as it then was (None: nothing to say of it)."""

    entry: Entry
    judgement: Judgement
    posts: tuple[Post, ...]
    drawn: Snapshot | None


class Pen:
    """Writes judged messages into the ledger, for as long as it takes."""

    def __init__(self, ledger: Ledger, inbox: Inbox, disk: DiskWatch | None, stopping: threading.Event) -> None:
        self._ledger = ledger
        self._inbox = inbox
        self._disk = disk
        self._stopping = stopping

    def write(self, judged: Sequence[Judged]) -> list[Record]:
        """Append until it is durable: what was decided is never acted on, and never forgotten, before that."""
        while judged:
            try:
                with self._ledger.together() if len(judged) > 1 else nullcontext():
                    return [
                        self._ledger.append(e.message, j.outcomes, posts, j.judged_until) for e, j, posts, _ in judged
                    ]
            except LedgerError as error:
                if self._disk is not None and self._disk.release():
                    _log.critical("%s; the reserve was given up so that exits can still be recorded", error)
                    continue
                _log.critical("%s; nothing is done until it can be written", error)
                self._inbox.refuse_people(error)
                if self._stopping.wait(RETRY):
                    for one in judged:
                        one.entry.refuse(error)
                    return []
        return []
