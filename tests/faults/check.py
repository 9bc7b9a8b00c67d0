"""After a run: the store against what really traded, the gap table against the ledger, entries against their bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from engine.domain import BarQuality, Symbol
from engine.messages import Doubted, FeedChanged, Minute, Press, Slice, Started
from engine.outcomes import Filled, OrderIntended, ProposalChanged, ProposalOpened
from engine.records import Record
from engine.store.database import Connection
from engine.store.ledger import SqliteLedger
from tests.faults.journal import Heard
from tests.faults.truth import MINUTE, PAIRS, Candle, Truth

FINE = (BarQuality.GOOD.value, BarQuality.QUIET.value)
NEEDED = 3  # good minutes before an entry
OLDEST_BAR, OLDEST_QUOTE = timedelta(seconds=30), timedelta(seconds=15)
LONGER = {"5m": 5, "15m": 15, "1h": 60}


def faults_of(folder: Path, connection: Connection, desk_id: str, truth: Truth) -> tuple[list[str], Counter[str]]:
    """Everything that is not as it must be, in words; and what the run had in it."""
    ledger = SqliteLedger(folder / "ledger.sqlite")
    records = list(ledger.read())
    ledger.close()
    counts: Counter[str] = Counter()
    found = [
        *_stored(connection, records, truth, counts),
        *_gaps(connection, desk_id, records, counts),
        *_graded(records, truth, Heard(folder, truth), counts),
        *_entries(records, counts),
        *_once(connection, desk_id, records, counts),
    ]
    return found, counts


def minutes_of(records: list[Record]) -> Iterator[tuple[Record, Minute]]:
    """Minutes that counted: a later one that was there before is ignored by the desk as well."""
    last: datetime | None = None
    for record in records:
        if isinstance(record.message, Minute) and (last is None or record.message.at > last):
            last = record.message.at
            yield record, record.message


def _stored(connection: Connection, records: list[Record], truth: Truth, counts: Counter[str]) -> Iterator[str]:
    """Every bar of the desk's life is there and true, and so are the longer ones made of them."""
    minutes = [minute for _, minute in minutes_of(records)]
    if not minutes:
        return
    first, last = minutes[0].at - MINUTE, minutes[-1].at
    columns = "symbol, interval, time, open, high, low, close, volume, quality, revision"
    sql = f"SELECT {columns} FROM bars WHERE market = 'live'"
    rows = {(row[0], row[1], row[2]): row[3:] for row in connection.execute(sql.encode()).fetchall()}
    open_gaps = "SELECT symbol, min(gap_start) FROM gaps WHERE gap_end IS NULL GROUP BY symbol"
    going_on = dict(connection.execute(open_gaps).fetchall())
    for symbol in PAIRS:
        opened, last_whole = first, min(last, going_on.get(symbol, last))
        while opened < last_whole:
            yield from _same(symbol, "1m", truth.candle(symbol, opened), rows.get((symbol, "1m", opened)), counts)
            opened += MINUTE
    for (symbol, interval, opened), row in rows.items():
        until = min(last, going_on.get(symbol, last))
        if interval in LONGER and opened >= first and opened + LONGER[interval] * MINUTE <= until:
            yield from _same(symbol, interval, _joined(truth, symbol, opened, LONGER[interval]), row, counts)


def _same(
    symbol: Symbol, interval: str, want: Candle, row: tuple[object, ...] | None, counts: Counter[str]
) -> Iterator[str]:
    counts[f"bars {interval}"] += 1
    if row is None:
        yield f"{symbol} {interval} {want.opened:%H:%M}: no bar"
        return
    volume, quality, revision = float(str(row[4])), row[5], row[6]
    counts["bars healed"] += quality == "healed" and interval == "1m"
    counts["bars revised"] += revision != 0 and interval == "1m"
    if not want.is_like((*row[:4], volume)):  # type: ignore[arg-type]
        yield f"{symbol} {interval} {want.opened:%H:%M} ({quality}, revision {revision}): {row[:5]}, traded {want}"


def _joined(truth: Truth, symbol: Symbol, opened: datetime, minutes: int) -> Candle:
    parts = [truth.candle(symbol, opened + k * MINUTE) for k in range(minutes)]
    highs, lows = [one.high for one in parts], [one.low for one in parts]
    volume = sum(one.volume for one in parts)
    return Candle(opened, parts[0].open, max(highs), min(lows), parts[-1].close, volume)


def _gaps(connection: Connection, desk_id: str, records: list[Record], counts: Counter[str]) -> Iterator[str]:
    """Every minute without a live bar lies in a gap that has a cause, and every gap that has ended is healed."""
    sql = "SELECT symbol, gap_start, gap_end, cause, healed FROM gaps WHERE desk_id = %s"
    rows = connection.execute(sql, (desk_id,)).fetchall()
    counts["gaps"] += len(rows)
    for symbol, start, end, cause, healed in rows:
        if not cause:
            yield f"gap {symbol} {start:%H:%M} has no cause"
        if end is not None and not healed:
            yield f"gap {symbol} {start:%H:%M}–{end:%H:%M} ({cause}) is not healed"
    for symbol, opened in _missing(records):
        counts["minutes missed"] += 1
        if not any(
            name == symbol and start <= opened and (end is None or opened < end) for name, start, end, *_ in rows
        ):
            yield f"{symbol} {opened:%H:%M} is missing and in no gap"


def _missing(records: list[Record]) -> Iterator[tuple[Symbol, datetime]]:
    last: datetime | None = None
    for _, minute in minutes_of(records):
        opened = minute.at - MINUTE
        while last is not None and last < opened:
            yield from ((symbol, last) for symbol in PAIRS)
            last += MINUTE
        yield from ((symbol, opened) for symbol in (*minute.missing, *(minute.symbols if minute.caught_up else ())))
        last = minute.at


class _Eye:
    """What an entry may rely on, followed record by record."""

    def __init__(self) -> None:
        self.up = False
        self.doubted: set[Symbol] = set()
        self.minute: datetime | None = None
        self.streak: Counter[Symbol] = Counter()
        self.live: dict[Symbol, str] = {}

    def see(self, record: Record) -> None:
        message = record.message
        if isinstance(message, FeedChanged) and not message.symbols:
            self.up = message.up
        elif isinstance(message, Doubted):
            (self.doubted.add if message.doubtful else self.doubted.discard)(message.symbol)
        elif isinstance(message, Started) and message.anew:
            self.doubted.clear()
        elif isinstance(message, Minute) and (self.minute is None or message.at > self.minute):
            grades = {} if message.caught_up else dict(zip(message.symbols, message.quality, strict=True))
            whole = self.minute is None or message.at - self.minute == MINUTE
            for symbol in PAIRS:
                fine = grades.get(symbol) in FINE
                self.streak[symbol] = (self.streak[symbol] * whole if fine else -1) + 1
            self.minute, self.live = message.at, grades


def _entries(records: list[Record], counts: Counter[str]) -> Iterator[str]:
    """No card and no order on a bar that is stale, healed, doubtful, missing or too soon after one that was."""
    eye = _Eye()
    for record in records:
        eye.see(record)
        for outcome in record.outcomes:
            if isinstance(outcome, ProposalOpened | ProposalChanged) and not isinstance(record.message, Press):
                counts["cards"] += 1
                yield from _bad_bar(record, outcome.proposal.symbol, eye)
            elif isinstance(outcome, OrderIntended) and outcome.order.purpose == "entry":
                counts["entries"] += 1
                yield from _bad_press(record, outcome.order.symbol, eye)
            elif isinstance(outcome, Filled):
                counts["fills"] += 1
                if outcome.fill.purpose == "entry" and not isinstance(record.message, Slice):
                    yield from _bad_bar(record, outcome.fill.symbol, eye, streak=False)


def _bad_bar(record: Record, symbol: Symbol, eye: _Eye, *, streak: bool = True) -> Iterator[str]:
    where = f"row {record.seq} {symbol}"
    if eye.live.get(symbol) not in FINE:
        yield f"{where}: entered on a {eye.live.get(symbol, 'missing')} bar"
    if not eye.up or symbol in eye.doubted:
        yield f"{where}: entered while the feed was down or the price doubted"
    if streak and eye.streak[symbol] < NEEDED:
        yield f"{where}: entered after {eye.streak[symbol]} good minutes"
    if eye.minute is None or record.at - eye.minute > OLDEST_BAR:
        yield f"{where}: entered on a bar that closed at {eye.minute}"


def _graded(records: list[Record], truth: Truth, heard: Heard, counts: Counter[str]) -> Iterator[str]:
    """Every minute that was graded good or quiet, entered on or not, is what traded; what nobody could have known at
    its close is counted for itself."""
    for record, minute in minutes_of(records):
        columns = zip(minute.open, minute.high, minute.low, minute.close, minute.volume, strict=True)
        for symbol, grade, bar in zip(minute.symbols, minute.quality, columns, strict=True):
            if grade not in FINE or minute.caught_up:
                continue
            counts["bars graded well"] += 1
            want = truth.candle(symbol, minute.at - MINUTE)
            if want.is_like(bar):
                continue
            if heard.excuses(symbol, minute.at, bar):
                counts["bars graded well and not true, which nobody could know"] += 1
            else:
                yield f"row {record.seq} {symbol}: {bar} is graded {grade} at {minute.at:%H:%M}, traded {want}"


def _bad_press(record: Record, symbol: Symbol, eye: _Eye) -> Iterator[str]:
    press = record.message
    where = f"row {record.seq} {symbol}"
    if not isinstance(press, Press) or press.quote is None:
        yield f"{where}: ordered without a person's press at a quote"
    elif press.at - press.quote.at > OLDEST_QUOTE:
        yield f"{where}: ordered at a quote of {press.quote.at}"
    if not eye.up or symbol in eye.doubted:
        yield f"{where}: ordered while the feed was down or the price doubted"


def _once(connection: Connection, desk_id: str, records: list[Record], counts: Counter[str]) -> Iterator[str]:
    """Nothing twice in the ledger, and the database has each of its rows once."""
    counts["rows"] += len(records)
    if [record.seq for record in records] != list(range(1, len(records) + 1)):
        yield "the ledger's sequence has holes"
    told = [outcome for record in records for outcome in record.outcomes]
    ids = Counter(outcome.order.client_id for outcome in told if isinstance(outcome, OrderIntended))
    yield from (f"order {name} was sent {count} times" for name, count in ids.items() if count > 1)
    fills = [outcome.fill for outcome in told if isinstance(outcome, Filled)]
    for table, want in (("fills", len(fills)), ("orders", len(ids))):
        row = connection.execute(f"SELECT count(*) FROM {table} WHERE desk_id = %s".encode(), (desk_id,)).fetchone()
        if row != (want,):
            yield f"the database has {row} {table}, the ledger {want}"
    row = connection.execute("SELECT seq FROM projection_cursor WHERE desk_id = %s", (desk_id,)).fetchone()
    if row != (len(records),):
        yield f"the database stands at row {row}, the ledger at {len(records)}"
