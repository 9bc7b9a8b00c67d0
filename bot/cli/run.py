"""`nightdesk run` (the default): start the desk and keep it running until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.cli.errors import fail
from bot.settings import Settings, SettingsError, read_settings

if TYPE_CHECKING:
    from bot.session import Wishes

LAST_PORT = 65535


def add(subparsers: Any) -> None:
    command = subparsers.add_parser(
        "run",
        help="start the desk (this is what `nightdesk` alone does)",
        description="Start the desk. With Slack tokens in the environment or .env it joins that workspace; without "
        "them it opens a sandbox workspace on this machine and prints the page's address. Trades are on paper.",
    )
    command.add_argument(
        "--playbook",
        metavar="NAME|FILE",
        help="what to trade and how (default: PLAYBOOK, else what the data folder was born for, else ema)",
    )
    command.add_argument(
        "--feed",
        metavar="FEED",
        help="kraken (default), massive (needs a key), simulated, or replay:PATH of a bars file (.parquet, .csv) or "
        "recorded frames of Kraken or Binance (.jsonl, .txt, also .zst)",
    )
    command.add_argument(
        "--planted",
        type=float,
        metavar="P",
        help="a simulated market with a known edge: 0.60 lets nobody be right more often than 60 %% of the time",
    )
    command.add_argument(
        "--symbols", metavar="A,B", help="trade these instead of the playbook's universe: BTC/USD,ETH/USD"
    )
    command.add_argument("--speed", type=float, metavar="N", help="how fast time runs: simulated (60), replay (1)")
    command.add_argument(
        "--capital", type=float, metavar="N", help="paper balance in dollars (default: the playbook's)"
    )
    command.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="the data folder itself (default: one per playbook)"
    )
    command.add_argument(
        "--port", type=int, metavar="N", help="port of the sandbox page (default: the first free from 8484)"
    )
    command.add_argument("--debug", action="store_true", help="show everything the desk logs")
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    try:
        settings = read_settings()
    except SettingsError as error:
        fail(str(error), code=2)
    if args.speed is not None and not args.speed > 0:  # NaN is not above 0 either
        fail(f"--speed was {args.speed:g}; use a number above 0", code=2)
    if args.port is not None and not 0 <= args.port <= LAST_PORT:
        fail(f"--port was {args.port}; use a number from 0 (any free one) to {LAST_PORT}", code=2)
    from bot.connection import SlackRefused
    from bot.session import serve
    from engine import FeedNameError, LedgerError, MarketError, PlaybookError, StoreError

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` starts it ignoring the interrupt
    try:
        return asyncio.run(serve(_wishes(args, settings), settings, sys.stdout))
    except (StoreError, LedgerError, MarketError, PlaybookError, FeedNameError, SlackRefused) as error:
        fail(str(error))


def _wishes(args: argparse.Namespace, settings: Settings) -> Wishes:
    """What the command line asks for. Raises `LedgerError` for a folder whose ledger cannot be read."""
    from bot.market_choice import playbook_of
    from bot.session import Wishes

    data = args.data_dir.expanduser() if args.data_dir else None
    return Wishes(
        playbook=args.playbook or settings.playbook or playbook_of(data),
        feed=args.feed,
        symbols=tuple(part.strip().upper() for part in (args.symbols or "").split(",") if part.strip()),
        speed=args.speed,
        capital=args.capital,
        data_dir=data,
        port=args.port,
        debug=args.debug,
        planted=args.planted,
    )
