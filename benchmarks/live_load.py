"""The whole desk under load: 100 pairs, 500 trades a second, from the venue's socket to the record and the database.

    python benchmarks/live_load.py                  # 180 s of load, within 4 minutes in all
    python benchmarks/live_load.py --full           # 10 minutes of load
    python benchmarks/live_load.py --busy           # 2,000 trades a second for 120 s
    python benchmarks/live_load.py --busy --full    # for 5 minutes

A local venue trades; a person (the sandbox's buttons) approves every card, so that stops are there to be touched.
Prints one JSON object on stdout; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from desk_process import DeskProcess  # noqa: E402
from report import Board, percentile  # noqa: E402

from tests.servers.kraken import KrakenServer, trade_away  # noqa: E402

PAIRS = 100
RATE, SHORT, FULL = 500.0, 180.0, 600.0
BUSY, BUSY_SHORT, BUSY_FULL = 2_000.0, 120.0, 300.0
MINUTE = timedelta(minutes=1)
SETTLED = 4.0  # seconds after the last trade until its minute is in the database

_RAW = ("time", "received", "price", "volume")

Bars = dict[tuple[str, datetime], tuple[float, float, float, float, float]]


class Load(NamedTuple):
    """How much, and for how long."""

    pairs: int
    rate: float  # trades a second in all
    seconds: float
    is_full: bool

    @property
    def names(self) -> list[str]:
        return ["BTC/USD", "ETH/USD", *(f"C{number:02d}/USD" for number in range(2, self.pairs))][: self.pairs]


class Trade(NamedTuple):
    symbol: str
    at: datetime
    price: float
    quantity: float


class RecordingVenue(KrakenServer):
    """A venue that keeps what it sent, stamped as it was sent."""

    def __init__(self, pairs: list[str]) -> None:
        super().__init__(pairs, heartbeat=1.0)
        self.sent: list[Trade] = []

    async def emit_trades(self, trades: Iterable[Mapping[str, object]]) -> None:
        stamped = [{**trade, "timestamp": self.now()} for trade in trades]
        self.sent += [Trade(str(t["symbol"]), t["timestamp"], float(str(t["price"])), 0.5) for t in stamped]
        await super().emit_trades(stamped)


class Watched:
    """What was seen of the desk while it ran."""

    def __init__(self) -> None:
        self.peak_mb = self.database_mb = self.greeting = self.cpu = 0.0
        self.numbers: dict[str, Any] = {}
        self.database_p99: list[float] = []
        self.acks: list[float] = []
        self.disk: list[float] = []
        self.approved = 0


async def weigh(desk: DeskProcess, seen: Watched) -> None:
    """Look at memory every second and at the desk's own numbers every ten, until cancelled."""
    second = 0
    while True:
        seen.peak_mb = max(seen.peak_mb, desk.memory_mb())
        if second % 10 == 9:
            seen.database_mb = max(seen.database_mb, desk.database_mb())
            seen.numbers = await asyncio.to_thread(desk.numbers)
            if delay := (seen.numbers["database"] or {}).get("p99_ms"):
                seen.database_p99.append(delay)
        second += 1
        await asyncio.sleep(1)


async def touch_disk(desk: DeskProcess, seen: Watched) -> None:
    """Meanwhile, what one small durable write takes on this machine: no record can be quicker."""
    with (desk.data.parent / "control").open("wb") as file:
        while True:
            await asyncio.sleep(0.25)
            seen.disk.append(await asyncio.to_thread(written, file))


def written(file: BinaryIO) -> float:
    """Seconds for 4 KB to be durable."""
    began = time.monotonic()
    file.write(bytes(4096))
    file.flush()
    os.fsync(file.fileno())
    return time.monotonic() - began


async def approve(desk: DeskProcess, seen: Watched) -> None:
    """Press Approve on every card that appears, one after the other, until cancelled."""
    pressed: set[str] = set()
    while True:
        for message in await desk.messages():
            if message["ts"] in pressed or "proposal_approve" not in str(message["blocks"]):
                continue
            pressed.add(message["ts"])
            press = {"user": "U_TRADER", "channel": "ml-signals", "ts": message["ts"], "action_id": "proposal_approve"}
            answer = await desk.ask("press", press)
            if answer.get("ok"):
                seen.approved += 1
                seen.acks.append(answer["ack_ms"])
        await asyncio.sleep(1)


async def loaded(home: Path, load: Load) -> tuple[list[Trade], Watched, Bars]:
    """Run the desk under load; what was sent, what was seen, and the bars that were then in its database."""
    names, seen = load.names, Watched()
    async with RecordingVenue(names) as venue:
        arguments = ("--feed", "kraken", "--playbook", str(HERE / "load.yaml"), "--symbols", ",".join(names))
        async with DeskProcess(home, *arguments, KRAKEN_WS_URL=venue.ws_url, KRAKEN_REST_URL=venue.rest_url) as desk:
            await venue.subscribed("trade", names)
            trading = asyncio.create_task(trade_away(venue, load.rate, load.seconds))
            seen.greeting = await desk.greeting()
            print(f"greeting after {seen.greeting:.1f} s; {load.seconds:.0f} s of load", file=sys.stderr, flush=True)
            before, watch = desk.cpu_seconds(), watchers(desk, seen)
            began = time.monotonic()
            await asyncio.wait([trading, *watch], return_when=asyncio.FIRST_COMPLETED)
            for task in watch:
                if task.done():
                    await task  # it only ends by failing
                task.cancel()
            seen.cpu = (desk.cpu_seconds() - before) / (time.monotonic() - began)
            await asyncio.sleep(SETTLED)
            seen.numbers = desk.numbers()
            return venue.sent, seen, await asyncio.to_thread(stored, desk.data)


def watchers(desk: DeskProcess, seen: Watched) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(task(desk, seen)) for task in (weigh, approve, touch_disk)]


def stored(data: Path) -> Bars:
    """The one-minute bars in the desk's database, by symbol and opening time."""
    from engine.store.database import embedded
    from engine.store.embedded import EmbeddedPostgres

    query = "SELECT symbol, time, open, high, low, close, volume FROM bars WHERE interval = '1m' AND market = 'live'"
    with embedded(EmbeddedPostgres(data)).connect() as connection:
        return {(symbol, time.astimezone(UTC)): tuple(bar) for symbol, time, *bar in connection.execute(query)}


def aggregated(sent: list[Trade]) -> Bars:
    """Bars of the trades that were sent, of the minutes that were traded from their first second to their last."""
    first = sent[0].at.replace(second=0, microsecond=0) + MINUTE
    last = sent[-1].at.replace(second=0, microsecond=0)
    bars: Bars = {}
    for symbol, at, price, quantity in sent:
        minute = at.replace(second=0, microsecond=0)
        if first <= minute < last:
            held = bars.get((symbol, minute))
            low, high = (min(held[2], price), max(held[1], price)) if held else (price, price)
            bars[symbol, minute] = (held[0] if held else price, high, low, price, (held[4] if held else 0.0) + quantity)
    return bars


class Touches(NamedTuple):
    """What the ledger says: recorded slices by cause, and how long things took before the inbox, in seconds."""

    causes: Counter[str]
    to_inbox: list[float]
    to_analysis: list[float]


def touches(data: Path) -> Touches:
    from engine.messages import Analysis, Slice
    from engine.store.ledger import read_records

    found = Touches(Counter(), [], [])
    for record in read_records(data / "ledger.sqlite"):
        if isinstance(record.message, Slice):
            found.causes.update(causes(record.outcomes))
            if record.message.source == "print":
                found.to_inbox.append((record.at - record.message.last).total_seconds())
        elif isinstance(record.message, Analysis):
            found.to_analysis.append((record.at - record.message.minute).total_seconds())
    return found


def rows_on_disk(data: Path) -> Iterator[tuple[str, int, int, float, float]]:
    """Every raw trade as it lies in the files, one that is there twice twice: the desk's own reader gives it once.

    Symbol, the venue's and the desk's time (µs), price, quantity.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from engine.store.tick_journal import SUFFIX, read_journal
    from engine.store.tick_segments import SEALED
    from engine.store.ticks import FOLDER

    journals = sorted((data / FOLDER).rglob(f"*{SUFFIX}"))
    for path in journals:
        held = read_journal(path)
        names = [held.names[place][1] for place in held.rows["name"].tolist()]
        yield from zip(names, *(held.rows[name].tolist() for name in _RAW), strict=True)
    for path in sorted((data / FOLDER).rglob(f"*{SEALED}")):
        if path.with_suffix(SUFFIX) in journals:  # sealed, and about to go
            continue
        table = pq.read_table(path, columns=["symbol", *_RAW])
        times = (table.column(name).cast(pa.int64()).to_pylist() for name in _RAW[:2])
        yield from zip(
            table.column("symbol").to_pylist(),
            *times,
            *(table.column(name).to_pylist() for name in _RAW[2:]),
            strict=True,
        )


class Kept(NamedTuple):
    """The raw trades on the desk's disk, beside those that the venue sent."""

    wrong: int  # sent and not there, or there and not sent, or there twice
    value: float  # sum of price × quantity
    on_the_way: list[float]  # seconds from the venue's stamp to the desk

    @staticmethod
    def of(data: Path, sent: list[Trade]) -> Kept:
        from engine.domain import micros

        want = Counter((trade.symbol, micros(trade.at), trade.price, trade.quantity) for trade in sent)
        have: Counter[tuple[str, int, float, float]] = Counter()
        took: list[float] = []
        for symbol, at, received, price, quantity in rows_on_disk(data):
            have[symbol, at, price, quantity] += 1
            took.append((received - at) / 1e6)
        value = sum(price * quantity * times for (*_, price, quantity), times in have.items())
        return Kept((want - have).total() + (have - want).total(), value, took)


def causes(outcomes: Iterable[object]) -> Iterator[str]:
    """What a recorded slice did, in one word for each."""
    kinds = {type(outcome).__name__ for outcome in outcomes}
    yield "closed" if "PositionClosed" in kinds else "filled" if "Filled" in kinds else "other"


def say_latencies(board: Board, seen: Watched, ledger: Touches) -> None:
    bare = [percentile(seen.disk, share) or 0.0 for share in (0.5, 0.99, 1.0)]
    for kind, words in (("Slice", "print in the inbox"), ("Minute", "minute emitted"), ("Analysis", "analysis")):
        took = seen.numbers["latency_s"].get(kind)
        if took is None:
            raise SystemExit(f"no {kind} was recorded under load; nothing was measured")
        for share, disk in zip(("p50", "p99", "worst"), bare, strict=True):
            name = f"{words} to durable record, {share} of {took['messages']}; peer: a bare 4 KB fsync"
            board.add(name if kind == "Slice" else name.partition(";")[0], took[share] * 1e3, "ms", disk * 1e3)
    late = percentile(ledger.to_inbox, 0.99)
    board.add("venue's stamp of that print to the inbox, p99", late and late * 1e3, "ms")
    board.add(
        "minute's close to its analysis, p99 (grace of 2 s within)",
        percentile(ledger.to_analysis, 0.99),
        "s",
    )


def say_bars(board: Board, have: Bars, want: Bars) -> None:
    wrong = [key for key, bar in want.items() if not same(have.get(key), bar)]
    if wrong:
        print(f"first that differs: {wrong[0]}: {have.get(wrong[0])}, sent {want[wrong[0]]}", file=sys.stderr)
    board.add("bars in the database equal to the trades sent", len(want) - len(wrong), "bars", len(want))


def same(have: tuple[float, ...] | None, want: tuple[float, ...]) -> bool:
    """Prices equal, volumes but for the order of adding."""
    return have is not None and have[:4] == want[:4] and abs(have[4] - want[4]) < 1e-6


def say_ticks(board: Board, sent: list[Trade], seen: Watched, kept: Kept) -> None:
    """Raw trades: none lost or doubled, and how soon they were on disk."""
    value = sum(trade.price * trade.quantity for trade in sent)
    board.add(
        "raw trades lost, doubled or changed on their way to disk, of those sent", kept.wrong, "trades", len(sent)
    )
    board.add("their sum of price × quantity, differing by", abs(kept.value - value), "USD", value)
    board.add("raw trade received to durable, p99", seen.numbers["ticks"]["p99_ms"], "ms")
    late = percentile(kept.on_the_way, 0.99)
    board.add("venue's stamp of it to its receipt, p99", late and late * 1e3, "ms")


def report(board: Board, load: Load, sent: list[Trade], seen: Watched, have: Bars, ledger: Touches) -> None:
    board.add(f"trades sent, {load.pairs} pairs", len(sent) / load.seconds, "1/s", load.rate)
    board.add(
        "prints that the desk took, late ones", seen.numbers["feed"]["prints"], "prints", seen.numbers["feed"]["late"]
    )
    for cause in ("filled", "closed", "other"):
        board.add(f"recorded prints and quotes: {cause}", ledger.causes[cause], "rows")
    say_latencies(board, seen, ledger)
    say_bars(board, have, aggregated(sent))
    board.add("record to the database, p99 (worst thousand)", max(seen.database_p99, default=None), "ms")
    board.add("the desk's own memory, peak", seen.peak_mb, "MB")
    board.add("the database's processes", seen.database_mb, "MB")
    board.add("the desk's processor", seen.cpu * 100, "% of a core")
    board.add("start to greeting", seen.greeting, "s")
    board.add(f"ack of {seen.approved} approvals, p99", percentile(seen.acks, 0.99), "ms")


def main() -> None:
    parser = argparse.ArgumentParser(description="The desk under load; one JSON object on stdout.")
    parser.add_argument("--full", action="store_true", help=f"{FULL:.0f} s of load instead of {SHORT:.0f}")
    parser.add_argument("--busy", action="store_true", help=f"{BUSY:.0f} trades a second; --full: {BUSY_FULL:.0f} s")
    parser.add_argument("--rate", type=float, help="so many trades a second, in all, instead")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"so many pairs instead of {PAIRS}")
    parser.add_argument("--seconds", type=float, help="this long instead")
    load = asked(parser.parse_args())
    board, began = Board(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="nightdesk-load-") as home:
        sent, seen, have = asyncio.run(loaded(Path(home), load))
        data = Path(home) / "data"
        report(board, load, sent, seen, have, touches(data))
        say_ticks(board, sent, seen, Kept.of(data, sent))
    size = "full size" if load.is_full else "smaller size"
    board.publish(f"live load, {size}: {load.seconds:.0f} s at {load.rate:.0f} trades/s", f"{began:.1f} at the start")


def asked(args: argparse.Namespace) -> Load:
    """The load that the command line means."""
    rate, short, full = (BUSY, BUSY_SHORT, BUSY_FULL) if args.busy else (RATE, SHORT, FULL)
    seconds, rate = args.seconds or (full if args.full else short), args.rate or rate
    least = (BUSY if args.busy else RATE, PAIRS, full)
    is_full = all(is_ >= wanted for is_, wanted in zip((rate, args.pairs, seconds), least, strict=True))
    return Load(args.pairs, rate, seconds, is_full)


if __name__ == "__main__":
    main()
