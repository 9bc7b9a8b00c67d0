"""Files of bars as Arrow tables: Parquet, or CSV packed or not."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from engine.market.errors import BarsError

TEXT = (".csv", ".gz", ".txt", ".zst")

Rows = slice | NDArray[np.int64]


def is_text(path: Path) -> bool:
    return path.suffix.lower() in TEXT


def read_table(
    path: Path,
    wanted: list[str] | None = None,
    *,
    require: Callable[[Sequence[str]], None] = lambda names: None,
    names: Sequence[str] = (),
    on_broken: Callable[[int], None] | None = None,
    optional: Sequence[str] = (),
) -> pa.Table:
    """The `wanted` columns of a file (None: all), and those of the `optional` that it has. `require` sees the names of
    its columns before the rows are read.

    CSV alone: `names` are given to the columns of a file without a header; `on_broken` is told of every row with too
    many or too few fields, which is left out then, else such a row is an error. Raises `BarsError`.
    """
    if not path.is_file():
        raise BarsError(f"there is no bar file {path}")
    try:
        if is_text(path):
            table = _csv(path, names, on_broken)
            require(table.column_names)
            return table if wanted is None else table.select(_with(wanted, optional, table.column_names))
        there = pyarrow.parquet.read_schema(path).names
        require(there)
        return pyarrow.parquet.read_table(path, columns=wanted and _with(wanted, optional, there))
    except UnicodeDecodeError as error:
        raise BarsError(f"{path} holds text that is not UTF-8; save it as UTF-8") from error
    except KeyError as error:
        raise BarsError(f"{path} has a column more than once: {error.args[0]}") from error
    except (pa.ArrowException, OSError, EOFError) as error:
        why = str(error).splitlines()[0]
        if "Truncated" in why:
            raise BarsError(f"{path} is cut short ({why}): fetch it again") from error
        raise BarsError(f"{path} is neither a Parquet nor a CSV file of bars: {why}") from error


def _with(wanted: list[str], optional: Sequence[str], there: Sequence[str]) -> list[str]:
    return [*wanted, *(name for name in optional if name in there)]


def _csv(path: Path, names: Sequence[str], on_broken: Callable[[int], None] | None) -> pa.Table:
    def leave_out(row: pyarrow.csv.InvalidRow) -> str:
        if on_broken is None:
            return "error"
        on_broken(row.number or 0)
        return "skip"

    return pyarrow.csv.read_csv(
        path,
        pyarrow.csv.ReadOptions(column_names=list(names) or None),
        pyarrow.csv.ParseOptions(invalid_row_handler=leave_out),
    )


def rows_by_symbol(symbols: pa.ChunkedArray) -> dict[str, Rows]:
    """Symbol → its rows: a slice where the file keeps a symbol together, else their numbers in the file's order."""
    encoded = pc.dictionary_encode(symbols).combine_chunks()
    encoded = encoded if isinstance(encoded, pa.DictionaryArray) else encoded.chunk(0)
    codes, names = encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()
    starts = np.concatenate(([0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]))
    if len(starts) - 1 == len(names):
        return {names[codes[a]]: slice(int(a), int(b)) for a, b in itertools.pairwise(starts)}
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(names) + 1))
    return {name: order[ends[code] : ends[code + 1]] for code, name in enumerate(names)}


def pick(table: pa.Table, rows: Rows) -> pa.Table:
    return table.slice(rows.start, rows.stop - rows.start) if isinstance(rows, slice) else table.take(pa.array(rows))


def said(us: np.int64 | int) -> str:
    """A time as people write it, UTC."""
    return str(np.datetime64(int(us), "us").astype("datetime64[s]")) + "Z"
