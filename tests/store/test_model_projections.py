"""Models, their forecasts, what came true and every fit, in the database: from the ledger, and rebuilt from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.messages import Analysis
from engine.store.database import Database
from engine.store.experiment_rows import experiments_after
from engine.store.migrating import migrate
from engine.store.notes import Notes
from engine.training.experiments import DONE, TRIAL, opened
from tests.desk.kit import BTC, ETH
from tests.models.made import forecast, press, promoted, trained
from tests.store.test_projections import _follow, _one
from tests.store.worlds import MemoryLedger

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def a_day_with_models() -> MemoryLedger:
    """A promoted version forecasts for two coins, one of them with its reasons; a second one replaces it."""
    floor = promoted("v1")
    floor.minute(analysed=False)
    reasoned = replace(
        forecast(floor, BTC, 0.7), row=(("rsi14", 31.5),), reasons=(("rsi14", 0.4),), feature_set="core6"
    )
    floor.tell(Analysis(floor.at, floor.at, (), {}, (reasoned, forecast(floor, ETH, 0.4))))
    for _ in range(10):
        floor.minute(101.0)
    trained(floor, "v2", about={"dataset": "d" * 64, "features": ["rsi14"], "feature_set": "core6"})
    press(floor, "promote", "v2")
    ledger = MemoryLedger()
    for message, outcomes in floor.told:
        ledger.add(message, outcomes)
    return ledger


def contents(database: Database) -> dict[str, list[Any]]:
    with database.connect() as connection:
        return {
            table: sorted(connection.execute(f"SELECT t::text FROM {table} t".encode()).fetchall())
            for table in ("models", "ml_predictions", "ml_features")
        }


def test_predictions_are_settled_in_their_rows_and_versions_know_what_became_of_them(database: Database) -> None:
    ledger = a_day_with_models()
    _follow(database, ledger)
    settled = "SELECT prediction, confidence, actual_move, correct FROM ml_predictions WHERE symbol = 'BTC/USD'"
    prediction, confidence, move, correct = _one(database, settled)
    assert (prediction, confidence, correct) == ("up", 0.7, True)
    assert abs(move - 0.01) < 1e-12
    assert _one(database, "SELECT correct FROM ml_predictions WHERE symbol = 'ETH/USD'") == (False,)
    assert _one(database, "SELECT status FROM models WHERE version = 'v1'") == ("replaced",)
    assert _one(database, "SELECT status, dataset_hash FROM models WHERE version = 'v2'") == ("champion", "d" * 64)
    assert _one(database, "SELECT features ->> 'rsi14', count(*) OVER () FROM ml_features") == ("31.5", 1)


def test_a_rebuild_from_the_ledger_gives_the_same_rows(database: Database) -> None:
    ledger = a_day_with_models()
    worker = _follow(database, ledger)
    before = contents(database)
    worker.rebuild()
    _follow(database, ledger)
    assert contents(database) == before
    assert all(before.values())


def test_every_fit_comes_to_the_database_and_one_that_ends_later_is_brought_again(
    database: Database, tmp_path: Path
) -> None:
    migrate(database)
    path = tmp_path / "experiments.sqlite"
    assert list(experiments_after(path, 0)) == []
    with opened(path) as room:
        number = room.begin("direction", TRIAL, NOW, "data", "code", {"depth": 3})
        ((seen, _, ended),) = experiments_after(path, 0)
        assert (seen, ended) == (number, False)
        room.end(number, DONE, NOW, {"accuracy": 0.52})
    notes = Notes()
    for _, row, ended in experiments_after(path, 0):
        assert ended
        notes.put(row)
    with database.connect() as connection:
        notes.write(connection, "desk-1")
    told = _one(database, "SELECT kind, parameters ->> 'depth', metrics ->> 'accuracy' FROM experiments")
    assert told == (TRIAL, "3", "0.52")
