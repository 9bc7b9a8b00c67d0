"""Where a training's bars come from: files, or the desk's own store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from engine.backtest.market import Series, interval_of, read_market, resample
from engine.backtest.stored import LIVE, opened, with_stored_quiet
from engine.domain import Symbol, instant
from engine.forecasting.cases import JudgementError
from engine.forecasting.wording import span
from engine.market.errors import BarsError
from engine.market.names import canonical, meant_pair
from engine.playbook.errors import PlaybookError, describe
from engine.playbook.model import Playbook
from engine.playbook.model_terms import ModelTerms
from engine.ports import BarColumns
from engine.store.bars import MINUTE
from engine.store.cache import read_cached
from engine.store.database import Database
from engine.store.holdings import Held, held, instead
from engine.training.trading import model_of

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Bars to learn from, one entry per coin, and by coin why the others are not there."""

    bars: tuple[BarColumns, ...]
    absent: Mapping[Symbol, str]


def wanted(playbook: Playbook, asked: Sequence[str]) -> tuple[Symbol, ...]:
    """The coins to learn from: those asked for, else the model's own universe, else the playbook's."""
    universe = model_of(playbook).universe or playbook.symbols
    return tuple(dict.fromkeys(meant_pair(name, universe) or canonical(name) for name in asked)) or universe


def with_history(playbook: Playbook, days: int) -> Playbook:
    """The playbook, learning from another length of history. Raises `PlaybookError`."""
    tree = model_of(playbook).model_dump(mode="json") | {"history": f"{days} d"}
    try:
        terms = ModelTerms.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        raise PlaybookError(describe(error, "--history", ModelTerms)) from error
    return playbook.model_copy(update={"model": terms})


def from_bars(bars: Sequence[BarColumns]) -> Source:
    """Bars that are at hand."""
    return Source(tuple(bars), {})


def from_files(playbook: Playbook, paths: Sequence[Path], asked: Sequence[str] = ()) -> Source:
    """The bars of files whose time is each bar's open, the newest `history` of them. Raises `BarsError`.

    Files of shorter bars than the playbook's are joined to its own; longer ones are learnt from as they are.
    """
    terms = model_of(playbook)
    universe = () if asked else wanted(playbook, ())
    found = read_market(paths, universe, asked)
    step = interval_of(found)
    if playbook.step and step < playbook.step // _MICROSECOND:
        found = [resample(one, playbook.step // _MICROSECOND) for one in found]
    last = max(int(one.time[-1]) for one in found)
    bars = tuple(_columns(one, last - terms.history // _MICROSECOND) for one in found)
    there = {one.symbol.partition("/")[0] for one in bars}
    absent = {symbol: "not in the files" for symbol in universe if symbol.partition("/")[0] not in there}
    return Source(tuple(one for one in bars if len(one.time)), absent)


def from_store(
    playbook: Playbook, url: str | None, data_dir: Path, now: datetime, asked: Sequence[str] = (), market: str = LIVE
) -> Source:
    """The stored bars of the playbook's interval over its model's `history` until `now`.

    Minutes that the store knows to be without a trade are put back as the flat bars that the live desk sees. Raises
    `BarsError` when nothing is stored, `StoreError` for a database that cannot be used.
    """
    terms = model_of(playbook)
    symbols = wanted(playbook, asked)
    if not symbols:
        raise BarsError(f"the playbook {playbook.name} names no coins; name some with --symbols BTC/USD,ETH/USD")
    step = playbook.step or MINUTE
    with opened(url, data_dir) as database:
        found = [stored_bars(database, data_dir, market, one, step, now - terms.history, now) for one in symbols]
        bars = tuple(one for one in found if len(one.time))
        if not bars:
            raise JudgementError("NO_BARS", _nothing(symbols, step, held(database, market, step, symbols), terms, now))
    return Source(bars, {one.symbol: "nothing stored" for one in found if not len(one.time)})


def _nothing(
    symbols: Sequence[Symbol], step: timedelta, there: Sequence[Held], terms: ModelTerms, now: datetime
) -> str:
    """Why there is nothing to learn from: nothing is stored, or other pairs or intervals are, or older bars."""
    named = f"{', '.join(symbols[:5])}{f' and {len(symbols) - 5} more' if len(symbols) > 5 else ''}"
    if not there:
        return f"no bars of {named} are stored; `nightdesk backfill` gets some, or give --bars"
    sentence = f"no bars of {named} of the last {terms.history // timedelta(days=1)} days are stored"
    newest = max(one.last for one in there) + step
    if now - newest > terms.stale_after:  # by whatever name and however far back: it would be refused as too old
        return (
            f"{sentence}, and the newest of these coins is of {newest:%Y-%m-%d}; no model is trained on bars older "
            f"than {span(terms.stale_after)}: `nightdesk backfill` gets newer ones, and old ones are studied with "
            "--bars FILE"
        )
    older = "--history takes older ones in, " if now - newest > terms.history else ""
    return f"{sentence}; {instead(symbols, step, there)}; {older}`nightdesk backfill` gets newer ones"


def stored_bars(
    database: Database, data_dir: Path, market: str, symbol: Symbol, step: timedelta, since: datetime, until: datetime
) -> BarColumns:
    """One coin's bars that opened in [since, until), with those that the store knows to be without a trade put back."""
    bars = read_cached(database, data_dir / "cache", market, symbol, step, since, until)
    return with_stored_quiet(database, market, bars, since, until)


def _columns(series: Series, since: int) -> BarColumns:
    """The bars that open from `since` on, with the time of their close."""
    return series.since(since).as_columns()


def span_of(source: Source) -> tuple[datetime, datetime]:
    """From the first bar's close to the last one's."""
    times = [one.time for one in source.bars]
    return instant(min(int(one[0]) for one in times)), instant(max(int(one[-1]) for one in times))
