"""The healer on a real database: what a source has told fills a gap whole; what it lacks is not asked for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import numpy as np

from engine.backfill.checking import taken
from engine.clock import ManualClock
from engine.domain import Symbol, micros
from engine.healing import AGAIN, REACH, SOON, SURE, Healer
from engine.market.errors import MarketError
from engine.ports import BarColumns
from engine.storage import Storage
from engine.store.bulk import write_bars
from engine.store.database import Database
from engine.store.history_gaps import PastGap, complete_name, replace_gaps
from engine.store.ledger import SqliteLedger
from tests.store.test_healing import history
from tests.store.worlds import MINUTE, START, born, minute

BTC, ETH, XRP = "BTC/USD", "ETH/USD", "XRP/USD"
COINS = (BTC, ETH, XRP)
DESK = "desk-healer"


class ThinSource:
    """A feed at the edge whose history has no rows for quiet minutes."""

    name = "thin"

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.traded: dict[Symbol, BarColumns] = {}
        self.refuses: dict[Symbol, str] = {}
        self.asked: list[tuple[Symbol, datetime]] = []

    async def bars(self, symbol: Symbol, since: datetime, until: datetime) -> BarColumns:
        self.asked.append((symbol, since))
        if symbol in self.refuses:
            raise MarketError(self.refuses[symbol])
        bars = self.traded[symbol]
        opened = bars.time - 60_000_000
        told = (opened >= micros(since)) & (opened < micros(until)) & (bars.time <= micros(self.clock.now()))
        return taken(bars, np.flatnonzero(told))

    def trades(self, symbol: Symbol, *minutes: int) -> None:
        """Let these minutes after the start have trades, at 100 and the minute's number."""
        whole = history(symbol, min(minutes), max(minutes) - min(minutes) + 1, 100.0 + min(minutes))
        self.traded[symbol] = taken(whole, np.array(sorted(minutes)) - min(minutes))


@contextmanager
def desk(database: Database, folder: Path, missing: dict[Symbol, range], until: int) -> Iterator[tuple]:
    """A desk whose first minutes are stored, but for those of each coin that are missing."""
    with database.connect() as connection:
        info = connection.info
        address = f"postgresql://{info.user}:{quote(info.password)}@/{info.dbname}?host={quote(info.host)}"
        address += f"&port={info.port}"
    ledger = SqliteLedger(folder / "ledger.sqlite")
    ledger.append(born(DESK), (), (), {})
    for number in range(until):
        gone = [symbol for symbol in COINS if number in missing.get(symbol, ())]
        there = [symbol for symbol in COINS if symbol not in gone]
        ledger.append(minute(START + (number + 1) * MINUTE, there, missing=gone), (), (), {})
    storage = Storage(folder, address, ledger, lambda words: None, exchange="thin")
    storage.open()
    storage.start()
    try:
        while not storage.is_level():
            time.sleep(0.01)
        clock = ManualClock(START + until * MINUTE + timedelta(seconds=30))
        source = ThinSource(clock)
        healer = Healer(source, storage, clock)
        healer.begin((), None, START)
        yield healer, source, clock
    finally:
        storage.close()
        ledger.close()


def closes(database: Database, symbol: Symbol) -> dict[int, tuple[float, float, str]]:
    sql = "SELECT time, close, volume, quality FROM bars WHERE symbol = %s AND interval = '1m' ORDER BY time"
    with database.connect() as connection:
        rows = connection.execute(sql, (symbol,)).fetchall()
    return {int((at - START) / MINUTE): tuple(rest) for at, *rest in rows}


async def test_a_gap_that_ends_in_quiet_minutes_is_healed_when_the_source_is_past_it(
    database: Database, tmp_path: Path
) -> None:
    with desk(database, tmp_path, {BTC: range(20, 30)}, 35) as (healer, source, clock):
        source.trades(BTC, 18, 22, 40)
        await healer.look()
        assert healer.status().waiting == 1, "minute 29 may still be told"
        clock.advance(10 * MINUTE)  # a trade in minute 40 has come: the source is past the gap
        await healer.look()
        status = healer.status()
        assert (status.waiting, status.beyond, status.healed, status.added) == (0, 0, 1, 10)
    bars = closes(database, BTC)
    assert [bars[k] for k in (20, 21)] == [(118.0, 0.0, "healed")] * 2
    assert bars[22] == (122.0, 2.0, "healed")
    assert [bars[k] for k in range(23, 30)] == [(122.0, 0.0, "healed")] * 7


async def test_a_coin_that_nobody_trades_after_its_gap_is_healed_all_the_same_and_not_asked_for_without_end(
    database: Database, tmp_path: Path
) -> None:
    with desk(database, tmp_path, {BTC: range(20, 30)}, 35) as (healer, source, clock):
        source.trades(BTC, 2, 22)  # the close before the gap is older than what is asked for first
        for _ in range(2 * 35):
            await healer.look()
            clock.advance(timedelta(seconds=30))
        assert healer.status().healed == 1
        assert {since for _, since in source.asked} == {START + 5 * MINUTE, START + 20 * MINUTE - REACH}
        assert len(source.asked) <= 2 * (SURE / SOON + 1)
    bars = closes(database, BTC)
    assert [bars[k][:2] for k in (20, 21, 22, 29)] == [(102.0, 0.0), (102.0, 0.0), (122.0, 2.0), (122.0, 0.0)]


async def test_a_gap_that_history_cannot_fill_rests_and_one_coins_refusal_keeps_no_other_waiting(
    database: Database, tmp_path: Path
) -> None:
    with desk(database, tmp_path, dict.fromkeys(COINS, range(20, 30)), 35) as (healer, source, clock):
        source.refuses[BTC] = "the venue does not trade BTC/USD"
        source.trades(ETH, 25, *range(27, 34))  # begins in the middle
        source.trades(XRP, *range(0, 35))
        for _ in range(2 * 30):
            await healer.look()
            clock.advance(timedelta(seconds=30))
        status = healer.status()
        assert (status.waiting, status.beyond, status.healed) == (2, 1, 1)
        assert status.trouble == source.refuses[BTC]
        assert sum(symbol == XRP for symbol, _ in source.asked) == 1
        assert sum(symbol == ETH for symbol, _ in source.asked) <= 2 * (timedelta(minutes=30) / AGAIN + 1)
        del source.refuses[BTC]
        source.trades(BTC, *range(10, 35))
        clock.advance(AGAIN)
        await healer.look()
        assert (healer.status().waiting, healer.status().trouble) == (1, "")


async def test_a_gap_beyond_the_feeds_history_is_filled_by_a_backfill_that_has_no_bar_for_quiet_minutes(
    database: Database, tmp_path: Path
) -> None:
    with desk(database, tmp_path, {BTC: range(20, 30)}, 35) as (healer, source, clock):
        source.trades(BTC, *range(31, 34))
        await healer.look()
        assert healer.status().beyond == 1
        with database.connect() as connection:
            bars = taken(history(BTC, 20, 10), np.array([0, 3, 4]))
            write_bars(connection, f"simulated:{DESK}", "kraken", [bars], keep_others=True, now=clock.now())
        clock.advance(AGAIN)
        await healer.look()
        assert healer.status().beyond == 1, "nothing says yet that the other minutes had no trades"
        told = [PastGap(BTC, START + 10 * MINUTE, START + 30 * MINUTE, "complete")]
        with database.connect() as connection:
            place = (f"simulated:{DESK}", complete_name("kraken"), [BTC], START, START + 30 * MINUTE)
            replace_gaps(connection, *place, told)
        clock.advance(AGAIN)
        await healer.look()
        assert (healer.status().waiting, healer.status().beyond, healer.status().healed) == (0, 0, 1)
