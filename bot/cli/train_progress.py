"""A training's progress for whoever looks: a bar on a terminal, lines in a log, JSON for another program."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine import clock

Tell = Callable[[str, float], None]
TELL_EVERY = 1.0  # seconds between two lines of JSON


@contextmanager
def shown(how: str) -> Iterator[Tell]:
    """The function to tell: what is being done, and how much of the whole is done."""
    if how == "json":
        yield _as_json()
    elif sys.stderr.isatty():
        with _bar() as tell:
            yield tell
    else:
        yield _as_lines()


def _as_json() -> Tell:
    """One object a line on standard output, at most one a second but for news."""
    last, said = float("-inf"), ""

    def tell(what: str, share: float) -> None:
        nonlocal last, said
        now = clock.monotonic()
        if what != said or now - last >= TELL_EVERY:
            last, said = now, what
            print(json.dumps({"progress": {"share": share, "stage": what}}), flush=True)

    return tell


def _as_lines() -> Tell:
    said = ""

    def tell(what: str, share: float) -> None:
        nonlocal said
        if what != said:
            said = what
            print(f"{share:4.0%} {what}", file=sys.stderr, flush=True)

    return tell


@contextmanager
def _bar() -> Iterator[Tell]:
    from tqdm import tqdm

    with tqdm(total=100, unit="%", file=sys.stderr, bar_format="{desc:<44} {bar} {n:.0f} %") as bar:

        def tell(what: str, share: float) -> None:
            bar.set_description_str(what, refresh=False)
            bar.update(100 * share - bar.n)

        yield tell
