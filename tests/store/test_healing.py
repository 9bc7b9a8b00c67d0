"""History in the store: gaps filled, differences revised, another source's bars left alone, longer bars rolled anew."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain import micros
from engine.messages import Suspected
from engine.ports import BarColumns
from engine.store.batch import Cursor, write_batch
from engine.store.database import Database
from engine.store.gaps import unhealed
from engine.store.healing import Healed, Span, filled, write_history
from engine.store.projections import Projections
from tests.store.worlds import MINUTE, START, MemoryLedger, born, minute

BTC, ETH = "BTC/USD", "ETH/USD"
DESK = ("desk-heal", "simulated:desk-heal")


def history(symbol: str, first: int, count: int, price: float = 50.0) -> BarColumns:
    time = np.array([micros(START + (first + k + 1) * MINUTE) for k in range(count)], np.int64)
    close = price + np.arange(count, dtype=float)
    return BarColumns(symbol, MINUTE, time, close - 0.5, close + 1, close - 1, close, np.full(count, 2.0))


def span(columns: BarColumns, first: int, last: int) -> Span:
    return Span(columns, START + first * MINUTE, START + last * MINUTE)


def day(database: Database, missing: range, minutes: int = 20) -> MemoryLedger:
    """Minutes 0 to `minutes`, of which ETH lacks some, written by the projections."""
    ledger = MemoryLedger()
    ledger.add(born(DESK[0]))
    for number in range(minutes):
        gone = [ETH] if number in missing else []
        ledger.add(minute(START + (number + 1) * MINUTE, [BTC] if gone else [BTC, ETH], missing=gone))
    write(database, ledger)
    return ledger


def write(database: Database, ledger: MemoryLedger) -> None:
    with database.connect() as connection:
        cursor = Cursor.of(connection, ledger.rows[0])
        with connection.transaction():
            after, _ = write_batch(connection, cursor, ledger.rows[cursor.seq :], set())
            after.save(connection, 1)


def rows(database: Database, symbol: str, interval: str = "1m") -> dict[int, tuple]:
    sql = "SELECT time, close, quality, source, revision FROM bars WHERE symbol = %s AND interval = %s ORDER BY time"
    with database.connect() as connection:
        found = connection.execute(sql, (symbol, interval)).fetchall()
    return {int((at - START) / MINUTE): tuple(rest) for at, *rest in found}


def waiting(database: Database) -> list[tuple]:
    with database.connect() as connection:
        gaps = unhealed(connection, DESK[0])
    return [(gap.symbol, int((gap.start - START) / MINUTE), int((gap.end - START) / MINUTE)) for gap in gaps]


def heal(database: Database, *spans: Span, live_since: datetime = START) -> Healed:
    with database.connect() as connection:
        return write_history(connection, DESK, spans, live_since, None)


def test_a_gap_is_in_the_table_when_its_minutes_are_and_healed_when_history_has_filled_it(database: Database):
    day(database, range(5, 8))
    assert waiting(database) == [(ETH, 5, 8)]
    assert rows(database, ETH, "5m")[5][1] == "missing"

    done = heal(database, span(history(ETH, 4, 5), 5, 8))

    assert (done.added, done.revised, done.gaps) == (3, 0, 1)
    assert waiting(database) == []
    bars = rows(database, ETH)
    assert [bars[k] for k in (5, 6, 7)] == [(51.0 + k, "healed", "history", 1) for k in range(3)]
    assert rows(database, ETH, "5m")[5][1] == "healed"
    assert set(bars) == set(range(20))


def test_a_suspected_bar_is_revised_where_history_knows_otherwise_and_kept_where_it_does_not(database: Database):
    ledger = day(database, range(0))
    before = rows(database, BTC)
    at = START + 30 * MINUTE
    ledger.add(Suspected(at, "kraken", BTC, START + 3 * MINUTE, START + 5 * MINUTE, "a print came late"))
    write(database, ledger)
    assert waiting(database) == [(BTC, 3, 5)]

    truth = read(database, BTC)
    truth.close[3] += 0.5
    truth.high[3] = max(truth.high[3], truth.close[3])
    done = heal(database, span(truth, 3, 5))

    assert (done.added, done.revised, done.gaps) == (0, 1, 1)
    after = rows(database, BTC)
    assert after[3] == (truth.close[3], "healed", "history", 1)
    assert {k: v for k, v in after.items() if k != 3} == {k: v for k, v in before.items() if k != 3}
    write(database, ledger)
    assert rows(database, BTC) == after, "the ledger's minutes, written again, do not undo it"


def read(database: Database, symbol: str) -> BarColumns:
    sql = "SELECT time, open, high, low, close, volume FROM bars WHERE symbol = %s AND interval = '1m' ORDER BY time"
    with database.connect() as connection:
        found = connection.execute(sql, (symbol,)).fetchall()
    times, *columns = zip(*found, strict=True)
    time = np.array([micros(at + MINUTE) for at in times], np.int64)
    return BarColumns(symbol, MINUTE, time, *(np.array(column, float) for column in columns))


def test_bars_of_another_source_stay_and_history_from_before_the_desk_is_as_good_as_any(database: Database):
    day(database, range(5, 8))
    with database.connect() as connection:
        connection.execute("UPDATE bars SET source = 'massive' WHERE symbol = %s", (BTC,))
    before = rows(database, BTC)
    heal(database, span(history(BTC, 0, 20), 0, 20))
    assert rows(database, BTC) == before
    heal(database, span(history(ETH, -3, 3), -3, 0))
    assert [rows(database, ETH)[k][1:] for k in (-3, -2, -1)] == [("good", "history", 0)] * 3


def test_history_that_reaches_only_a_part_of_a_gap_leaves_it_open_to_more(database: Database):
    day(database, range(5, 12))
    assert heal(database, span(history(ETH, 8, 6), 5, 12)).gaps == 0
    assert waiting(database) == [(ETH, 5, 12)]
    assert heal(database, span(history(ETH, 4, 6), 5, 12)).gaps == 1


@settings(max_examples=60, deadline=None)
@given(kept=st.sets(st.integers(0, 29), min_size=1), since=st.integers(0, 29), length=st.integers(1, 30))
def test_a_minute_in_which_a_source_saw_no_trade_is_flat_and_one_beyond_its_reach_is_not_invented(kept, since, length):
    whole = history(ETH, 0, 30)
    rows_kept = sorted(kept)
    parts = {name: getattr(whole, name)[rows_kept] for name in ("time", "open", "high", "low", "close", "volume")}
    made = filled(replace(whole, **parts), START + since * MINUTE, START + (since + length) * MINUTE)
    opened = ((made.time - micros(START)) // 60_000_000 - 1).tolist()
    assert opened == [k for k in range(since, min(30, since + length)) if rows_kept[0] <= k <= rows_kept[-1]]
    for k, close, volume in zip(opened, made.close, made.volume, strict=True):
        last = max(one for one in rows_kept if one <= k)
        assert close == whole.close[last]
        assert volume == (2.0 if k in kept else 0.0)


def test_gaps_found_while_the_database_was_away_are_written_with_the_rest(database: Database):
    ledger = day(database, range(2, 3), 4)
    for number in range(4, 9):
        gone = [ETH] if number in (5, 8) else []
        ledger.add(minute(START + (number + 1) * MINUTE, [BTC] if gone else [BTC, ETH], missing=gone))
    worker = Projections(database, ledger)
    worker.start()
    worker.wake(len(ledger.rows))
    deadline = timedelta(seconds=10)
    for _ in range(int(deadline.total_seconds() * 50)):
        if worker.status().seq == len(ledger.rows):
            break
        worker._stop.wait(0.02)
    worker.stop()
    assert waiting(database) == [(ETH, 5, 6), (ETH, 2, 3)]
    with database.connect() as connection:
        (open_gaps,) = connection.execute("SELECT count(*) FROM gaps WHERE gap_end IS NULL").fetchone()
    assert open_gaps == 1
