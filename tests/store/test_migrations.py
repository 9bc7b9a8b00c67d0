"""The tables come from migrations alone, and are what the code believes they are."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from bot.__main__ import main
from engine.store.database import Database, addressed
from engine.store.errors import DatabaseAddressError, DatabaseDown, StoreError
from engine.store.migrating import migrate
from engine.store.partitions import ensure_months, following, month_of
from engine.store.tables import metadata

_VIEWS = ["ohlcv_15m", "ohlcv_1d", "ohlcv_1h", "ohlcv_1m", "ohlcv_4h", "ohlcv_5m", "price_data"]


def test_an_empty_database_is_brought_up_and_a_second_time_changes_nothing(empty: Database) -> None:
    first = migrate(empty)
    assert first.before == ""
    assert [step[:4] for step in first.applied] == ["0001", "0002", "0003", "0004", "0005"]
    second = migrate(empty)
    assert second.applied == ()
    assert second.after == first.after


def test_the_migrated_tables_are_exactly_those_of_the_code(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    def ours(_: object, name: str | None, kind: str, *__: object) -> bool:
        return not (kind == "table" and name and re.search(r"_20\d\d_\d\d(_\d\d)?$|^nightdesk_version$", name))

    engine = create_engine("postgresql+psycopg://", creator=database.connect, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        changes = compare_metadata(context, metadata)
    assert [change for change in changes if change[0][0] != "modify_comment"] == []


def test_the_views_people_know_are_there(database: Database) -> None:
    with database.connect() as connection:
        found = connection.execute(
            "SELECT table_name FROM information_schema.views WHERE table_schema = 'public' ORDER BY 1"
        ).fetchall()
        assert [name for (name,) in found] == _VIEWS
        for view in _VIEWS:
            connection.execute(f"SELECT * FROM {view}".encode())


def test_a_newer_database_is_refused_with_a_sentence(empty: Database) -> None:
    migrate(empty)
    with empty.connect() as connection:
        connection.execute("UPDATE nightdesk_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer than this desk; upgrade the desk"):
        migrate(empty)


def test_partitions_are_made_ahead_and_any_month_on_demand(database: Database) -> None:
    with database.connect() as connection:
        month = month_of(datetime.now(UTC))
        for _ in range(3):
            assert _partition(connection, month)
            month = following(month)
        assert not _partition(connection, (2019, 12))
        ensure_months(connection, [(2019, 12), (2019, 12), (2020, 1)])
        ensure_months(connection, [(2019, 12)])
        assert _partition(connection, (2019, 12))
        assert _partition(connection, (2020, 1))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://me:hunter2@host/x", "must start with postgresql://"),
        ("postgresql://me:hunter2@host:port:5432:x/db?nonsense=1", "cannot be read"),
    ],
)
def test_an_unusable_address_is_refused_without_its_password(url: str, sentence: str) -> None:
    with pytest.raises(DatabaseAddressError, match=sentence) as caught:
        addressed(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_an_unreachable_database_is_down_not_a_traceback(scheme: str) -> None:
    database = addressed(f"{scheme}://me:hunter2@127.0.0.1:9/desk")
    with pytest.raises(DatabaseDown, match=r"127\.0\.0\.1:9/desk does not answer") as caught:
        database.connect()
    assert "hunter2" not in str(caught.value)


def _partition(connection: psycopg.Connection[tuple[object, ...]], month: tuple[int, int]) -> bool:
    name = f"bars_{month[0]:04d}_{month[1]:02d}"
    return connection.execute("SELECT to_regclass(%s) IS NOT NULL", (name,)).fetchone() == (True,)


def test_a_hosted_database_does_not_serve_the_desk_to_the_web(empty: Database) -> None:
    with empty.connect() as connection:
        connection.execute("CREATE ROLE anon NOLOGIN")
        connection.execute("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO anon")
    migrate(empty)
    with empty.connect() as connection:
        for name in (*metadata.tables, *_VIEWS):
            sql = "SELECT has_table_privilege('anon', %s, 'SELECT')"
            assert connection.execute(sql, (name,)).fetchone() == (False,)
        connection.execute("DROP OWNED BY anon")
        connection.execute("DROP ROLE anon")


def _url(database: Database) -> str:
    with database.connect() as connection:
        info = connection.info
        return f"postgres://{info.user}@/{info.dbname}?host={info.host}"


def test_the_command_says_what_it_did_and_then_that_there_is_nothing_to_do(
    empty: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", _url(empty))
    assert main(["migrate"]) == 0
    said = capsys.readouterr().out
    assert "applied 0001 Market history" in said
    assert said.endswith("is at version 0005\n")
    assert main(["migrate"]) == 0
    assert capsys.readouterr().out.endswith("is at version 0005: nothing to do\n")


def test_the_command_fails_in_one_line_without_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:9/desk")
    assert main(["migrate"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "does not answer" in said
    assert "hunter2" not in said
