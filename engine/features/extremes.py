"""The highest value of several windows at once: one monotone queue, with a head for each window."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from engine.core.jit import part
from engine.core.state import Floats, Ints

ROOM = 256  # a power of two above the widest window
WINDOWS = (14, 60, 240)  # bars; the last is the widest

EXTREMES = np.dtype(
    [("value", np.float64, (ROOM,)), ("at", np.int64, (ROOM,)), ("head", np.int64, (len(WINDOWS),)), ("tail", np.int64)]
)


class Extremes(Protocol):
    """Values that may still become the highest, falling; `head[w]` is the first that window `w` still holds."""

    value: Floats
    at: Ints
    head: Ints
    tail: int


@part
def push(queue: Extremes, value: float, now: int) -> None:
    """Take the value of bar `now`; older ones that are no higher can never be the highest again."""
    tail, first = queue.tail, queue.head[len(WINDOWS) - 1]
    while tail > first and queue.value[(tail - 1) & (ROOM - 1)] <= value:
        tail -= 1
    queue.value[tail & (ROOM - 1)] = value
    queue.at[tail & (ROOM - 1)] = now
    queue.tail = tail + 1


@part
def highest(queue: Extremes, window: int, oldest: int) -> float:
    """The highest value of the bars from `oldest` on. Ask each window once after every `push`."""
    head = min(queue.head[window], queue.tail - 1)
    while queue.at[head & (ROOM - 1)] < oldest:
        head += 1
    queue.head[window] = head
    return queue.value[head & (ROOM - 1)]


@part
def empty(queue: Extremes) -> None:
    """Forget every bar."""
    queue.tail = 0
    for window in range(len(WINDOWS)):
        queue.head[window] = 0
