"""How far a training is: its steps, weighed by how long they take."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str, float], None]
"""What is being done, and how much of it is done (0 to 1)."""

WEIGHTS = {"look": 1.0, "sweep": 6.0, "walk": 5.0, "paths": 8.0, "fit": 2.0, "judge": 1.0, "canaries": 2.0}


class Steps:
    """Turns the share of one step into that of the whole, which never falls."""

    def __init__(self, tell: Tell, steps: tuple[str, ...]) -> None:
        """`steps` are of WEIGHTS, in their order; `tell` hears what is done and how much of all."""
        self._tell = tell
        total = sum(WEIGHTS[name] for name in steps)
        ends, done = {}, 0.0
        for name in steps:
            ends[name] = (done / total, (done + WEIGHTS[name]) / total)
            done += WEIGHTS[name]
        self._ends = ends

    def at(self, step: str) -> Tell:
        """The teller of one step."""
        first, last = self._ends[step]
        return lambda what, share: self._tell(what, first + (last - first) * min(1.0, share))
