"""A database found in another desk's hands long after the start: the desk hears of it, and orders nothing more."""

import threading

from engine import storage
from engine.store.errors import DatabaseDown, LeaseHeld


def test_a_database_that_another_desk_took_meanwhile_bars_all_orders(tmp_path, monkeypatch):
    answers = [DatabaseDown("connection refused"), LeaseHeld("the database is in use by another desk")]

    def opened(url, data):
        raise answers.pop(0)

    monkeypatch.setattr(storage, "open_database", opened)
    heard, told = [], threading.Event()
    made = storage.Storage(
        tmp_path, "postgresql://x", None, lambda words: (heard.append(words), told.set()), retry=0.01
    )
    made.open()
    assert made.lost == "", "a database that is merely down bars nothing"
    made.start()
    assert told.wait(10)
    assert made.lost == heard[0] == "the database is in use by another desk"
    made.close()
