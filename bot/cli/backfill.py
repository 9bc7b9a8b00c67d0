"""`nightdesk backfill`: history into the store, beside a running desk or without one."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
import signal
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.cli import parent
from bot.cli.errors import fail
from bot.cli.times import instant
from bot.folders import folder_for
from bot.settings import Settings, SettingsError, read_settings
from engine.domain import MarketKind

if TYPE_CHECKING:
    from bot.cli.backfill_progress import Shown
    from engine import backfill
    from engine.ports import History

USUAL = timedelta(days=30)
EPILOG = """\
examples:
  nightdesk backfill --list
  nightdesk backfill --source kraken --symbols BTC/USD,ETH/USD --from 2025-05-01 --to 2025-06-01
  nightdesk backfill --source ccxt:binance --symbols BTC/USDT --interval 1h --from 2024-01-01 --report out.json
  nightdesk backfill --source files:~/bars --from 2024-01-01 --to 2024-09-08 --interval 5m

Interrupt it at any time: what is finished stays, and the same command goes on from there.
"""

OF_FILES = ("files", "kraken-csv", "massive-files")  # sources that may be followed by a path


def add(subparsers: Any) -> None:
    command = subparsers.add_parser(
        "backfill",
        help="download history into the store",
        description="Download bars of the past into the store, check them, and say what is missing and why.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--list", action="store_true", help="show the sources there are, and end")
    command.add_argument("--source", metavar="SOURCE", help="where to take it from (see --list)")
    command.add_argument(
        "--symbols",
        metavar="A,B",
        help="BTC/USD,ETH/USD, or all that files have (default: the playbook's; of files: all)",
    )
    command.add_argument("--playbook", metavar="NAME|FILE", help="whose universe and folder (default: PLAYBOOK or ema)")
    command.add_argument(
        "--from",
        dest="since",
        type=instant,
        metavar="TIME",
        help="UTC (default: 30 days before --to; of files: their first bar)",
    )
    command.add_argument(
        "--to",
        dest="until",
        type=instant,
        metavar="TIME",
        help="UTC, left out itself (default: now; of files: their end)",
    )
    command.add_argument("--interval", default="1m", metavar="SPAN", help="1m (default), 5m, 15m, 1h, 4h or 1d")
    command.add_argument("--data-dir", type=Path, metavar="DIR", help="the data folder (default: the live desk's)")
    command.add_argument("--again", action="store_true", help="also what was finished before")
    command.add_argument("--replace", action="store_true", help="take over bars that another source gave")
    command.add_argument("--report", type=Path, metavar="FILE", help="write the closing report there, as JSON")
    command.add_argument("--gentle", action="store_true", help="lowest priority and one writer: beside a busy desk")
    command.add_argument(
        "--progress",
        choices=("auto", "bars", "lines", "json"),
        default="auto",
        help="how to show it (auto: bars on a terminal); json is for programs: it ends when its input does",
    )
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    _require_file(str(args.source or ""))
    from bot.cli.backfill_progress import shown
    from engine import MarketError, PlaybookError, StoreError
    from engine import backfill as room

    if args.list:
        return _list(room.SOURCES)
    if not args.source:
        fail(f"name a --source: {', '.join(room.SOURCES)}", code=2)
    if args.gentle:
        os.nice(19)
    try:
        settings = read_settings()
        wanted = _wanted(args, settings)
        history = _history(args, settings, wanted)
        wanted = _in_their_dates(args, wanted, history)
        show = shown(args.progress, wanted.interval_name)
        report = _fetch(args, settings, wanted, history, show)
    except SettingsError as error:
        fail(str(error), code=2)
    except (room.BackfillError, MarketError, PlaybookError, StoreError) as error:
        fail(str(error))
    return _tell(args, report, show)


def _require_file(source: str) -> None:
    """A path that is not there is said before the engine is loaded, which takes seconds."""
    kind, _, path = source.partition(":")
    if path and kind in OF_FILES and not Path(path).expanduser().exists():
        fail(f"there is no file or folder {Path(path).expanduser()}")


def _wanted(args: argparse.Namespace, settings: Settings) -> backfill.Wanted:
    from engine import SystemClock, load_playbook
    from engine import backfill as room

    now = SystemClock().now()
    until = args.until or now
    named = tuple(part.strip().upper() for part in (args.symbols or "").split(",") if part.strip())
    universe = (
        () if named or _own_files(args) else load_playbook(args.playbook or settings.playbook or "ema", {}).symbols
    )
    symbols = () if named == ("ALL",) else named or universe
    since = args.since or until - USUAL
    return room.wanted(
        args.source, symbols, since, until, now, interval=args.interval, again=args.again, replace=args.replace
    )


def _own_files(args: argparse.Namespace) -> bool:
    """Files of a person's own: what is not narrowed down is all that they have."""
    return str(args.source).startswith("files:")


def _in_their_dates(args: argparse.Namespace, wanted: backfill.Wanted, history: History) -> backfill.Wanted:
    from engine import backfill as room

    if not _own_files(args) or (args.since and args.until):
        return wanted
    listings = asyncio.run(history.prepare(wanted.symbols))
    return room.in_dates_of(wanted, listings.values(), since=args.since is None, until=args.until is None)


def _history(args: argparse.Namespace, settings: Settings, wanted: backfill.Wanted) -> History:
    from bot.market_choice import massive_access
    from engine import SystemClock
    from engine import backfill as room

    return room.history_named(
        args.source,
        SystemClock(),
        interval=wanted.interval,
        kraken_url=settings.kraken_rest_url,
        exchange_url=settings.exchange_url,
        massive=massive_access(settings),
    )


def _fetch(
    args: argparse.Namespace, settings: Settings, wanted: backfill.Wanted, history: History, show: Shown
) -> backfill.Report:
    from engine import backfill as room

    url = settings.database_url.get_secret_value() if settings.database_url else None
    data_dir = args.data_dir.expanduser() if args.data_dir else _usual_folder(args, settings)
    show.say(f"{wanted.source} into {'DATABASE_URL' if url else data_dir}")
    ours = args.progress == "json"
    with room.opened(url, data_dir, desks_own=ours) as database, show:
        job = room.prepared_job(database, history, wanted, show.see, 1 if args.gentle else room.WRITERS)
        return asyncio.run(_run(job, history, ours))


async def _run(job: Any, history: History, follows_input: bool) -> backfill.Report:
    """To the end; an interrupt, and for a program's job the end of its input, stop it cleanly."""
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, job.stop)

    def stop_from_outside() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(job.stop)

    if follows_input:
        parent.when_it_dies(stop_from_outside)
    try:
        report: backfill.Report = await job.run()
        return report
    finally:
        await history.close()


def _tell(args: argparse.Namespace, report: backfill.Report, show: Shown) -> int:
    from engine import backfill as room

    if args.report:
        try:
            args.report.parent.mkdir(parents=True, exist_ok=True)
            args.report.write_text(json.dumps(report.as_json(), indent=1))
        except OSError as error:
            fail(f"the report cannot be written to {args.report}: {error.strerror or error}")
    show.result(report.summary(), room.table(report))
    if report.instead:
        show.say(f"ask for what it has: {_with_symbols(args, report.instead)}")
    elif report.fate in ("cancelled", "stopped") and report.repeats:
        show.say("the same command goes on from here; what is finished stays")
    return {"done": 0, "incomplete": 1, "stopped": 1, "cancelled": 130}[report.fate]


def _with_symbols(args: argparse.Namespace, symbols: Sequence[str]) -> str:
    """The command that was typed, for other symbols."""
    times = [(name, f"{at:%Y-%m-%dT%H:%M}") for name, at in (("--from", args.since), ("--to", args.until)) if at]
    where = [(name, str(at)) for name, at in (("--playbook", args.playbook), ("--data-dir", args.data_dir)) if at]
    usual = [] if args.interval == "1m" else [("--interval", args.interval)]
    words = [("--source", args.source), ("--symbols", ",".join(symbols)), *times, *usual, *where]
    flags = [name for name, set_ in (("--again", args.again), ("--replace", args.replace)) if set_]
    return shlex.join(["nightdesk", "backfill", *(word for pair in words for word in pair), *flags])


def _usual_folder(args: argparse.Namespace, settings: Settings) -> Path:
    from engine import load_playbook

    name = load_playbook(args.playbook or settings.playbook or "ema", {}).name
    return folder_for(name, MarketKind.LIVE)


def _list(sources: dict[str, str]) -> int:
    width = max(map(len, sources))
    for name, what in sources.items():
        print(f"{name:<{width}}  {what}")
    return 0
