"""A command that another process started, and that ends when that one dies."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable


def when_it_dies(act: Callable[[], None]) -> None:
    """Call `act`, on a thread of its own, when whoever holds the other end of our standard input is gone."""
    threading.Thread(target=_follow, args=(act,), name="parent", daemon=True).start()


def _follow(act: Callable[[], None]) -> None:
    while os.read(sys.stdin.fileno(), 1024):  # no buffer: its lock would abort an interpreter that ends meanwhile
        continue
    act()
