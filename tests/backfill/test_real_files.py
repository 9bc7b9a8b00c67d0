"""Real files of 2017 to 2024: every row is kept or named, and holes are recognised as what they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq

from engine.backfill import prepared_job
from engine.backfill.gaps import NOT_LISTED, OUTAGE
from engine.backfill.wanted import Wanted
from engine.clock import SystemClock
from engine.market.bar_files import BarFiles
from engine.store.database import Database
from tests.backtest.data import folder

HOUR = timedelta(hours=1)


async def test_seven_years_of_hours_are_stored_and_their_outages_told(database: Database) -> None:
    path = folder() / "binance_spot_1h_BTC_long_MIT.parquet"
    first, last = datetime(2017, 8, 17, 4, tzinfo=UTC), datetime(2024, 4, 21, 15, tzinfo=UTC)
    wanted = Wanted("files", (), first, last, HOUR)

    report = await prepared_job(database, BarFiles(path, SystemClock(), HOUR), wanted).run()

    rows = pq.read_metadata(path).num_rows
    outside = report.gaps(NOT_LISTED)[1]
    assert (report.fate, report.rejected(), report.findings.duplicates) == ("done", {}, 0)
    assert report.new == rows
    assert report.gaps(OUTAGE)[1] == 128
    assert rows + 128 + outside == (last - first) // HOUR


async def test_all_coins_of_a_file_come_without_a_silent_drop(database: Database) -> None:
    path = folder() / "binance_spot_1h_2024_136sym.parquet"
    wanted = Wanted("files", (), datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 9, 8, tzinfo=UTC), HOUR)

    report = await prepared_job(database, BarFiles(path, SystemClock(), HOUR), wanted).run()

    rejected = sum(report.rejected().values())
    assert (report.fate, len(report.symbols)) == ("done", 136)
    assert report.new + rejected + report.findings.duplicates == pq.read_metadata(path).num_rows
    assert sum(one.bars for one in report.symbols.values()) == report.new
    assert report.gaps(OUTAGE) == (0, 0)
    assert {cause for one in report.symbols.values() for cause in one.gaps} <= {NOT_LISTED}
