"""Rows into tables: one statement per table and set of columns, written or overwritten by key."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import groupby
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB

from engine.store.database import Connection
from engine.store.rows import Row, Values, clean_text
from engine.store.tables import metadata


def write_rows(connection: Connection, desk_id: str, rows: Iterable[Row]) -> int:
    """Write rows of one desk in order within each table; return how many."""
    by_table: dict[str, list[Values]] = {}
    for row in rows:
        by_table.setdefault(row.table, []).append({"desk_id": desk_id} | row.values)
    for table, items in by_table.items():
        # only neighbours share a statement: a later row may overwrite an earlier one of other columns
        for columns, group in groupby(items, key=tuple):
            with connection.cursor() as cursor:
                cursor.executemany(_upsert(table, columns), [_fit(table, values) for values in group])
    return sum(map(len, by_table.values()))


@cache
def _upsert(table: str, columns: tuple[str, ...]) -> bytes:
    key = [column.name for column in metadata.tables[table].primary_key]
    rest = [name for name in columns if name not in key]
    names, places = ", ".join(columns), ", ".join(f"%({name})s" for name in columns)
    then = f"UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in rest)}" if rest else "NOTHING"
    return f"INSERT INTO {table} ({names}) VALUES ({places}) ON CONFLICT ({', '.join(key)}) DO {then}".encode()


def _fit(table: str, values: Values) -> Values:
    kinds = _kinds(table)
    return {name: _fitted(kinds[name], value) for name, value in values.items()}


def _fitted(kind: type, value: Any) -> Any:
    if value is None:
        return None
    if kind is JSONB:
        return Jsonb(value)
    return clean_text(value) if kind is Text else value


@cache
def _kinds(table: str) -> dict[str, type]:
    return {column.name: type(column.type) for column in metadata.tables[table].columns}
