"""A data folder as a desk leaves it: a ledger with a day in it, an outbox, experiments, versions of a model."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

from bot.outbox_store import OutboxStore
from engine.store.ledger import SqliteLedger
from engine.training.experiments import DONE, TRIAL, Experiments
from tests.desk.kit import Floor
from tests.models import forged

NOW = datetime(2026, 11, 22, 2, 0, 3, tzinfo=UTC)  # a Sunday


def recorded(folder, floor=None):
    """A data folder with the ledger of `floor` (default: one open position), an outbox and an experiment."""
    folder.mkdir(parents=True, exist_ok=True)
    floor = floor or busy_floor()
    ledger = SqliteLedger(folder / "ledger.sqlite")
    for message, outcomes in floor.told:
        ledger.append(message, outcomes, (), {})
    OutboxStore(folder / "outbox.sqlite").close()
    experiments = Experiments(folder / "experiments.sqlite")
    number = experiments.begin("direction", TRIAL, NOW, "d", "c", {})
    experiments.end(number, DONE, NOW, {"daily_sharpe": 0.1})
    experiments.close()
    return ledger


def busy_floor():
    floor = Floor()
    floor.hold()
    floor.minute(101.0)
    return floor


def versions(folder, *names):
    """These versions of `direction`, as trainings leave them."""
    for name in names:
        forged.saved(folder / "models", name)


def rows(path, table):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()
