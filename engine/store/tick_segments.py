"""Compressed segments of ticks: Parquet files, a folder a day, that any tool can open; and how long they are kept."""

from __future__ import annotations

import logging
import os
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.store.tick_journal import NO_ID, SUFFIX, Journalled, journals, read_journal

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

SEALED = ".parquet"
DAY_US = 86_400_000_000
_GROUP = 10_000  # rows in one row group: what a reader of one symbol reads at least


def folder_of(home: Path, day: int) -> Path:
    """The folder of the day that began `day` × 24 h after the epoch, UTC."""
    return home / datetime.fromtimestamp(day * DAY_US / 1e6, UTC).date().isoformat()


def next_number(folder: Path) -> int:
    """The number of a day's next file."""
    return 1 + max((int(path.stem) for path in folder.iterdir() if path.stem.isdecimal()), default=0)


def seal(journal: Path) -> Path | None:
    """Turn a closed journal into a segment beside it; None when no whole row was in it.

    Done again after a crash at any point it gives the same: the journal goes only when the segment is durable.
    """
    sealed = journal.with_suffix(SEALED)
    if not sealed.exists():
        held = read_journal(journal)
        if held.torn:
            log.warning("%s ended in %d bytes that were not whole; they were cut off", journal.name, held.torn)
        if not held.rows.size:
            journal.unlink()
            return None
        _write(held, sealed)
    journal.unlink()
    return sealed


def left_behind(home: Path) -> list[Path]:
    """Journals of a run before this one, to be sealed; drafts that a crash left are removed."""
    found: list[Path] = []
    for folder in day_folders(home):
        for draft in folder.glob("*.draft"):
            draft.unlink()
        found += journals(folder)
    return found


def day_folders(home: Path) -> list[Path]:
    """The folders of days, oldest first."""
    return sorted(path for path in home.iterdir() if path.is_dir() and _day(path)) if home.is_dir() else []


def prune(home: Path, days: int) -> list[Path]:
    """Remove all but the newest `days` days, counted back from the newest; the folders that went."""
    folders = day_folders(home)
    if not folders:
        return []
    newest = _day(folders[-1])
    old = [path for path in folders if newest and (day := _day(path)) and (newest - day).days >= days]
    for path in old:
        shutil.rmtree(path)
    return old


def _day(path: Path) -> date | None:
    try:
        return date.fromisoformat(path.name)
    except ValueError:
        return None


def _write(held: Journalled, path: Path) -> None:
    """Rows by symbol, then time, so that a reader of one symbol skips the others."""
    import pyarrow.parquet as pq

    draft = path.with_suffix(".draft")
    floats = ("price", "volume", "bid", "ask")
    encodings = dict.fromkeys(floats, "BYTE_STREAM_SPLIT") | dict.fromkeys(
        ("time", "received", "trade_id"), "DELTA_BINARY_PACKED"
    )
    pq.write_table(
        _table(held),
        draft,
        compression="zstd",
        row_group_size=_GROUP,
        use_dictionary=["exchange", "symbol"],
        column_encoding=encodings,
    )
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def _table(held: Journalled) -> pa.Table:
    """Columns over the rows' own memory. `pyarrow.array` would load pandas into the desk, which weighs 80 MB."""
    import pyarrow as pa

    rank = np.argsort(np.argsort([f"{symbol}\n{exchange}" for exchange, symbol in held.names], kind="stable"))
    rows = held.rows[np.lexsort((held.rows["trade_id"], held.rows["time"], rank[held.rows["name"]]))]
    stamp = pa.timestamp("us", tz="UTC")
    kinds = {"time": stamp, "received": stamp, **dict.fromkeys(("price", "volume", "bid", "ask"), pa.float64())}
    columns = {name: _column(kind, rows[name]) for name, kind in kinds.items()}
    places = _column(pa.int32(), rows["name"].astype(np.int32))
    for part, name in enumerate(("exchange", "symbol")):
        columns[name] = pa.DictionaryArray.from_arrays(places, _texts([names[part] for names in held.names]))
    columns["trade_id"] = _column(pa.int64(), rows["trade_id"], rows["trade_id"] != NO_ID)
    return pa.Table.from_arrays(list(columns.values()), names=list(columns))


def _column(kind: pa.DataType, values: np.ndarray, known: np.ndarray | None = None) -> pa.Array:
    import pyarrow as pa

    mask = None if known is None else pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [mask, pa.py_buffer(np.ascontiguousarray(values))])


def _texts(texts: list[str]) -> pa.Array:
    import pyarrow as pa

    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


def sync_folder(folder: Path) -> None:
    """Make a rename durable, where folders can be synchronised."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


__all__ = ["DAY_US", "SEALED", "SUFFIX", "day_folders", "folder_of", "left_behind", "next_number", "prune", "seal"]
