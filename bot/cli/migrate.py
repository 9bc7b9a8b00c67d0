"""`nightdesk migrate`: bring the database's tables to this version."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bot.cli.errors import fail
from bot.folders import find
from bot.settings import SettingsError, read_settings


def add(subparsers: Any) -> None:
    """Put the command on the command line."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "migrate",
        help="bring the database's tables to this version (a start does it by itself)",
        description="Bring the tables of DATABASE_URL, or of the data folder's embedded PostgreSQL, to this version."
        " Safe beside a running desk; `nightdesk run` does the same at every start.",
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="the desk's data folder")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Migrate and say what was done. Raises `CliError` with one sentence."""
    from engine import StoreError, migrate_folder

    try:
        secret = read_settings().database_url
    except SettingsError as error:
        fail(str(error), code=2)
    url = secret.get_secret_value() if secret else None
    data_dir, why = (None, "") if url else find(args.data_dir)
    if data_dir is not None:
        print(f"data folder {data_dir} ({why})")
    try:
        done = migrate_folder(url, data_dir or Path())
    except StoreError as error:
        fail(str(error))
    for step in done.applied:
        print(f"applied {step}")
    print(f"{done.database} is at version {done.after}" + ("" if done.applied else ": nothing to do"))
    return 0
