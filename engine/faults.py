"""Bugs that the running desk meets: each gets an id in the log, and a hold that names it instead of a silent end."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from datetime import datetime

from engine.domain import State
from engine.messages import Guarded, Message

_log = logging.getLogger(__name__)
CODE = "FAULT"


class Faults:
    """Counts, logs and holds."""

    def __init__(self, submit: Callable[[Message], object]) -> None:
        self._submit = submit
        self._count = itertools.count(1)

    def met(self, doing: str, error: Exception) -> str:
        """Log a bug with its traceback; returns its id."""
        name = f"E{next(self._count)}"
        _log.critical("fault %s while %s", name, doing, exc_info=error)
        return name

    def hold(self, name: str, what: str, error: Exception, at: datetime, level: State) -> None:
        """Hold the desk for the bug `name`, in words that a person reads."""
        note = f"fault {name}: {what} ({type(error).__name__}); see the error log"
        self._submit(Guarded(at, CODE, level, True, note))
