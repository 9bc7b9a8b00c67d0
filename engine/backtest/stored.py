"""The bars of a backtest out of the store, instead of files."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from engine.backtest.frames import BarsError
from engine.backtest.market import Series
from engine.clock import SystemClock
from engine.domain import Symbol, instant, micros
from engine.features.quiet import with_quiet_bars
from engine.market.names import canonical, meant_pair
from engine.playbook import Playbook
from engine.ports import BarColumns
from engine.store.bars import MINUTE
from engine.store.database import Database, open_database
from engine.store.embedded import EmbeddedPostgres
from engine.store.history_gaps import read_quiet
from engine.store.holdings import NAMED, held, instead
from engine.store.reading import read_bars, reading

EARLIEST = instant(0)
LIVE = "live"
INVENTED = "the desk's market is invented, so no source has its past: its bars come as it runs"


def stored_market(
    playbook: Playbook,
    url: str | None,
    data_dir: Path,
    asked: Sequence[str] = (),
    start: datetime | None = None,
    end: datetime | None = None,
    own: tuple[str, datetime] | None = None,
) -> tuple[list[Series], list[str]]:
    """The stored bars that a playbook trades, at its interval, and sentences about what is not there.

    `asked` symbols (`BTC/USD`, or `BTC` for one of the playbook's), else its universe. `own`: the invented market of
    this folder's desk and its time; its bars are taken where there are none of the real one. Raises `BarsError` when
    nothing is stored of them, and `StoreError` for a database that cannot be used.
    """
    symbols = [meant_pair(name, playbook.symbols) or canonical(name) for name in asked] or list(playbook.symbols)
    if not symbols:
        raise BarsError(f"the playbook {playbook.name} names no symbols; name some with --symbols BTC/USD,ETH/USD")
    names, bounds = list(dict.fromkeys(symbols)), (start or EARLIEST, end or SystemClock().now())
    notes = []
    with opened(url, data_dir) as database:
        found = [_series(database, LIVE, symbol, playbook, *bounds) for symbol in names]
        if own is not None and not any(len(series) > 1 for series in found):
            notes.append("the bars are those of this desk's own invented market")
            bounds = (bounds[0], end or own[1])
            found = [_series(database, own[0], symbol, playbook, *bounds) for symbol in names]
        market = [series for series in found if len(series) > 1]
        absent = [series.symbol for series in found if len(series) <= 1]
        if not market:
            step = playbook.step or MINUTE
            there = instead(absent, step, held(database, own[0] if own else LIVE, step, absent))
            raise BarsError(_nothing_of(absent, there or (INVENTED if own else ""), start, end))
    return market, [*notes, f"no bars are stored of {listed(absent)}"] if absent else notes


def _nothing_of(symbols: Sequence[Symbol], instead_of_them: str, start: datetime | None, end: datetime | None) -> str:
    dates = [f"{word} {at:%Y-%m-%d}" for word, at in (("from", start), ("until", end)) if at is not None]
    told = " ".join(("no bars of", listed(symbols), "are stored", *dates))
    return f"{told}; {instead_of_them or '`nightdesk backfill` gets some'}"


def listed(symbols: Sequence[Symbol]) -> str:
    """The first few, and how many more there are."""
    return ", ".join(symbols[:NAMED]) + (f" and {len(symbols) - NAMED} more" if len(symbols) > NAMED else "")


def _series(
    database: Database, market: str, symbol: Symbol, playbook: Playbook, since: datetime, until: datetime
) -> Series:
    step = playbook.step or MINUTE
    bars = with_stored_quiet(database, market, read_bars(database, market, symbol, step, since, until), since, until)
    span = round(step.total_seconds() * 1_000_000)
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.trades)
    return Series(symbol, span, bars.time - span, *columns)


def with_stored_quiet(
    database: Database, market: str, bars: BarColumns, since: datetime, until: datetime
) -> BarColumns:
    """Stored bars that opened in [since, until), with a flat one for each that the store knows to be without a trade:
    so the live desk sees them."""
    if not len(bars.time):
        return bars
    with reading(database) as connection:
        known = read_quiet(connection, market, bars.interval, bars.symbol)
    step = bars.interval // timedelta(microseconds=1)
    begin, stop = -(-micros(since) // step) * step, micros(until)
    stretches = [(max(micros(first), begin), min(micros(end), stop)) for first, end in known]
    stretches = [(first, end) for first, end in stretches if first < end]
    return with_quiet_bars(bars, stretches) if stretches else bars


@contextmanager
def opened(url: str | None, data_dir: Path) -> Iterator[Database]:
    """The database; an embedded server that was started for this alone is stopped again.

    Raises `BarsError` where nothing was ever stored, and makes nothing there.
    """
    addressed = bool(url and url.strip())
    if not addressed and not EmbeddedPostgres(data_dir).made:
        raise BarsError(_nothing(data_dir))
    database = open_database(url, data_dir)
    try:
        if not _has_tables(database):
            raise BarsError(_nothing(data_dir, database.name if addressed else ""))
        yield database
    finally:
        if database.server is not None and not database.server.adopted:
            database.close()


def _has_tables(database: Database) -> bool:
    with reading(database) as connection:
        return connection.execute("SELECT to_regclass('bars') IS NOT NULL").fetchone() == (True,)


def _nothing(data_dir: Path, address: str = "") -> str:
    """Where there is nothing, and the command that fills this store and no other."""
    command = shlex.join(["nightdesk", "backfill", *([] if address else ["--data-dir", str(data_dir)])])
    return f"nothing is stored yet in {address or data_dir}; bring history with `{command}`"
