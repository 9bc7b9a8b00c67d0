"""A training by the clock with everything real but the vendor: two downloads, what they say, and the training after."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.downloads import sources_of
from bot.jobs import Jobs
from bot.retraining import Retraining
from bot.settings import read_settings
from engine.market.massive_files import key_of
from engine.messages import JobEnded, JobStarted
from engine.store.reading import read_bars
from tests.backfill.made import DAY, START, bars_of
from tests.backfill.test_the_command import aggregates, flat_files, stored
from tests.models.test_retraining import Desk
from tests.servers.massive import MassiveServer
from tests.servers.s3 import KEY_ID, SECRET, S3Server
from tests.servers.venue_thread import VenueThread

NIGHT = START + 3 * DAY + timedelta(hours=10)  # the file of the third day is not there yet
COINS = ("BTC/USD", "ETH/USD")


@pytest.fixture(autouse=True)
def needs_postgres(programs: Path) -> None:
    """Skip where no embedded PostgreSQL can run."""


async def night(desk: Desk) -> None:
    jobs = Jobs(desk, lambda _subject, _data: None)
    again = Retraining(desk, jobs, START - DAY, sources_of(read_settings(), "kraken"))
    await again.reach()
    while again._chaining is not None and not again._chaining.done():
        await asyncio.sleep(0.05)
    await jobs.close()


def settings(store: S3Server, vendor: Mapping[str, str]) -> dict[str, Any]:
    return {
        **vendor,
        "MASSIVE_FILES_URL": store.url,
        "MASSIVE_FILES_KEY": KEY_ID,
        "MASSIVE_FILES_SECRET": SECRET,
    }


def test_files_bring_the_days_that_are_there_and_the_vendor_s_rest_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = {symbol: bars_of(symbol, 3 * 1440) for symbol in COINS}
    files = flat_files(tmp_path / "files", truth)
    vendor = MassiveServer([symbol.replace("/", "-") for symbol in COINS])
    vendor.bars = {f"X:{symbol.replace('/', '')}": aggregates(bars) for symbol, bars in truth.items()}
    with S3Server() as store, VenueThread(vendor) as there:
        for number in range(2):
            day = (START + number * DAY).date()
            store.objects[f"flatfiles/{key_of(day)}"] = (files / f"{day}.csv.gz").read_bytes()
        for name, value in settings(store, there.settings).items():
            monkeypatch.setenv(name, value)
        desk = Desk(tmp_path / "data", now=NIGHT)
        asyncio.run(night(desk))

    begun, ended = desk.of(JobStarted), desk.of(JobEnded)
    assert [one.text for one in begun[:2]] == ["massive-files 2024-03-02 2024-03-03", "massive 2024-03-03 2024-03-04"]
    assert [one.fate for one in ended] == ["done", "done", "refused"], [one.sentence for one in ended]
    assert "NO_BARS" in ended[2].sentence  # a training learns from what is new by the real clock
    assert begun[2].text == "kit; history checked: no bar missing, no outliers"
    with stored(tmp_path / "data") as database:
        for symbol in COINS:
            assert len(read_bars(database, "live", symbol, timedelta(minutes=1), START, NIGHT).time) == 2 * 1440
