"""Bars say which feed they are from, and a feed's history revises only that feed's bars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.domain import micros
from engine.ports import BarColumns
from engine.store.bars import write_minutes
from engine.store.database import Database
from engine.store.healing import Span, write_history
from tests.store.worlds import MINUTE, START, minute

BTC = "BTC/USD"


def sources(database: Database) -> list[tuple[str, float]]:
    with database.connect() as connection:
        return connection.execute("SELECT source, close FROM bars WHERE interval = '1m' ORDER BY time").fetchall()


def history(count: int, price: float) -> BarColumns:
    time = micros(START) + np.arange(1, count + 1) * 60_000_000
    return BarColumns(BTC, MINUTE, time, *(np.full(count, price) for _ in range(4)), np.ones(count))


def test_a_live_bar_and_one_that_was_caught_up_name_their_feed(database: Database) -> None:
    live, caught_up = (minute(START + step * MINUTE, [BTC]) for step in (1, 2))
    with database.connect() as connection:
        write_minutes(connection, "live", [live, replace(caught_up, caught_up=True)], set(), "massive")
    assert [source for source, _ in sources(database)] == ["massive feed", "massive history"]


def test_the_history_of_one_feed_leaves_the_bars_of_another_as_they_are(database: Database) -> None:
    ours, theirs = (minute(START + step * MINUTE, [BTC]) for step in (1, 2))
    with database.connect() as connection:
        write_minutes(connection, "live", [ours], set(), "massive")
        write_minutes(connection, "live", [theirs], set(), "kraken")
    with database.connect() as connection:
        span = Span(history(3, 77.0), START, START + 3 * MINUTE)
        healed = write_history(connection, ("desk", "live"), [span], START, None, "massive")
    found = sources(database)
    assert [source for source, _ in found] == ["massive history", "kraken feed", "massive history"]
    assert [close for _, close in found] == [77.0, theirs.close[0], 77.0]
    assert (healed.added, healed.revised) == (1, 1)


def test_live_bars_say_how_many_trades_they_had_and_unlearn_it_only_for_other_prices(database: Database) -> None:
    first, second = (minute(START + step * MINUTE, [BTC]) for step in (1, 2))
    counted = [replace(first, trades=(7,)), replace(second, trades=(0,))]
    other = replace(first, close=(first.close[0] * 1.01,), high=(first.high[0] * 1.02,))
    with database.connect() as connection:
        for written, expected in ((counted, [7, 0]), ([first, second], [7, 0]), ([other], [None, 0])):
            write_minutes(connection, "live", written, set(), "kraken")
            rows = connection.execute("SELECT trades FROM bars WHERE interval = '1m' ORDER BY time").fetchall()
            assert [row[0] for row in rows] == expected
