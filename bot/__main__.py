"""The command line: `nightdesk` runs the desk; the other commands work beside it."""

from __future__ import annotations

import argparse
import difflib
import importlib
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from bot.cli.errors import CliError

COMMANDS = ("run", "backfill", "train", "backtest", "replay", "verify", "doctor", "migrate", "maintain", "console")
FILES = {name: name for name in COMMANDS if name != "console"} | dict.fromkeys(
    ("status", "pause", "resume", "panic", "close"), "console"
)
"""Which file describes a command."""

EPILOG = """\
examples:
  nightdesk                              start the desk (a sandbox workspace opens when no Slack tokens are set)
  nightdesk run --feed simulated         start it on the simulated market
  nightdesk status                       what the running desk holds
  nightdesk backfill --source kraken --symbols BTC/USD --from 2025-05-01
  nightdesk train --playbook direction   learn from the stored history, and judge what came of it
  nightdesk backtest --playbook ema --bars FILE.parquet --out out/ema
  nightdesk maintain                     back-up, clean-up and vacuum now, beside a running desk or without one
  nightdesk verify                       check the ledger's chain
"""


def parser(named: str = "") -> argparse.ArgumentParser:
    """The command line. Each command is described by its own file; the one that is `named` alone is read, else all."""
    return _parsers(named)[0]


def _parsers(named: str) -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """The whole line, and each command's own part of it."""
    top = argparse.ArgumentParser(
        prog="nightdesk",
        description="A crypto trading desk that lives in Slack. Without a command it runs the desk.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"nightdesk {version('nightdesk')}")
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name in COMMANDS if named not in FILES else (FILES[named],):
        importlib.import_module(f"bot.cli.{name}").add(subparsers)
    return top, subparsers.choices


def with_default(argv: Sequence[str]) -> list[str]:
    """`run` is what is meant when no command is named."""
    first = next(iter(argv), "")
    return (
        list(argv)
        if first and (not first.startswith("-") or first in {"-h", "--help", "--version"})
        else ["run", *argv]
    )


def _read(words: Sequence[str]) -> argparse.Namespace:
    """What was typed, read before the engine is loaded. Ends the program on what cannot be understood."""
    named = words[0]
    if named == "--version":
        print(f"nightdesk {version('nightdesk')}")
        sys.exit(0)
    if named not in FILES and not named.startswith("-"):
        meant = difflib.get_close_matches(named, FILES, n=1)
        hint = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(FILES)}"
        print(f"nightdesk: there is no command {named}; {hint}", file=sys.stderr)
        sys.exit(2)
    top, commands = _parsers(named)
    args, unknown = top.parse_known_args(words)
    if unknown:
        options = re.findall(r"--[a-z-]+", commands[named].format_help())
        meant = difflib.get_close_matches(unknown[0].split("=")[0], options, n=1)
        hint = f"did you mean {meant[0]}?" if meant else f"see nightdesk {named} --help"
        top.exit(2, f"nightdesk {named}: there is no {unknown[0]}; {hint}\n")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    words = with_default(sys.argv[1:] if argv is None else argv)
    args = _read(words)
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
