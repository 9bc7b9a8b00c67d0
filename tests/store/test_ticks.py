"""Raw trades on disk: nothing that was written is lost or doubled, whatever ended the desk."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import ManualClock
from engine.domain import OF_A_BAR, BarQuality, Print, Quote, micros
from engine.market.intake import Intake
from engine.market.quality import Quarantine
from engine.store.errors import DatabaseDown
from engine.store.reserve import MIB
from engine.store.tick_finishing import Finishing
from engine.store.tick_journal import Journal, Tick, read_journal
from engine.store.tick_segments import seal
from engine.store.tick_writer import LOW, TickWriter
from engine.store.ticks import FOLDER, TickColumns, read_ticks

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = NOON.date()


def trade(number: int, symbol: str = "BTC/USD", at: datetime = NOON, trade_id: int | None = None) -> Print:
    return Print(symbol, at + timedelta(milliseconds=number), 100.0 + number, 0.5, at, trade_id)


def ticks(count: int, first: int = 0, symbol: str = "BTC/USD") -> list[Tick]:
    start = micros(NOON)
    numbers = range(first, first + count)
    return [Tick(start + n, start + n + 5, "kraken", symbol, 100.0 + n, 0.5, 99.0, float("nan"), n) for n in numbers]


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def writer(data: Path, **options: object) -> TickWriter:
    finishing = options.pop("finishing", None) or Finishing(again_after=0.01)
    return TickWriter(data / FOLDER, "kraken", finishing, **options)  # type: ignore[arg-type]


def kept(data: Path, prints: list[Print], quote: Quote | None = None, **options: object) -> TickWriter:
    """A writer that was given `prints` and stopped."""
    made = writer(data, **options)
    made.start()
    for item in prints:
        made.put(item, quote)
    made.stop()
    return made


def prices(found: TickColumns) -> list[float]:
    return list(found.price)


def test_what_was_put_is_read_back_by_symbol_in_the_order_of_time(tmp_path):
    quote = Quote("BTC/USD", NOON, 99.5, 100.5)
    kept(tmp_path, [trade(2), trade(0, "ETH/USD"), trade(1, trade_id=7)], quote)
    found = read_ticks(tmp_path, DAY, "BTC/USD")
    assert list(found.time) == [micros(NOON) + 1000, micros(NOON) + 2000]
    assert (prices(found), list(found.volume), list(found.trade_id)) == ([101.0, 102.0], [0.5, 0.5], [7, -1])
    assert (list(found.bid), list(found.ask)) == ([99.5, 99.5], [100.5, 100.5])
    assert set(found.exchange) == {"kraken"}
    assert prices(read_ticks(tmp_path, DAY, "ETH/USD")) == [100.0]


def test_prices_of_a_vendors_bar_are_no_trades(tmp_path):
    kept(tmp_path, [trade(0), Print("BTC/USD", NOON, 100.0, 0.5, NOON, None, OF_A_BAR)])
    assert prices(read_ticks(tmp_path, DAY, "BTC/USD")) == [100.0]


def test_nothing_stored_reads_as_nothing(tmp_path):
    found = read_ticks(tmp_path, DAY, "BTC/USD")
    assert {getattr(found, field.name).size for field in fields(found) if field.name != "symbol"} == {0}


def test_a_segment_says_exactly_what_its_journal_said(tmp_path):
    folder = tmp_path / FOLDER / DAY.isoformat()
    folder.mkdir(parents=True)
    journal = Journal(folder / "0001.open")
    journal.append(ticks(3))
    journal.append([*ticks(2, 10, "ETH/USD"), *ticks(2, 3)])
    journal.close()
    before = {symbol: read_ticks(tmp_path, DAY, symbol) for symbol in ("BTC/USD", "ETH/USD")}
    seal(journal.path)
    assert [path.name for path in folder.iterdir()] == ["0001.parquet"]
    for symbol, open_columns in before.items():
        sealed = read_ticks(tmp_path, DAY, symbol)
        for field in fields(sealed):
            np.testing.assert_array_equal(getattr(sealed, field.name), getattr(open_columns, field.name))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 400), st.binary(max_size=12))
def test_a_torn_end_is_cut_and_no_whole_block_before_it_is_lost(tmp_path_factory, cut, junk):
    path = tmp_path_factory.mktemp("torn") / "0001.open"
    journal, ends = Journal(path), [0]
    for block in range(4):
        journal.append(ticks(2, 2 * block))
        ends.append(path.stat().st_size)
    journal.close()
    whole = path.read_bytes()
    spoilt = whole[: max(0, len(whole) - cut)] + junk
    path.write_bytes(spoilt)
    same = next((k for k, pair in enumerate(zip(whole, spoilt, strict=False)) if pair[0] != pair[1]), len(spoilt))
    same = min(same, len(whole))
    blocks = sum(end <= same for end in ends) - 1
    held = read_journal(path)
    assert list(held.rows["price"]) == [100.0 + n for n in range(2 * blocks)]
    assert ends[blocks] <= len(spoilt) - held.torn <= same, "a block's names may stand without its rows"


def test_a_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "0001.open"
    journal = Journal(path)
    journal.append(ticks(2))
    size = path.stat().st_size
    journal.append(ticks(2, 2))
    journal.close()
    content = bytearray(path.read_bytes())
    content[size + 30] ^= 1
    path.write_bytes(content)
    held = read_journal(path)
    assert list(held.rows["price"]) == [100.0, 101.0]
    assert held.torn == len(content) - size


@pytest.mark.parametrize("left", ["the journal", "a draft", "both", "an empty journal"])
def test_a_start_finishes_what_a_crash_left_without_doubling_it(tmp_path, left):
    folder = tmp_path / FOLDER / DAY.isoformat()
    folder.mkdir(parents=True)
    journal = Journal(folder / "0001.open")
    if left != "an empty journal":
        journal.append(ticks(3))
    journal.close()
    content = journal.path.read_bytes()
    if left == "a draft":
        (folder / "0001.draft").write_bytes(b"half a segm")
    if left == "both":  # killed between the segment and the end of its journal
        seal(journal.path)
        journal.path.write_bytes(content)
    made = writer(tmp_path)
    made.start()
    made.put(trade(9), None)
    until(lambda: not (folder / "0001.open").exists())
    made.stop()
    assert made.status().problem == ""
    assert prices(read_ticks(tmp_path, DAY, "BTC/USD")) == [*([100.0, 101.0, 102.0] if content else []), 109.0]
    assert not list(folder.glob("*.draft"))


def test_a_numbered_trade_that_a_venue_sends_again_after_a_restart_is_there_once(tmp_path):
    kept(tmp_path, [trade(1, trade_id=5), trade(2, trade_id=6), trade(3)])
    kept(tmp_path, [trade(2, trade_id=6), trade(3), trade(4, trade_id=7)])
    assert prices(read_ticks(tmp_path, DAY, "BTC/USD")) == [101.0, 102.0, 103.0, 103.0, 104.0], "only ids can tell"


def test_full_journals_become_segments_while_the_desk_runs(tmp_path):
    made = writer(tmp_path, seal_rows=10)
    made.start()
    for round_ in range(5):
        for number in range(10):
            made.put(trade(10 * round_ + number), None)
        until(lambda count=10 * (round_ + 1): made.status().written == count)
    until(lambda: len(list((tmp_path / FOLDER).rglob("*.parquet"))) == 4)
    assert prices(read_ticks(tmp_path, DAY, "BTC/USD")) == [100.0 + n for n in range(50)]
    made.stop()
    assert made.status().p99_ms is not None


def test_a_reader_sees_each_trade_once_while_journals_are_sealed(tmp_path):
    made = writer(tmp_path, seal_rows=20)
    made.start()
    counts, ended = [], threading.Event()

    def read() -> None:
        while not ended.is_set():
            found = prices(read_ticks(tmp_path, DAY, "BTC/USD"))
            counts.append((len(found), len(set(found))))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(400):
        made.put(trade(number), None)
        time.sleep(0.001)
    until(lambda: made.status().written == 400)
    ended.set()
    reader.join()
    made.stop()
    assert all(seen == different for seen, different in counts)
    assert [seen for seen, _ in counts] == sorted(seen for seen, _ in counts), "what was seen once stays"
    assert len(read_ticks(tmp_path, DAY, "BTC/USD").price) == 400


def test_each_trade_is_in_the_folder_of_its_own_day(tmp_path):
    midnight = datetime(2026, 5, 2, tzinfo=UTC)
    kept(tmp_path, [trade(-1, at=midnight), trade(0, at=midnight), trade(-2, at=midnight)])
    assert prices(read_ticks(tmp_path, DAY, "BTC/USD")) == [98.0, 99.0]
    assert prices(read_ticks(tmp_path, midnight.date(), "BTC/USD")) == [100.0]


def test_days_beyond_those_to_keep_are_removed_when_a_new_one_begins(tmp_path):
    for back in (9, 7, 6, 1):
        kept(tmp_path, [trade(0, at=NOON - timedelta(days=back))], days=30)
    (tmp_path / FOLDER / "notes").mkdir()
    kept(tmp_path, [trade(0)], days=7)
    left = sorted(path.name for path in (tmp_path / FOLDER).iterdir())
    assert left == ["2026-04-25", "2026-04-30", "2026-05-01", "notes"], "what is no day is not touched"


def test_a_slow_disk_costs_counted_trades_and_never_time(tmp_path):
    made = writer(tmp_path, room=10)  # not started: a disk that takes nothing
    began = time.monotonic()
    for number in range(1000):
        made.put(trade(number), None)
    assert time.monotonic() - began < 0.5
    assert (made.status().waiting, made.status().dropped) == (10, 990)


def test_a_disk_nearly_full_stops_the_writing_with_a_sentence_and_room_lets_it_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.store.tick_writer.LOOK_EVERY", 0.01)
    room = {"free": LOW - MIB}
    made = writer(tmp_path, free=lambda _: room["free"])
    made.start()
    until(lambda: "1,023 MiB are free" in made.status().problem)
    made.put(trade(0), None)
    assert made.status().dropped == 1
    room["free"] = 2 * LOW
    until(lambda: made.status().problem == "")
    made.put(trade(1), None)
    made.stop()
    assert prices(read_ticks(tmp_path, DAY, "BTC/USD")) == [101.0]


def test_a_write_that_fails_is_done_again_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.store.tick_writer.AGAIN_AFTER", 0.01)
    real, failing = os.write, {"left": 2}

    def write(file: int, content: bytes) -> int:
        if failing["left"]:
            failing["left"] -= 1
            real(file, content[:20])
            raise OSError(28, "No space left on device")
        return real(file, content)

    monkeypatch.setattr("engine.store.tick_journal.os.write", write)
    made = kept(tmp_path, [trade(number) for number in range(5)])
    assert failing["left"] == 0
    assert prices(read_ticks(tmp_path, DAY, "BTC/USD")) == [100.0, 101.0, 102.0, 103.0, 104.0]
    assert made.status().written == 5


def test_a_journal_that_cannot_be_finished_waits_and_says_so(tmp_path):
    done, down = [], {"left": 3}

    def ship(journal: Path) -> None:
        if down["left"]:
            down["left"] -= 1
            raise DatabaseDown("the database is away")
        done.append(len(read_journal(journal).rows))
        journal.unlink()

    kept(tmp_path, [trade(number) for number in range(4)], seal_rows=1)
    made = writer(tmp_path, finishing=Finishing(ship, again_after=0.05))
    made.start()
    until(lambda: "database is away" in made.status().problem)
    until(lambda: made.status().problem == "" and done == [4])
    made.stop()


FOR_EVER = """
import sys, time
from pathlib import Path
from tests.store.test_ticks import trade, writer
made = writer(Path(sys.argv[1]), seal_rows=40)
made.start()
for number in range(100_000):
    made.put(trade(number, trade_id=number), None)
    time.sleep(0.0005)
    if number % 20 == 0:
        print(made.status().written, flush=True)
"""


def test_killed_at_any_moment_what_was_called_written_is_there_and_nothing_twice(tmp_path):
    said = 0
    for round_ in range(2):
        command = [sys.executable, "-c", FOR_EVER, str(tmp_path / str(round_))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            for line in process.stdout:
                said = int(line)
                if said > 150 + 37 * round_:
                    process.kill()
        made = writer(tmp_path / str(round_))
        made.start()
        made.stop()
        found = read_ticks(tmp_path / str(round_), DAY, "BTC/USD")
        assert list(found.trade_id) == list(range(len(found.trade_id)))
        assert len(found.trade_id) >= said


prints = st.lists(
    st.tuples(
        st.sampled_from(("A/USD", "B/USD")),
        st.integers(0, 179_999),
        st.floats(60, 100),
        st.floats(0, 10, allow_nan=False),
    ),
    min_size=1,
    max_size=60,
)


@settings(deadline=None, max_examples=15)
@given(prints)
def test_bars_from_stored_trades_are_the_bars_that_the_desk_made(tmp_path_factory, raw):
    data = tmp_path_factory.mktemp("bars")
    made = writer(data)
    made.start()
    near = [(symbol, ms, 80.0 + price / 10.0, size) for symbol, ms, price, size in raw]  # nothing is set aside
    minutes = delivered(near, lambda item: made.put(item, None))
    made.stop()
    for symbol in ("A/USD", "B/USD"):
        assert offline(read_ticks(data, DAY, symbol)) == pytest.approx(bars_of(minutes, symbol))


def delivered(raw, keep):
    """Minutes of the live feed's way in, which hands every believed trade to `keep` as well."""
    clock, minutes = ManualClock(NOON), []

    class Sink:
        on_print = staticmethod(keep)
        on_minute = staticmethod(minutes.append)
        on_quote = on_feed = staticmethod(lambda _: None)

    symbols = ("A/USD", "B/USD")
    intake = Intake("kraken", symbols, clock, Sink(), start=NOON, quarantine=Quarantine())
    for symbol in symbols:
        intake.builder.alive(symbol, NOON)
    for number, (symbol, ms, price, size) in enumerate(sorted(raw, key=lambda one: one[1])):
        at = NOON + timedelta(milliseconds=ms)
        clock.set(at)
        intake.hear()
        intake.advance()
        intake.offer_prints([Print(symbol, at, price, size, at, number)], at)
    clock.set(NOON + timedelta(minutes=3, seconds=3))
    intake.hear()
    intake.advance()
    return minutes


def bars_of(minutes, symbol):
    found = {}
    for minute in minutes:
        k = minute.symbols.index(symbol) if symbol in minute.symbols else None
        if k is not None and minute.quality[k] == BarQuality.GOOD:
            columns = (minute.open, minute.high, minute.low, minute.close, minute.volume)
            found[micros(minute.at)] = [column[k] for column in columns]
    return {(at, part): value for at, bar in found.items() for part, value in enumerate(bar)}


def offline(found):
    bars = {}
    for minute in np.unique(found.time // 60_000_000):
        inside = found.time // 60_000_000 == minute
        price = found.price[inside]
        bar = [price[0], price.max(), price.min(), price[-1], found.volume[inside].sum()]
        bars |= {((minute + 1) * 60_000_000, part): value for part, value in enumerate(bar)}
    return bars
