"""One real embedded PostgreSQL for these tests, and a database of its own for each test that asks."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from engine.store.account import Place
from engine.store.database import Database
from engine.store.embedded import EmbeddedPostgres
from engine.store.errors import EmbeddedError
from engine.store.migrating import migrate
from engine.store.tables import metadata
from engine.store.wheel import wheel_package

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def programs() -> Path:
    try:
        return wheel_package()
    except EmbeddedError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def base(programs: Path) -> Iterator[Path | None]:
    """For root: a folder that `nobody` can reach, instead of the machine's own."""
    if os.geteuid():
        yield None
        return
    path = Path(tempfile.mkdtemp(prefix="nightdesk-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def shared_server(base: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("data"), base)
    server.start()
    with psycopg.connect(server.conninfo, autocommit=True) as connection:  # what it holds is thrown away
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server
    pid = server.pid()
    if pid is not None:
        os.kill(pid, signal.SIGQUIT)
    server.stop()


@pytest.fixture(scope="session")
def victim(base: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the server that tests stop and kill (making one for each would take its time)."""
    return tmp_path_factory.mktemp("victim")


@pytest.fixture
def server(base: Path | None, victim: Path) -> Iterator[EmbeddedPostgres]:
    """A server to be killed and stopped at will, empty and running at first."""
    server = EmbeddedPostgres(victim, base)
    server.start()
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    yield server
    server.stop()


@pytest.fixture
def empty(shared_server: EmbeddedPostgres) -> Database:
    """An empty database."""
    return _create(shared_server)


@pytest.fixture(scope="session")
def migrated(shared_server: EmbeddedPostgres) -> Database:
    database = _create(shared_server)
    migrate(database)
    return database


@pytest.fixture
def database(migrated: Database) -> Database:
    """A database with its tables, and nothing in them."""
    with migrated.connect() as connection:
        for table in metadata.tables:
            connection.execute(f"DELETE FROM {table}".encode())
    return migrated


def _create(server: EmbeddedPostgres) -> Database:
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
    return Database(psycopg.conninfo.make_conninfo(server.conninfo, dbname=name), name)


def place_of(server: EmbeddedPostgres) -> Place:
    assert server._place is not None
    return server._place
