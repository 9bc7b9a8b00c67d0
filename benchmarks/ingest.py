"""From a venue's frame to one-minute bars: decoded, validated and aggregated on one core, in trades a second.

    python benchmarks/ingest.py           # 200,000 trades a case
    python benchmarks/ingest.py --full    # 1,000,000

The product's path is the live feed's own: typed decoding, the quality gate (possible numbers, time, duplicates, jumps),
holes in the numbering, bars, and the sink. Beside it the same frames parsed by `json` and `orjson` and checked key by
key, followed by the very same path; and Massive's frames. Prints one JSON object on stdout; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from report import Board  # noqa: E402

from engine.clock import SystemClock  # noqa: E402
from engine.domain import Print, Quote  # noqa: E402
from engine.market.intake import Intake  # noqa: E402
from engine.market.kraken_frames import KrakenFrames, as_time, channels  # noqa: E402
from engine.market.kraken_subscriptions import Subscriptions  # noqa: E402
from engine.market.kraken_words import typed  # noqa: E402
from engine.market.massive_access import MassiveAccess  # noqa: E402
from engine.market.massive_check import BarCheck  # noqa: E402
from engine.market.massive_frames import MassiveFrames  # noqa: E402
from engine.market.massive_topics import Topics  # noqa: E402
from engine.market.names import canonical  # noqa: E402
from engine.market.quality import Quarantine  # noqa: E402
from engine.messages import FeedChanged, Minute  # noqa: E402

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
SYMBOLS = tuple(f"C{number:02d}/USD" for number in range(100))
RATE = 2_000  # trades a second of market time
SHORT, FULL, AGAIN = 200_000, 1_000_000, 3

BEAT = timedelta(seconds=0.1)

Frame = tuple[datetime, str]  # when it comes, and its text


class Counted:
    """A sink that keeps the minutes."""

    def __init__(self) -> None:
        self.minutes: list[Minute] = []
        self.prints = 0

    def on_print(self, item: Print) -> None:
        self.prints += 1

    def on_quote(self, item: Quote) -> None: ...

    def on_minute(self, minute: Minute) -> None:
        self.minutes.append(minute)

    def on_feed(self, change: FeedChanged) -> None: ...


def frames_of(trades: int, together: int) -> list[Frame]:
    """Frames as Kraken sends them, `together` trades of any of 100 pairs in each."""
    dice, ids, prices = random.Random(1), dict.fromkeys(SYMBOLS, 0), dict.fromkeys(SYMBOLS, 100.0)
    found, entries = [], []
    for number in range(trades):
        at, symbol = START + timedelta(seconds=number / RATE), dice.choice(SYMBOLS)
        ids[symbol] += 1
        prices[symbol] = round(prices[symbol] * (1 + dice.gauss(0, 0.0003)), 4)
        entries.append(
            f'{{"symbol":"{symbol}","side":"buy","price":{prices[symbol]},"qty":{dice.random():.8f},'
            f'"ord_type":"market","trade_id":{ids[symbol]},"timestamp":"{at:%Y-%m-%dT%H:%M:%S.%f}Z"}}'
        )
        if len(entries) == together:
            found.append((at, f'{{"channel":"trade","type":"update","data":[{",".join(entries)}]}}'))
            entries = []
    return found


class FrameClock:
    """Stands at the frame's own time, and takes as long as a real clock to ask."""

    speed = 1.0

    def __init__(self) -> None:
        self.at = START
        self._real = SystemClock()

    def now(self) -> datetime:
        self._real.now()
        return self.at


class WayIn:
    """The live feed's way in."""

    def __init__(self) -> None:
        self.clock, self.sink, self.quarantine = FrameClock(), Counted(), Quarantine()
        self.intake = Intake(
            "kraken", SYMBOLS, self.clock, self.sink, start=START, quarantine=self.quarantine,
            ordered=True, numbered=True,
        )  # fmt: skip
        for symbol in SYMBOLS:
            self.intake.builder.alive(symbol, START)
        self.frames = KrakenFrames(self.intake, Subscriptions(channels(None), SYMBOLS))

    def take(self, frames: Sequence[Frame], handle: Callable[[str], object]) -> float:
        """Every frame through `handle`; seconds of processor time. Minutes close ten times a second of market time."""
        gc.collect()
        gc.freeze()  # as a running desk does
        clock, closed, began = self.clock, START, time.thread_time()
        for at, text in frames:
            clock.at = at
            handle(text)
            if at - closed >= BEAT:
                closed = at
                self.intake.advance()
        return time.thread_time() - began

    def read_with(self, loads: Callable[[str], Any]) -> Callable[[str], None]:
        """The same work with another parser: a mapping for each trade, checked key by key."""

        def handle(text: str) -> None:
            now = self.intake.hear()
            frame = loads(text)
            if frame["channel"] == "trade":
                self.intake.offer_prints([print_of(entry, now) for entry in frame["data"]], now)

        return handle


def print_of(entry: dict[str, Any], now: datetime) -> Print:
    """A trade from its mapping; raises what the types of the product's path would refuse."""
    price, quantity, number = entry["price"], entry["qty"], entry["trade_id"]
    if type(price) not in (int, float) or type(quantity) not in (int, float) or type(number) is not int:
        raise TypeError(f"not numbers: {entry!r}")
    return Print(canonical(entry["symbol"]), as_time(entry["timestamp"]), price, quantity, now, number, entry["side"])


def fastest(
    frames: Sequence[Frame], trades: int, reader: Callable[[WayIn], Callable[[str], object]]
) -> tuple[float, list[Minute]]:
    """Best of some runs, in seconds, and the minutes that came of it. Ends the program when a trade was lost."""
    best, minutes = float("inf"), []
    for _ in range(AGAIN):
        way = WayIn()
        best = min(best, way.take(frames, reader(way)))
        if way.quarantine.counts or way.intake.late or way.intake.prints != trades:
            raise SystemExit(f"trades were lost: {way.intake.prints} taken, {dict(way.quarantine.counts)}")
        minutes = way.sink.minutes
    return best, minutes


def compare(board: Board, trades: int, together: int) -> None:
    """The product beside its peers on frames of `together` trades."""
    frames = frames_of(trades, together)
    said = f"{together} trade{'s' if together > 1 else ''} a frame"
    ours, minutes = fastest(frames, trades, lambda way: way.frames.handle)
    for name in ("json", "orjson"):
        try:
            loads = importlib.import_module(name).loads
        except ImportError:
            board.add(f"{said}: parsed by {name} instead", None, "k/s", "not installed")
            continue
        took, same = fastest(frames, trades, lambda way, loads=loads: way.read_with(loads))
        if same != minutes:
            raise SystemExit(f"{name} gave other bars")
        pair = f"{said}: decoded, validated, into {len(minutes)} minutes of bars; peer: the same by {name}"
        board.add(pair, trades / ours / 1e3, "k trades/s", trades / took / 1e3, took / ours)
    began = time.thread_time()
    for _, text in frames:
        typed(text)
    board.add(f"{said}: typed decoding alone", trades / (time.thread_time() - began) / 1e3, "k trades/s")


def massive(board: Board, trades: int, together: int) -> None:
    """The same trades as Massive sends them."""
    frames = [(at, as_massive(text)) for at, text in frames_of(trades, together)]
    took, minutes = fastest(frames, trades, massive_reader)
    what = f"Massive, {together} trades a frame: into {len(minutes)} minutes of bars"
    board.add(what, trades / took / 1e3, "k trades/s")


def as_massive(text: str) -> str:
    """A frame of Kraken's as one of Massive's."""
    events = [
        {
            "ev": "XT",
            "pair": entry["symbol"].replace("/", "-"),
            "p": entry["price"],
            "s": entry["qty"],
            "t": int(as_time(entry["timestamp"]).timestamp() * 1000),
            "c": [2],
            "i": str(entry["trade_id"]),
            "x": 1,
            "r": 0,
        }
        for entry in json.loads(text)["data"]
    ]
    return json.dumps(events, separators=(",", ":"))


def massive_reader(way: WayIn) -> Callable[[str], object]:
    check = BarCheck(way.sink, "massive", way.clock, lambda _: None)
    topics = Topics({symbol: symbol.replace("/", "-") for symbol in SYMBOLS})
    return MassiveFrames(way.intake, topics, MassiveAccess("key"), check).handle


def main() -> None:
    parser = argparse.ArgumentParser(description="Frames to bars on one core; one JSON object on stdout.")
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} trades a case instead of {SHORT:,}")
    trades = FULL if parser.parse_args().full else SHORT
    board = Board()
    for together in (1, 10):
        compare(board, trades, together)
    massive(board, trades, 10)
    board.publish("ingest", f"{trades:,} trades a case, 100 pairs, best of {AGAIN}")


if __name__ == "__main__":
    main()
