"""One way to the database: an address from the settings, or the embedded server."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.store.embedded import EmbeddedPostgres
from engine.store.errors import DatabaseAddressError, DatabaseDown, FolderInUse, StoreError
from engine.store.folder import lock_folder

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")
_TRANSACTION_POOLER_PORT = "6543"  # Supabase's and pgbouncer's usual port for transaction pooling
_OLDEST = 150000
# A half-open network path must end in an error, not in silence.
_PATIENCE: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20000,
    "application_name": "nightdesk",
}


class Database:
    """Where history and projections live. Thread-safe; every `connect` is a connection of its own."""

    def __init__(self, conninfo: str, name: str, server: EmbeddedPostgres | None = None, pooled: bool = False) -> None:
        self._conninfo = conninfo
        self.name = name  # fit to print: no password, no options
        self.server = server
        self._pooled = pooled

    def connect(self, autocommit: bool = False) -> Connection:
        """Open a connection; starts an embedded server that died or lost its socket.

        Raises `DatabaseDown` with a printable sentence, or `DatabaseAddressError` for a PostgreSQL that is too old.
        """
        try:
            if self.server is not None and not self.server.reachable():
                self.server.revive()
            return self._connect(autocommit)
        except DatabaseAddressError:
            raise
        except (psycopg.OperationalError, StoreError, OSError) as error:
            raise DatabaseDown(f"{self.name} does not answer: {self.clean(error)}") from None

    def close(self) -> None:
        """Stop what was started for it (an embedded server); another's server is left alone."""
        if self.server is not None:
            self.server.stop()

    def clean(self, error: BaseException) -> str:
        """The first line of an error, without the password."""
        text = str(error).strip().split("\n", 1)[0] or type(error).__name__
        password = conninfo_to_dict(self._conninfo).get("password")
        return text.replace(str(password), "***") if password else text

    def _connect(self, autocommit: bool) -> Connection:
        # a transaction pooler gives each transaction another session: prepared statements would be missed there
        threshold = None if self._pooled else 5
        connection = psycopg.connect(self._conninfo, autocommit=autocommit, prepare_threshold=threshold)
        if connection.info.server_version < _OLDEST:
            version = connection.info.server_version // 10000
            connection.close()
            raise DatabaseAddressError(f"PostgreSQL {version} is too old; 15 or newer is needed")
        return connection


def open_database(url: str | None, data_dir: Path) -> Database:
    """The database that `DATABASE_URL` names (it need not answer yet), or the embedded one, started.

    Raises:
        DatabaseAddressError: the address cannot be used.
        EmbeddedError: there is no embedded PostgreSQL here, or it does not start.
    """
    if url is not None and url.strip():
        return addressed(url.strip())
    server = EmbeddedPostgres(data_dir)
    server.start()
    return embedded(server)


def embedded(server: EmbeddedPostgres) -> Database:
    """The database of a started embedded server."""
    return Database(server.conninfo, "the embedded PostgreSQL", server)


def addressed(url: str) -> Database:
    """The database at a `postgresql://` or `postgres://` address. Raises `DatabaseAddressError`."""
    scheme = next((known for known in _SCHEMES if url.startswith(known)), None)
    if scheme is None:
        raise DatabaseAddressError("DATABASE_URL must start with postgresql:// (or postgres://)")
    try:
        parts: dict[str, Any] = conninfo_to_dict("postgresql://" + url.removeprefix(scheme))
    except psycopg.Error:  # its text may quote the address, and with it the password
        raise DatabaseAddressError(
            "DATABASE_URL cannot be read; it looks like postgresql://USER:PASSWORD@HOST:5432/NAME"
            " (write @ : / ? # in a password as %40 %3A %2F %3F %23)"
        ) from None
    name = f"PostgreSQL at {parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"
    pooled = str(parts.get("port")) == _TRANSACTION_POOLER_PORT or str(parts.get("pgbouncer")) == "true"
    parts.pop("pgbouncer", None)
    return Database(make_conninfo(**{**_PATIENCE, **parts}), name, pooled=pooled)


def let_go(database: Database, data_dir: Path) -> None:
    """Stop the embedded server, whoever started it, unless a desk works on it."""
    if database.server is None:
        return
    try:
        with lock_folder(data_dir):
            database.close()
    except FolderInUse:
        return
