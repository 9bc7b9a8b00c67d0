"""What a starting desk tells the terminal: one line that rewrites itself on a screen, plain lines elsewhere."""

from __future__ import annotations

import threading
from typing import TextIO

WIDTH = 24


class Progress:
    """Thread-safe. `say` prints a line that stays; `step` shows how far a long step is."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._live = out.isatty()
        self._lock = threading.Lock()
        self._open = ""
        self._tenths: dict[str, int] = {}

    def say(self, line: str) -> None:
        with self._lock:
            self._end()
            self._out.write(f"{line}\n")
            self._out.flush()

    def step(self, share: float, what: str) -> None:
        """`share` from 0 to 1. Off a screen only every fifth of the way is printed."""
        with self._lock:
            if self._live:
                filled = round(share * WIDTH)
                self._out.write(f"\r\x1b[K{what} [{'#' * filled}{'.' * (WIDTH - filled)}] {share:4.0%}")
                self._open = what
                if share >= 1:
                    self._end()
            elif self._tenths.get(what, -2) + 2 <= int(share * 10) or share >= 1:
                self._tenths[what] = int(share * 10)
                self._out.write(f"{what} {share:.0%}\n")
            self._out.flush()

    def _end(self) -> None:
        if self._open:
            self._out.write("\n")
            self._open = ""
