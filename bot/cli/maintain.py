"""`nightdesk maintain`: back up, clear away and vacuum now, as the desk itself does every week."""

from __future__ import annotations

import _thread
import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot import folders, logs
from bot.cli import parent
from bot.cli.errors import fail
from bot.cli.train_progress import shown
from bot.settings import Settings, SettingsError, read_settings

if TYPE_CHECKING:
    from engine import maintenance

_MIB = 1024**2


def add(subparsers: Any) -> None:
    command = subparsers.add_parser(
        "maintain",
        help="back up, clear away and vacuum now (the desk does it by itself every week)",
        description="Copy the ledger, the outbox and the experiments into DATA/backups, prove the copies, remove what "
        "nobody can want any more, and vacuum the database. Beside a running desk or without one.",
    )
    command.add_argument("--data-dir", type=Path, metavar="DIR", help="data folder (default: the running desk's)")
    command.add_argument("--slot", default="", help=argparse.SUPPRESS)  # the due instant that a desk answers with it
    command.add_argument("--gentle", action="store_true", help="lowest priority: beside a busy desk")
    command.add_argument(
        "--progress", choices=("auto", "json"), default="auto", help="json is for programs: it ends when its input does"
    )
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    from engine import StoreError
    from engine import maintenance as room

    if args.gentle:
        os.nice(19)
    as_json = args.progress == "json"
    if as_json:
        parent.when_it_dies(_thread.interrupt_main)
    try:
        settings = read_settings()
        data, _ = folders.find(args.data_dir.expanduser() if args.data_dir else None)
        with shown(args.progress) as tell:
            account = room.maintain(_terms(args, settings, data), tell)
    except SettingsError as error:
        fail(str(error), code=2)
    except (StoreError, OSError) as error:
        fail(str(error))
    print(json.dumps({"result": account.as_json()}) if as_json else "\n".join(lines(account)), flush=True)
    return 1 if account.problems else 0


def _terms(args: argparse.Namespace, settings: Settings, data: Path) -> maintenance.Terms:
    from engine import SystemClock
    from engine import maintenance as room

    now = SystemClock().now()
    return room.Terms(
        data=data,
        url=settings.database_url.get_secret_value() if settings.database_url else None,
        now=now,
        tick_days=settings.tick_days,
        backups_kept=settings.backups_kept,
        old_logs=logs.old(data / "logs", now),
        slot=args.slot,
        desks_own=args.progress == "json",
    )


def lines(account: maintenance.Account) -> list[str]:
    """The account in a few lines."""
    removed = ", ".join(f"{count:,} {kind}" for kind, count in account.removed.items()) or "nothing"
    said = [f"removed   {removed}; {account.freed / _MIB:,.1f} MiB freed"]
    if account.backup:
        proven = f"{account.ledger_rows:,} ledger rows proven, head {account.head[:12]}"
        said.append(f"back-up   {account.backup} ({account.backup_bytes / _MIB:,.1f} MiB, {proven})")
    if account.vacuum is not None:
        said.append(f"database  {account.tables} tables vacuumed in {account.vacuum:.1f} s")
    said.append(f"took      {account.took:.1f} s")
    return [*said, *(f"PROBLEM   {problem}" for problem in account.problems)]
