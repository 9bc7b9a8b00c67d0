"""What a training reads out of the store: the bars that the live desk would have seen, quiet minutes among them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np

from engine.domain import micros
from engine.store.bulk import write_bars
from engine.store.database import Database
from engine.store.history_gaps import PastGap, read_quiet, replace_gaps
from engine.training.sources import stored_bars
from tests.store.coins import MINUTE, MINUTE_US, NOW, SINCE, coin, some

END = SINCE + 600 * MINUTE
QUIET, OUT = (SINCE + 100 * MINUTE, SINCE + 105 * MINUTE), (SINCE + 300 * MINUTE, SINCE + 320 * MINUTE)


def fill(database: Database) -> None:
    """Ten hours without five minutes in which nothing was traded, and without twenty in which the venue was out."""
    bars = coin()
    opens = bars.time - MINUTE_US
    kept = np.ones(600, np.bool_)
    for first, end in (QUIET, OUT):
        kept &= (opens < micros(first)) | (opens >= micros(end))
    gaps = [PastGap("BTC/USD", *QUIET, "no trades"), PastGap("BTC/USD", *OUT, "venue outage")]
    hours = [PastGap("BTC/USD", *QUIET, "no trades")]
    with database.connect() as connection:
        write_bars(connection, "live", "vendor", [some(bars, kept)], now=NOW)
        replace_gaps(connection, "live", "vendor", ["BTC/USD"], SINCE, END, gaps)
        replace_gaps(connection, "live", "vendor 1h", ["BTC/USD"], SINCE, END, hours)


def test_quiet_minutes_come_back_flat_and_outages_stay_holes(database: Database, tmp_path: Path) -> None:
    fill(database)
    bars = stored_bars(database, tmp_path, "live", "BTC/USD", MINUTE, SINCE, END)
    opens = bars.time - MINUTE_US
    assert len(bars.time) == 600 - 20
    back = (opens >= micros(QUIET[0])) & (opens < micros(QUIET[1]))
    assert back.sum() == 5
    before = bars.close[np.flatnonzero(back)[0] - 1]
    for column in (bars.open, bars.high, bars.low, bars.close):
        assert (column[back] == before).all()
    assert not bars.volume[back].any()
    assert not ((opens >= micros(OUT[0])) & (opens < micros(OUT[1]))).any()


def test_quiet_stretches_are_those_of_the_interval_asked_for(database: Database) -> None:
    fill(database)
    with database.connect() as connection:
        replace_gaps(connection, "live", "vendor 1h", ["BTC/USD"], SINCE, END, [])
        assert read_quiet(connection, "live", MINUTE, "BTC/USD") == [QUIET]
        assert read_quiet(connection, "live", 60 * MINUTE, "BTC/USD") == []
        assert read_quiet(connection, "simulated:x", MINUTE, "BTC/USD") == []


def test_a_coin_that_was_never_stored_is_empty(database: Database, tmp_path: Path) -> None:
    bars = stored_bars(database, tmp_path, "live", "NONE/USD", MINUTE, SINCE, SINCE + timedelta(days=1))
    assert not len(bars.time)
