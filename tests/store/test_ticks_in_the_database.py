"""`STORE_TICKS=database`: journals become rows of `ticks`, each trade once, whatever happens on the way."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.domain import Print, Quote
from engine.store.errors import DatabaseDown
from engine.store.tick_finishing import Finishing
from engine.store.tick_journal import read_journal
from engine.store.tick_keeping import TickTerms, ship, tick_writer
from engine.store.tick_writer import TickWriter
from engine.store.ticks import FOLDER

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
COUNT = "SELECT count(*), sum(price), sum(volume), min(bid), count(ask) FROM ticks WHERE market = 'live'"


def journal_of(data: Path, count: int, first: int = 0) -> Path:
    """A closed journal with `count` trades, the first of which has a quote."""
    made = TickWriter(data / FOLDER, "kraken", Finishing(lambda _: None))
    made.start()
    for n in range(first, first + count):
        at = NOON + timedelta(milliseconds=n)
        made.put(Print("BTC/USD", at, 100.0 + n, 0.5, at, n), None if n else Quote("BTC/USD", at, 99.0, 101.0))
    made.stop()
    return max((data / FOLDER / "2026-05-01").iterdir())


def rows(database):
    with database.connect() as connection:
        return connection.execute(COUNT).fetchone()


def test_a_journal_is_written_once_even_when_the_crash_came_between_commit_and_its_end(database, tmp_path):
    journal = journal_of(tmp_path, 3)
    content = journal.read_bytes()
    ship(journal, "live", database.connect, 7)
    assert not journal.exists()
    assert rows(database) == (3, 303.0, 1.5, 99.0, 1)
    journal.write_bytes(content)
    ship(journal, "live", database.connect, 7)
    assert rows(database)[0] == 3


def test_another_journal_of_the_same_name_is_another(database, tmp_path):
    for first in (0, 3):
        journal = journal_of(tmp_path, 3, first)
        assert journal.name == "0001.open", "numbers start again when a folder is empty"
        ship(journal, "live", database.connect, 7)
    assert rows(database)[0] == 6


def test_a_database_that_is_away_costs_nothing_and_the_journal_waits(database, tmp_path):
    journal = journal_of(tmp_path, 2)

    @contextmanager
    def away():
        raise DatabaseDown("connection refused")
        yield

    with pytest.raises(DatabaseDown):
        ship(journal, "live", away, 7)
    assert len(read_journal(journal).rows) == 2
    ship(journal, "live", database.connect, 7)
    assert rows(database)[0] == 2


def test_old_days_go(database, tmp_path):
    ship(journal_of(tmp_path, 2), "live", database.connect, 7)
    late = tmp_path / FOLDER / "2026-05-09"
    later = journal_of(tmp_path, 2, 10)
    late.mkdir()
    ship(later.rename(late / later.name), "live", database.connect, 7)
    assert rows(database)[0] == 0, "both are of the first of May, and the ninth keeps seven days"


def test_off_means_off(tmp_path):
    assert tick_writer(TickTerms("off"), tmp_path, "kraken", lambda _: None) is None
    assert not list(tmp_path.iterdir())
