"""`nightdesk verify`: walk the ledger's hash chain, beside a running desk or without one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from bot import folders
from bot.cli.errors import fail


def add(subparsers: Any) -> None:
    """Describe the command."""
    words = "check that no row of the ledger was edited, removed or moved"
    command: argparse.ArgumentParser = subparsers.add_parser(
        "verify",
        help=words,
        description=f"{words[0].upper()}{words[1:]}. Ends 0 when the chain holds, 1 at the first bad row.",
    )
    command.add_argument("--data-dir", type=Path, metavar="DIR", help="data folder (default: the running desk's)")
    command.add_argument(
        "--anchor",
        metavar="SEQ:HASH",
        help="sequence and short hash as a report ends with them: proves that nothing before it was rewritten",
    )
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from engine import Anchor, LedgerError, verify

    data, why = folders.find(args.data_dir)
    print(f"ledger of {data} ({why})", file=sys.stderr)
    try:
        anchor = Anchor.parse(args.anchor) if args.anchor else None
        with tqdm(desc="verify", unit=" rows", disable=None) as bar:
            found = verify(data / "ledger.sqlite", anchor, lambda done, total: _show(bar, done, total))
    except (ValueError, LedgerError) as error:
        fail(str(error))
    if found.bad_seq is not None and found.by:
        print(found.by)
    print(found.sentence if found.bad_seq is None or found.cut else f"first bad row {found.bad_seq}: {found.sentence}")
    return 0 if found.bad_seq is None else 1


def _show(bar: Any, done: int, total: int) -> None:
    bar.total = max(total, done)
    bar.update(done - bar.n)
