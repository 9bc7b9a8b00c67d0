"""The backtest command as the command line calls it."""

from __future__ import annotations

import argparse
from pathlib import Path

from bot.cli import backtest

PEERS = str(Path(__file__).parents[2] / "benchmarks" / "ema_peers.yaml")


def command(*words: object) -> int:
    """Run `nightdesk backtest WORDS`; a refusal comes as `CliError`, bad usage as `SystemExit`."""
    top = argparse.ArgumentParser(prog="nightdesk")
    backtest.add(top.add_subparsers(dest="command"))
    args = top.parse_args(["backtest", *map(str, words)])
    code: int = args.func(args)
    return code
