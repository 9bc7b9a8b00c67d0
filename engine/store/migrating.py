"""Brings a database to this version's tables: at every start, and by `nightdesk migrate`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from engine.store.bars import INTERVALS
from engine.store.database import Connection, Database, open_database
from engine.store.errors import StoreError
from engine.store.partitions import ensure_ahead, keep_private
from engine.store.tables import metadata
from engine.store.timescale import adopt

if TYPE_CHECKING:
    from alembic.config import Config

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
_VIEWS = ("price_data", *(f"ohlcv_{interval}" for interval in INTERVALS))
_LOCK = 7105_2026  # any fixed number: one migration at a time per database


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did. `before` is "" on an empty database; `applied` is oldest first, "0001 What it made"."""

    database: str
    before: str
    after: str
    applied: tuple[str, ...]


def migrate(database: Database) -> Migrated:
    """Apply what is missing, in one transaction. Raises `DatabaseDown`, or `StoreError` for a newer database."""
    from sqlalchemy.exc import DBAPIError

    with database.connect() as connection:
        try:
            return _migrate(connection, database.name)
        except (psycopg.Error, DBAPIError) as error:
            cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
            raise StoreError(f"{database.name} refused the migration: {database.clean(cause)}") from None


def migrate_folder(url: str | None, data_dir: Path) -> Migrated:
    """`nightdesk migrate`: the database of a data folder, beside a running desk or without one."""
    database = open_database(url, data_dir)
    started = database.server is not None and not database.server.adopted
    try:
        return migrate(database)
    finally:
        if started:
            database.close()


def _migrate(connection: Connection, name: str) -> Migrated:
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.script.revision import ResolutionError
    from alembic.util.exc import CommandError
    from sqlalchemy import create_engine
    from sqlalchemy.pool import StaticPool

    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as shared:
        context = MigrationContext.configure(shared, opts={"version_table": "nightdesk_version"})
        before = context.get_current_revision() or ""
        try:
            steps = list(reversed(list(scripts.iterate_revisions("heads", before or "base"))))
        except (CommandError, ResolutionError):
            raise StoreError(f"{name} is at version {before}, newer than this desk; upgrade the desk") from None
        config.attributes["connection"] = shared
        if steps:
            _upgrade(config)
        log.debug("%s", adopt(connection))  # either is well; what went wrong is a warning of its own
        ensure_ahead(connection)
        keep_private(connection, [*metadata.tables, *_VIEWS])
        shared.commit()
    applied = tuple(f"{step.revision} {step.doc}" for step in steps)
    return Migrated(name, before, steps[-1].revision if steps else before, applied)


def _upgrade(config: Config) -> None:
    from alembic import command

    command.upgrade(config, "heads")
