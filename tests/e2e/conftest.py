from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.desk import RunningDesk


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningDesk]]:
    """Starts desks in one home, and ends those that still run."""
    desks: list[RunningDesk] = []

    def begin(*args: str, data: str = "desk", **extra: str) -> RunningDesk:
        desks.append(RunningDesk(tmp_path / data, tmp_path, *args, **extra))
        return desks[-1]

    yield begin
    for desk in desks:
        desk.stop()
