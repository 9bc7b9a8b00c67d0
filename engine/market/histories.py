"""`kraken`, `ccxt:binance`, `files:FOLDER` … → bars of the past."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from engine.clock import Clock
from engine.market.bar_files import BarFiles
from engine.market.errors import FeedNameError
from engine.market.exchange import Exchange
from engine.market.exchange_history import ExchangeHistory
from engine.market.kraken import REST_URL
from engine.market.kraken_files import KrakenFiles
from engine.market.kraken_trades import KrakenTrades
from engine.market.massive_access import MassiveAccess
from engine.market.massive_files import Folder, MassiveFiles
from engine.market.massive_history import MassiveHistory
from engine.market.massive_s3 import S3Store
from engine.ports import History

MINUTE = timedelta(minutes=1)
SOURCES = {
    "kraken": "Kraken's trades, as far back as the venue goes; no key; about 1,000 trades a second",
    "kraken-csv:PATH": "Kraken's downloadable OHLCVT files, in a folder or a zip",
    "ccxt:ID": "candles of any exchange that ccxt knows, such as ccxt:binance; no key",
    "ccxt-trades:ID": "bars made of the trades of any exchange that ccxt knows; no key",
    "files:PATH": "your own Parquet or CSV files of bars, or a folder of them",
    "massive": "Massive's minute aggregates by REST; needs a key",
    "massive-files": "Massive's daily flat files from its S3 store; needs its own keys",
    "massive-files:PATH": "Massive's daily flat files in a folder",
}
_WITH_PATH = {"kraken-csv", "ccxt", "ccxt-trades", "files", "massive-files"}
_WITHOUT_PATH = {"kraken", "massive", "massive-files"}
_MINUTES_ONLY = {"massive", "massive-files"}


def history_named(
    spec: str,
    clock: Clock,
    *,
    interval: timedelta = MINUTE,
    kraken_url: str | None = None,
    exchange_url: str | None = None,
    massive: MassiveAccess | None = None,
) -> History:
    """The source that `spec` names, for bars of `interval`.

    `exchange_url` stands in for the address of ccxt's exchange. Raises `FeedNameError` for a name that cannot be, and
    `MarketError` for a source that cannot be used as it is (a folder that is not there, a key that is not set).
    """
    kind, _, rest = spec.partition(":")
    if kind not in (_WITH_PATH if rest else _WITHOUT_PATH):
        raise FeedNameError(f"there is no source {spec!r}; choose one of {', '.join(SOURCES)}")
    if kind in _MINUTES_ONLY and interval != MINUTE:
        raise FeedNameError(f"{kind} is read as bars of one minute; leave the interval out: longer bars are built here")
    if kind == "kraken":
        return KrakenTrades(kraken_url or REST_URL, clock, interval=interval)
    if kind in ("ccxt", "ccxt-trades"):
        exchange = Exchange(rest, clock, url=exchange_url)
        return ExchangeHistory(exchange, clock, interval, trades=kind == "ccxt-trades")
    if kind == "massive":
        return MassiveHistory(massive or MassiveAccess(), clock)
    if kind == "massive-files" and not rest:
        return MassiveFiles(S3Store(massive or MassiveAccess()), clock)
    path = Path(rest).expanduser()
    if kind == "massive-files":
        return MassiveFiles(Folder(path), clock)
    return KrakenFiles(path, clock, interval) if kind == "kraken-csv" else BarFiles(path, clock, interval)
