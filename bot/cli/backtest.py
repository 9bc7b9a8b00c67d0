"""`nightdesk backtest`: a playbook over bar files, without database, Slack or network."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.cli.errors import fail
from bot.cli.times import instant
from bot.folders import folder_for, home
from bot.settings import Settings, SettingsError, read_settings
from engine.domain import MarketKind

if TYPE_CHECKING:
    from engine import Playbook

EPILOG = """\
examples:
  nightdesk backtest --playbook ema --bars btc_1m.parquet --out out/ema
  nightdesk backtest --playbook direction --bars btc_1m.parquet --data-dir DATA --out out/direction
  nightdesk backtest --playbook my.yaml --bars a.csv b.csv --symbols BTC,ETH --from 2025-05-10 --out out/my

Bar files are Parquet or CSV with the columns symbol, time, open, high, low, close, volume, where time is the bar's
OPEN with a time zone (2025-05-04T00:00:00Z). The folder gets summary.json, trade_log.csv, equity_curve.csv, equity.png.
"""

KNOWN = 5  # versions that are named


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "backtest",
        help="try a playbook on bar files",
        description="Trade a playbook over past bars, by the same core that trades live, and say what came of it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--playbook", default="ema", metavar="NAME|FILE", help="a playbook by name or a YAML file (default: ema)"
    )
    bars = command.add_mutually_exclusive_group(required=True)
    bars.add_argument("--bars", nargs="+", type=Path, metavar="FILE", help="Parquet or CSV files of bars")
    bars.add_argument("--stored", action="store_true", help="the bars in the store (`nightdesk backfill` brings some)")
    command.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="the data folder that has the stored bars and the model"
    )
    command.add_argument(
        "--model", metavar="VERSION", help="the version of the playbook's model (default: the promoted one)"
    )
    command.add_argument(
        "--symbols",
        type=_words,
        default=[],
        metavar="A,B",
        help="coins: ADAUSDT, ADA/USDT or ADA (default: the playbook's)",
    )
    command.add_argument(
        "--from", dest="start", type=instant, metavar="TIME", help="first bar, UTC: 2025-05-10 or 2025-05-10T12:00"
    )
    command.add_argument(
        "--to", dest="end", type=instant, metavar="TIME", help="end, UTC; a bar that opens then is left out"
    )
    command.add_argument("--capital", type=float, metavar="N", help="money at the start (default: the playbook's)")
    command.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="folder for the results; made when absent"
    )
    command.add_argument("--gentle", action="store_true", help="lowest priority: beside a busy desk")
    command.add_argument(
        "--progress", choices=("auto", "json"), default="auto", help="json is for programs: lines on standard output"
    )
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    from engine import LedgerError, ModelError, StoreError
    from engine import backtest as room

    if args.gentle:
        os.nice(19)
    overrides = {} if args.capital is None else {"CAPITAL": args.capital}
    try:
        settings = read_settings()
        playbook = room.load(args.playbook, overrides)
        _say(f"reading the bars stored in {_store(args, settings, playbook)}" if args.stored else "reading bars")
        market, notes = _market(args, settings, playbook)
        market, forecasts, more = _forecasts(args, playbook, market)
        for note in (*notes, *more, *room.assumptions(playbook)):
            _say(f"note: {note}")
        with _noted(args, playbook, market) as keep, _progress(args.progress) as moved:
            done = room.backtest(playbook, market, settings.timezone, moved, forecasts)
            keep(done)
        figures = room.measured(done)
        paths = room.write(done, figures, args.out)
    except (
        SettingsError,
        StoreError,
        LedgerError,
        ModelError,
        room.PlaybookError,
        room.StrategyError,
        room.BarsError,
    ) as error:
        fail(str(error))
    except OSError as error:
        fail(f"cannot write to {args.out}: {error.strerror or error}")
    if args.progress == "json":
        picture = next(str(path.resolve()) for path in paths if path.suffix == ".png")
        print(json.dumps({"result": {**room.summary(done, figures), "fate": "done", "picture": picture}}), flush=True)
        return 0
    print(room.table(done, figures))
    print(f"\nwritten to {args.out}: {', '.join(path.name for path in paths)}")
    return 0


def _market(args: argparse.Namespace, settings: Settings, playbook: Playbook) -> tuple[list[Any], list[str]]:
    """The bars of files, or of the store, with what is to be said about them."""
    from engine import backtest as room

    if not args.stored:
        return room.prepare(playbook, args.bars, args.symbols, args.start, args.end)
    url = settings.database_url.get_secret_value() if settings.database_url else None
    folder = _folder(args, playbook)
    return room.stored_market(playbook, url, folder, args.symbols, args.start, args.end, _own(folder))


def _own(folder: Path) -> tuple[str, datetime] | None:
    """The market of a folder's desk where that is invented, and the desk's time; None for a live one, or none."""
    from engine import backtest as room
    from engine import birth, last_state

    born, at = birth(folder), last_state(folder)[0]
    return (room.market_of(born), at) if born and born.kind is not MarketKind.LIVE and at is not None else None


def _store(args: argparse.Namespace, settings: Settings, playbook: Playbook) -> str:
    return "DATABASE_URL" if settings.database_url else str(_folder(args, playbook))


def _folder(args: argparse.Namespace, playbook: Playbook) -> Path:
    named: Path | None = args.data_dir
    return named.expanduser() if named else folder_for(playbook.name, MarketKind.LIVE)


def _forecasts(args: argparse.Namespace, playbook: Playbook, market: list[Any]) -> tuple[list[Any], Any, list[str]]:
    """The bars to trade, what the playbook's model says about them, and what is to be said; None without a model."""
    from engine import ModelFolder
    from engine import backtest as room

    data = _folder(args, playbook)
    if playbook.model is None:
        if args.model:
            fail(f"the playbook {playbook.name} trades by rule; it has no model {args.model}")
        return market, None, []
    name, folder, version = playbook.model.name, ModelFolder(data / "models"), _version(args, playbook, data)
    if not version:
        known = ", ".join(folder.versions(name)[-KNOWN:])
        fail(
            f"the playbook {playbook.name} trades on forecasts, and in {data} no model of it has been promoted; train "
            f"one with `nightdesk train --playbook {args.playbook}` and promote it by its button"
            + (f", or name one with --model (there are {known})" if known else "")
        )
    if version not in folder.versions(name):
        known = ", ".join(folder.versions(name)[-KNOWN:])
        fail(f"{data} has no version {version} of {name}; " + (f"there are {known}" if known else "it has none"))
    _say("forecasting")
    return room.with_forecasts(playbook, folder.load(name, version, threads=os.cpu_count() or 1), market, args.start)


def _version(args: argparse.Namespace, playbook: Playbook, data: Path) -> str:
    """The version asked for, or the promoted one; "" when there is none."""
    from engine import champion_of

    return args.model or (champion_of(data, playbook.model.name) if playbook.model else "")


@contextmanager
def _noted(args: argparse.Namespace, playbook: Playbook, market: list[Any]) -> Iterator[Callable[[Any], None]]:
    """The row of a backtest of a model in the experiment ledger; one by rule chooses no model and has none."""
    from engine import ModelFolder, SystemClock, birth
    from engine import training as room

    if playbook.model is None:
        yield lambda done: None
        return
    data = _folder(args, playbook)
    passport = ModelFolder(data / "models").passport(playbook.model.name, _version(args, playbook, data))
    word = "" if args.bars else room.market_word(birth(data))
    ledger = room.opened(data / "experiments.sqlite", home() / "experiments.sqlite")
    with ledger as experiments:
        lab = room.Lab(experiments, SystemClock().now, room.code_hash(), market=word)
        with room.noted(lab, playbook, playbook.model, passport, market) as keep:
            yield keep


@contextmanager
def _progress(how: str) -> Iterator[Callable[[float], None]]:
    """A bar on a terminal; elsewhere a plain line every quarter, or lines of JSON."""
    from tqdm import tqdm

    if how == "json":
        yield _told_as_json
        return
    if not sys.stderr.isatty():
        yield _quarters()
        return
    with tqdm(total=100, unit="%", desc="trading", file=sys.stderr, bar_format="{desc} {bar} {n:.0f} %") as bar:

        def moved(share: float) -> None:
            bar.update(100 * share - bar.n)

        yield moved


def _told_as_json(share: float) -> None:
    print(json.dumps({"progress": {"stage": "trading", "share": round(share, 4), "symbols": {}}}), flush=True)


def _quarters() -> Callable[[float], None]:
    said = 0

    def moved(share: float) -> None:
        nonlocal said
        quarter = int(share * 4)
        if quarter > said:
            said = quarter
            _say(f"trading {25 * quarter} %")

    return moved


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
