"""A whole job into a real database: everything once, whatever happens on the way; and a report that adds up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.backfill.checking import COLUMNS, taken
from engine.backfill.errors import BackfillError
from engine.backfill.gaps import NOT_FETCHED, NOT_LISTED, OUTAGE, REFUSED
from engine.backfill.job import SILENT_MOST, Backfill
from engine.backfill.keeping import StoreKeeper
from engine.backfill.progress import Progress
from engine.backfill.report import Report
from engine.backfill.table import table
from engine.backfill.wanted import Wanted, wanted
from engine.backtest.stored import with_stored_quiet
from engine.domain import Symbol, micros
from engine.ports import BarColumns, Fetched, Listing, Piece
from engine.store.bulk import write_bars
from engine.store.database import Database
from engine.store.errors import DatabaseDown
from engine.store.history_gaps import QUIET, read_past_gaps
from engine.store.reading import read_bars
from engine.training.sources import stored_bars
from tests.backfill.made import DAY, MINUTE, START, MadeHistory, bars_of, without

DAYS = 3
END = START + DAYS * DAY
NOW = END + timedelta(hours=1)
FAST = {"ask_again": (0.0, 0.0), "write_again": (0.0, 0.0)}


def truth(*symbols: Symbol, days: int = DAYS) -> dict[Symbol, BarColumns]:
    return {symbol: bars_of(symbol, days * 1440) for symbol in symbols}


def request(history: MadeHistory, *symbols: Symbol, **changes: Any) -> Wanted:
    made = wanted(history.name, symbols or tuple(history.truth), START, END, NOW)
    return replace(made, **changes)


def job(database: Database, history: MadeHistory, asked: Wanted | None = None, **more: Any) -> Backfill:
    asked = asked or request(history)
    keeper = more.pop("keeper", None) or StoreKeeper(database, asked, history.name, lambda: NOW)
    return Backfill(history, keeper, asked, **{**FAST, **more})


async def run(database: Database, history: MadeHistory, asked: Wanted | None = None, **more: Any) -> Report:
    return await job(database, history, asked, **more).run()


def stored(database: Database, symbol: Symbol, interval: timedelta = MINUTE) -> BarColumns:
    return read_bars(database, "live", symbol, interval, START - DAY, END + DAY)


def assert_stored(database: Database, bars: Mapping[Symbol, BarColumns]) -> None:
    for symbol, expected in bars.items():
        found = stored(database, symbol, expected.interval)
        for name in ("time", "open", "high", "low", "close", "volume"):
            assert np.array_equal(getattr(found, name), getattr(expected, name)), (symbol, name)


@pytest.mark.parametrize("by_day", [False, True])
async def test_what_a_source_gives_is_what_the_store_has(database: Database, by_day: bool) -> None:
    history = MadeHistory(truth("BTC/USD", "ETH/USD", "SOL/USD"), by_day=by_day)

    report = await run(database, history)

    assert_stored(database, history.truth)
    assert (report.fate, report.rows, report.new, report.revised, report.same) == ("done", 12960, 12960, 0, 0)
    assert report.checked
    assert report.gaps(OUTAGE) == (0, 0)
    hours = stored(database, "BTC/USD", timedelta(hours=1))
    assert len(hours.time) == 72


async def test_ninety_nine_coins_at_once(database: Database) -> None:
    coins = {f"C{number}/USD": bars_of(f"C{number}/USD", 720) for number in range(99)}
    history = MadeHistory(coins, by_day=True)

    report = await run(database, history)

    assert (report.rows, report.new, len(report.symbols)) == (99 * 720, 99 * 720, 99)
    assert report.gaps(NOT_LISTED) == (99, 99 * (DAYS * 1440 - 720))
    assert "gaps        before the source's first bar or after its last: 99 stretches" in table(report)
    with database.connect() as connection:
        counted = "SELECT symbol, count(*) FROM bars WHERE interval = '1m' GROUP BY symbol"
        assert dict(connection.execute(counted).fetchall()) == dict.fromkeys(coins, 720)


async def test_a_finished_job_asks_for_nothing_again_and_tells_the_earlier_rows_apart(database: Database) -> None:
    history = MadeHistory(truth("BTC/USD", "ETH/USD"))
    first = await run(database, history)
    asked = history.asked.total()

    second = await run(database, history)

    assert history.asked.total() == asked == 6
    assert (first.rows, first.new, first.earlier) == (8640, 8640, 0)
    assert (second.rows, second.new, second.revised, second.same) == (0, 0, 0, 0)
    assert (second.earlier, second.before, second.done) == (8640, 6, 0)
    assert first.symbols == second.symbols
    assert "0 new" in table(second)
    assert "8,640 rows by an earlier run" in table(second)


async def test_asked_again_equal_bars_stay_and_a_changed_one_is_a_new_revision(database: Database) -> None:
    history = MadeHistory(truth("BTC/USD"))
    await run(database, history)
    history.truth["BTC/USD"].volume[100] += 1

    report = await run(database, history, request(history, again=True))

    assert (report.new, report.revised, report.same) == (0, 1, 4319)
    assert_stored(database, history.truth)


async def test_a_stopped_job_leaves_whole_pieces_and_goes_on_from_there(database: Database) -> None:
    history = MadeHistory(truth("BTC/USD", "ETH/USD", "SOL/USD"), pace=0.01)
    stopped: list[Backfill] = []

    def watch(progress: Progress) -> None:
        if progress.done == 3:
            stopped[0].stop()

    stopped.append(job(database, history, watch=watch))
    first = await stopped[0].run()

    assert (first.fate, first.checked) == ("cancelled", False)
    kept = sum(len(stored(database, symbol).time) for symbol in history.truth)
    assert kept == first.rows
    assert kept % 1440 == 0
    assert 3 <= kept // 1440 < 9
    second = await run(database, history)
    assert (second.fate, second.before) == ("done", kept // 1440)
    assert second.before + second.done == 9
    assert second.earlier == first.rows
    assert second.rows == second.new == 12960 - first.rows
    assert_stored(database, history.truth)


async def test_a_source_that_is_away_for_a_moment_is_asked_again(database: Database) -> None:
    history = MadeHistory(truth("BTC/USD"), away=2, at_once=1)

    report = await run(database, history)

    assert report.fate == "done"
    assert_stored(database, history.truth)


async def test_a_source_that_stays_away_ends_the_job_with_a_sentence(database: Database) -> None:
    history = MadeHistory(truth(*(f"C{number}/USD" for number in range(20))), away=10_000)

    report = await run(database, history)

    assert report.fate == "stopped"
    assert "does not answer any more" in report.why
    assert history.asked.total() <= 3 * (SILENT_MOST + history.at_once)


async def test_a_piece_that_cannot_be_had_is_named_and_the_rest_is_kept(database: Database) -> None:
    history = MadeHistory(truth("BTC/USD", "ETH/USD"), broken=["ETH/USD 2024-03-02 00:00"])

    report = await run(database, history)

    assert report.fate == "incomplete"
    assert report.failed == {"ETH/USD 2024-03-02 00:00": "ETH/USD 2024-03-02 00:00 cannot be read"}
    assert report.symbols["ETH/USD"].gaps == {NOT_FETCHED: (1, 1440)}
    assert_stored(database, {"ETH/USD": without(history.truth["ETH/USD"], (1440, 2880))})
    mended = await run(database, MadeHistory(history.truth))
    assert (mended.fate, mended.done, mended.failed) == ("done", 1, {})
    assert_stored(database, history.truth)


async def test_symbols_that_a_source_does_not_carry_are_listed(database: Database) -> None:
    history = MadeHistory(truth("BTC/USD"))

    report = await run(database, history, request(history, "BTC/USD", "XYZ/USD"))

    assert list(report.absent) == ["XYZ/USD"]
    assert report.fate == "done"


async def test_without_names_everything_that_a_source_lists_is_taken(database: Database) -> None:
    history = Talkative(truth("BTC/USD", "ETH/USD"))

    report = await run(database, history, replace(request(history), symbols=()))

    assert (report.fate, list(report.symbols)) == ("done", ["BTC/USD", "ETH/USD"])
    assert_stored(database, history.truth)


@pytest.mark.parametrize(("symbols", "says"), [((), "name the symbols"), (("XYZ/USD",), "none of what was asked for")])
async def test_a_source_with_nothing_of_it_ends_the_job_with_a_sentence(
    database: Database, symbols: tuple[Symbol, ...], says: str
) -> None:
    history = MadeHistory(truth("BTC/USD"))

    report = await run(database, history, replace(request(history), symbols=symbols))

    assert report.fate == "stopped"
    assert says in report.why


class Talkative(MadeHistory):
    """A source that says what it has when nothing is named."""

    async def prepare(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Listing]:
        return await super().prepare(symbols or list(self.truth))


class Flaky(StoreKeeper):
    """A database that goes away in the middle of every other piece."""

    calls = 0

    def keep(self, piece: Piece, fetched: Fetched) -> Mapping[Symbol, int]:
        Flaky.calls += 1
        if Flaky.calls % 2:
            raise DatabaseDown("the database went away")
        return super().keep(piece, fetched)


async def test_a_database_that_comes_back_gets_the_piece_once(database: Database) -> None:
    history = MadeHistory(truth("BTC/USD"))
    asked = request(history)

    report = await run(database, history, asked, keeper=Flaky(database, asked, "made", lambda: NOW), writers=1)

    assert (report.fate, report.new) == ("done", 4320)
    assert_stored(database, history.truth)


async def test_gaps_come_into_the_table_with_their_reason_and_are_replaced_when_they_close(database: Database) -> None:
    coins = truth("AB/USD", "B/USD", "C/USD", "D/USD")
    holes = {symbol: without(bars, (500, 520)) for symbol, bars in coins.items()}
    holes["D/USD"] = taken(holes["D/USD"], np.arange(2000, 4300))
    first = await run(database, MadeHistory(holes))
    with database.connect() as connection:
        found = {symbol: read_past_gaps(connection, "live", "made", symbol) for symbol in coins}

    outage = ("AB/USD", START + 500 * MINUTE, START + 520 * MINUTE, OUTAGE)
    assert found["AB/USD"] == [outage]
    assert [gap.cause for gap in found["D/USD"]] == [NOT_LISTED]
    assert first.gaps(OUTAGE) == (3, 60)
    again = MadeHistory(coins)
    second = await run(database, again, request(again, again=True))
    with database.connect() as connection:
        left = [gap for symbol in coins for gap in read_past_gaps(connection, "live", "made", symbol)]
    assert left == []
    assert second.gaps(OUTAGE) == (0, 0)


@pytest.mark.parametrize("step", [MINUTE, 5 * MINUTE])
async def test_every_quiet_minute_of_a_thin_coin_comes_back_however_many_there_are(
    database: Database, tmp_path: Path, step: timedelta
) -> None:
    rows = np.flatnonzero(np.arange(4320) % 2 == 0)
    rows = rows[(rows < 2000) | (rows >= 2100)]
    bars = truth("T/USD")["T/USD"]
    bars.high[:] = bars.low[:] = bars.open[:] = bars.close
    coins = {"T/USD": taken(bars, rows)}
    report = await run(database, MadeHistory(coins))
    assert report.unlisted > 1_000
    assert report.gaps(QUIET)[1] == 4320 - len(rows)

    learnt = stored_bars(database, tmp_path, "live", "T/USD", step, START, START + 2 * DAY)
    read = read_bars(database, "live", "T/USD", step, START, START + 2 * DAY)
    tested = with_stored_quiet(database, "live", read, START, START + 2 * DAY)

    for bars in (learnt, tested):
        assert np.array_equal(
            bars.time, micros(START) + (1 + np.arange(2 * DAY // step)) * (step // MINUTE) * 60_000_000
        )
        quiet = ~np.isin(bars.time, read.time)
        assert quiet.any()
        assert not bars.volume[quiet].any()


async def test_a_bar_that_could_not_be_believed_leaves_a_gap_of_that_name_and_no_quiet_minute(
    database: Database,
) -> None:
    coins = truth("BTC/USD", "ETH/USD")
    bad = replace(coins["BTC/USD"], low=coins["BTC/USD"].low.copy())
    bad.low[100:103] = -1.0
    history = MadeHistory({**coins, "BTC/USD": bad})

    for report in (await run(database, history), await run(database, history)):  # the second finds all of it done
        assert report.gaps(REFUSED) == (1, 3)
        assert report.gaps(QUIET) == report.gaps(OUTAGE) == (0, 0)
    with database.connect() as connection:
        gaps = read_past_gaps(connection, "live", "made", "BTC/USD")
    assert gaps == [("BTC/USD", START + 100 * MINUTE, START + 103 * MINUTE, REFUSED)]


async def test_bars_of_another_source_stay_and_the_difference_is_told(database: Database) -> None:
    mine = truth("BTC/USD")
    other = replace(mine["BTC/USD"], close=mine["BTC/USD"].close.copy(), volume=mine["BTC/USD"].volume * 2)
    other.close[10] = min(other.close[10] * 1.0002, other.high[10])
    first_day = taken(other, np.arange(1440))
    with database.connect() as connection:
        write_bars(connection, "live", "vendor", [first_day])
    history = MadeHistory(mine)

    report = await run(database, history)

    assert report.findings.kept + report.same == 1440
    assert report.new == 2880
    (difference,) = report.as_json()["differences"]
    assert (difference["source"], difference["bars"], difference["volume_ratio"]) == ("vendor", 1440, 0.5)
    assert 0 < difference["worst_bp"] <= 2.01
    assert_stored(database, {"BTC/USD": _over(mine["BTC/USD"], first_day)})
    replaced = await run(database, history, request(history, replace=True))
    assert replaced.findings.kept == 0
    assert_stored(database, history.truth)


def _over(older: BarColumns, newer: BarColumns) -> BarColumns:
    columns = {name: getattr(older, name).copy() for name in COLUMNS}
    for name in COLUMNS:
        columns[name][: len(newer.time)] = getattr(newer, name)
    return replace(older, **columns)


class Soiled(MadeHistory):
    """A source whose every answer has rows that cannot be."""

    async def fetch(self, piece: Piece) -> Fetched:
        good = await super().fetch(piece)
        bars = [taken(part, np.concatenate([np.arange(len(part.time)), [3, 5, 7]])) for part in good.bars]
        for part in bars:
            part.close[-1], part.volume[-2] = -1.0, np.nan
        return Fetched(tuple(bars), duplicates=1, note="a file ended early")


async def test_bad_rows_are_counted_by_code_and_the_good_ones_are_all_there(database: Database) -> None:
    history = Soiled(truth("BTC/USD"))

    report = await run(database, history)

    assert report.rejected() == {"NOT_POSITIVE": 3, "NOT_FINITE": 3}
    assert report.findings.duplicates == 3 + 3
    assert report.findings.notes == ["a file ended early"]
    assert_stored(database, history.truth)


async def test_progress_ends_whole_and_by_symbol(database: Database) -> None:
    history = MadeHistory(truth("BTC/USD", "ETH/USD"), by_day=True)
    seen: list[dict[str, Any]] = []

    await run(database, history, watch=lambda progress: seen.append(progress.as_json()))

    assert seen[-1]["stage"] == "done"
    assert seen[-1]["symbols"] == {name: {"share": 1.0, "rows": 4320, "failed": 0} for name in ("BTC/USD", "ETH/USD")}
    shares = [one["share"] for one in seen if one["stage"] != "asking"]
    assert shares == sorted(shares)
    assert [one["stage"] for one in seen if one["stage"] != "fetching"][:2] == ["asking", "checking"]


async def test_a_cancelled_task_ends_like_any_other(database: Database) -> None:
    task = asyncio.create_task(run(database, MadeHistory(truth("BTC/USD"), pace=5)))
    await asyncio.sleep(0.2)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_request_is_made_whole_or_refused_with_a_sentence() -> None:
    half = START + timedelta(seconds=90)
    made = wanted("made", ("AB/USD", "AB/USD"), half, END + DAY, END + MINUTE)

    assert (made.since, made.until, made.symbols) == (START + MINUTE, END + MINUTE, ("AB/USD",))
    for words, symbols, since, interval in (
        ("not kept", ("AB/USD",), START, "7m"),
        ("no closed bars", ("AB/USD",), END + DAY, "1m"),
    ):
        with pytest.raises(BackfillError, match=words):
            wanted("made", symbols, since, END, END, interval=interval)


def test_another_range_or_set_of_symbols_is_another_piece() -> None:
    one = Piece("day", ("AB/USD", "B/USD"), START, START + DAY)
    asked = Wanted("made", ("AB/USD",), START, END)
    others: Sequence[tuple[Wanted, Piece]] = (
        (asked, replace(one, symbols=("AB/USD",))),
        (asked, replace(one, until=START + 60 * MINUTE)),
        (replace(asked, interval=timedelta(hours=1)), one),
        (replace(asked, replace=True), one),
    )

    assert len({asked.mark(one), *(want.mark(piece) for want, piece in others)}) == 5
    assert asked.mark(one) == asked.mark(replace(one, symbols=("B/USD", "AB/USD")))
