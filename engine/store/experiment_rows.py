"""The experiment ledger's rows, on their way into the database: `experiments.sqlite` is written by whoever trains."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from engine.store.rows import Row, plain

_COLUMNS = "id, model, kind, started_at, ended_at, status, dataset, code, parameters, figures"


def experiments_after(path: Path, last: int) -> Iterator[tuple[int, Row, bool]]:
    """Number, row of `experiments` and whether it has ended, of those above `last`; none without a file.

    Raises `sqlite3.Error` when it cannot be read.
    """
    if not path.exists():
        return
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
        rows = connection.execute(f"SELECT {_COLUMNS} FROM experiments WHERE id > ? ORDER BY id", (last,)).fetchall()
    for number, model, kind, started, ended, status, dataset, code, parameters, figures in rows:
        values = {
            "experiment_id": str(number),
            "started_at": datetime.fromisoformat(started),
            "ended_at": datetime.fromisoformat(ended) if ended else None,
            "kind": kind,
            "status": status,
            "dataset_hash": dataset,
            "code_version": code,
            "parameters": plain({"model": model, **json.loads(parameters)}),
            "metrics": plain(json.loads(figures)),
        }
        yield number, Row("experiments", values), ended is not None
