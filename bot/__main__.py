"""The command line: `nightdesk` runs the desk; the other commands work beside it."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import version

from bot.cli.errors import CliError

COMMANDS = ("run", "backfill", "train", "backtest", "replay", "verify", "doctor", "migrate", "console")

EPILOG = """\
examples:
  nightdesk                              start the desk (a sandbox workspace opens when no Slack tokens are set)
  nightdesk run --feed simulated         start it on the simulated market
  nightdesk status                       what the running desk holds
  nightdesk backfill --source kraken --symbols BTC/USD --from 2025-05-01
  nightdesk train --playbook direction   learn from the stored history, and judge what came of it
  nightdesk backtest --playbook ema --bars FILE.parquet --out out/ema
  nightdesk verify                       check the ledger's chain
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line, each command described by its own file."""
    top = argparse.ArgumentParser(
        prog="nightdesk",
        description="A crypto trading desk that lives in Slack. Without a command it runs the desk.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"nightdesk {version('nightdesk')}")
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name in COMMANDS:
        importlib.import_module(f"bot.cli.{name}").add(subparsers)
    return top


def with_default(argv: Sequence[str]) -> list[str]:
    """`run` is what is meant when no command is named."""
    first = next(iter(argv), "")
    return (
        list(argv)
        if first and (not first.startswith("-") or first in {"-h", "--help", "--version"})
        else ["run", *argv]
    )


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(with_default(sys.argv[1:] if argv is None else argv))
    try:
        code: int = args.func(args)
    except CliError as error:
        print(f"nightdesk: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("nightdesk: interrupted", file=sys.stderr)
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
