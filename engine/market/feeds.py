"""`kraken`, `massive`, `simulated` or `replay:PATH` → a feed with the clock that fits it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from engine.clock import Clock, ScaledClock, SystemClock
from engine.domain import Symbol
from engine.market.errors import FeedNameError, RecordError
from engine.market.kraken import REST_URL, WS_URL, KrakenFeed
from engine.market.massive import MassiveFeed
from engine.market.massive_access import MassiveAccess
from engine.market.replayed import ReplayedBars
from engine.market.replayed_frames import ReplayedFrames
from engine.market.simulated import SimulatedFeed

Replay: TypeAlias = ReplayedBars | ReplayedFrames
AnyFeed: TypeAlias = KrakenFeed | MassiveFeed | SimulatedFeed | Replay

LIVE = ("kraken", "massive")
SPEEDS = {"kraken": 1.0, "massive": 1.0, "simulated": 60.0, "replay": 1.0}


def from_path(
    path: Path,
    symbols: Sequence[Symbol] = (),
    *,
    begin: datetime | None = None,
    clock: Clock | None = None,
    speed: float = 1.0,
) -> Replay:
    """A replay of `path`: bars from `.parquet` and `.csv`, frames from `.jsonl`, `.ndjson`, `.txt` (also `.zst`)."""
    if not path.is_file():
        raise RecordError(f"there is no file {path} to replay")
    kind = "".join(path.suffixes[-2:]) if path.suffix == ".zst" else path.suffix
    if kind in (".parquet", ".csv"):
        return ReplayedBars(path, symbols, begin=begin, clock=clock, speed=speed)
    if kind.removesuffix(".zst") in (".jsonl", ".ndjson", ".txt"):
        return ReplayedFrames(path, symbols, begin=begin, clock=clock, speed=speed)
    raise RecordError(
        f"{path} is of no kind that can be replayed; bars are .parquet or .csv, frames .jsonl, .ndjson or .txt, "
        "alone or packed (.zst)"
    )


def feed_named(
    spec: str,
    *,
    clock: Clock | None = None,
    speed: float | None = None,
    symbols: Sequence[Symbol] = (),
    begin: datetime | None = None,
    resume: Mapping[Symbol, float] | None = None,
    seed: int = 1,
    planted: float | None = None,
    ws_url: str | None = None,
    rest_url: str | None = None,
    book_depth: int | None = None,
    massive: MassiveAccess | None = None,
) -> AnyFeed:
    """Build the feed that `spec` names; `feed.clock` is desk time.

    `clock` overrides the one that fits: real time for a live market; scaled from `begin` or now, or from the record's
    start, for the others, and held there until `run`.
    `begin` and `resume` (the ledger's last instant and closes) continue an earlier simulation or replay; `planted` is
    the known edge of a simulated market. Raises
    `FeedNameError` for a name or speed that cannot be, `RecordError` for a file that cannot be replayed, `MarketError`
    for a key that is not there.
    """
    kind, _, path = spec.partition(":")
    if kind not in SPEEDS or (kind == "replay") != bool(path):
        raise FeedNameError(f"there is no feed {spec!r}; choose kraken, massive, simulated or replay:PATH")
    if kind in LIVE:
        if speed not in (None, 1.0):
            raise FeedNameError(
                f"--speed {speed:g} is for simulated and replayed markets; a live market runs at its own"
            )
        live = clock or SystemClock()
        if kind == "massive":
            return MassiveFeed(live, massive or MassiveAccess())
        return KrakenFeed(live, ws_url=ws_url or WS_URL, rest_url=rest_url or REST_URL, book_depth=book_depth)
    pace = SPEEDS[kind] if speed is None else speed
    if pace <= 0:
        raise FeedNameError(f"--speed was {pace:g}; it must be above 0")
    if kind == "simulated":
        start = begin or SystemClock().now()
        own = clock or ScaledClock(start, pace, held=True)
        return SimulatedFeed(own, seed=seed, resume=resume, planted=planted, symbols=symbols)
    return from_path(Path(path).expanduser(), symbols, begin=begin, clock=clock, speed=pace)
