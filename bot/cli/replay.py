"""`nightdesk replay`: decide the recorded inbox again and require the same outcomes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bot import folders
from bot.cli.errors import fail
from bot.cli.verify import _show


def add(subparsers: Any) -> None:
    """Describe the command."""
    words = "decide everything in the ledger again and compare"
    command: argparse.ArgumentParser = subparsers.add_parser(
        "replay",
        help=words,
        description=f"{words[0].upper()}{words[1:]}. Nothing is sent anywhere. Ends 0 when every outcome is equal, "
        "1 at the first difference, which it prints.",
    )
    command.add_argument("--data-dir", type=Path, metavar="DIR", help="data folder (default: the running desk's)")
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from engine import LedgerError, replay_file

    data, why = folders.find(args.data_dir)
    print(f"ledger of {data} ({why})", file=sys.stderr)
    try:
        with tqdm(desc="replay", unit=" rows", disable=None) as bar:
            found = replay_file(data / "ledger.sqlite", lambda done, total: _show(bar, done, total))
    except LedgerError as error:
        fail(str(error))
    if found.difference is None:
        print(f"{found.records} records replayed, {found.outcomes} outcomes, all equal")
        return 0
    first = found.difference
    print(first.by)
    print(f"first difference in row {first.seq} ({first.message}), outcome {first.position}")
    print(f"  recorded: {_words(first.expected)}")
    print(f"  replayed: {_words(first.seen)}")
    return 1


def _words(outcome: object) -> str:
    from engine import encode

    return "nothing" if outcome is None else json.dumps(encode(outcome), sort_keys=True)
