"""`nightdesk status | pause | resume | panic | close SYMBOL`: speak to the running desk over its local socket."""

from __future__ import annotations

import argparse
import json
import shlex
import socket
import sys
from pathlib import Path
from typing import Any

from bot import folders
from bot.cli.errors import fail

TIMEOUT = 15.0


def add(subparsers: Any) -> None:
    """Describe the five commands."""
    _command(subparsers, "status", "what the running desk holds, and its state")
    pause = _command(subparsers, "pause", "stop new entries (a REDUCING hold); exits go on")
    pause.add_argument("reason", nargs="*", help="why, for the record")
    resume = _command(subparsers, "resume", "lift a pause or a panic; a breaker is lifted by its code")
    resume.add_argument("code", nargs="?", help="code of the hold to lift, as `status` shows it")
    resume.add_argument("--yes", action="store_true", help="do not ask for confirmation when it lifts a panic")
    panic = _command(subparsers, "panic", "cancel everything, close every position, halt the desk")
    panic.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    close = _command(subparsers, "close", "close the position in SYMBOL at the next price")
    close.add_argument("symbol", metavar="SYMBOL", help="BTC or BTC/USD")
    close.add_argument("--half", action="store_true", help="close half of it")


def _command(subparsers: Any, name: str, words: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = subparsers.add_parser(
        name, help=words, description=words[0].upper() + words[1:] + "."
    )
    command.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="the desk's data folder (default: the running desk's)"
    )
    command.set_defaults(func=run)
    return command


def run(args: argparse.Namespace) -> int:
    data, why = folders.find(args.data_dir)
    found = folders.presence(data)
    if found is None:
        fail(f"no desk is running on {data} ({why}); start it with `{start_of(data)}`")
    if args.command == "panic" and not args.yes:
        _confirm("This closes every position and halts the desk.", "PANIC")
    answer = ask(found.socket, _query(args))
    if word := answer.get("confirm"):
        _confirm("This lifts the panic: the desk may buy again.", word)
        answer = ask(found.socket, _query(args) | {"confirmed": True})
    print(f"desk {data} ({why})", file=sys.stderr)
    print("\n".join(answer["lines"]))
    return 0 if answer["ok"] else 1


def start_of(data: Path) -> str:
    """The command line that starts the desk of a data folder again: its feed and playbook, which never change."""
    from engine import birth, last_feed, playbook_names
    from engine.domain import MarketKind

    words, born = ["nightdesk", "run"], birth(data)
    if born is not None:
        feed = {MarketKind.SIMULATED: "simulated", MarketKind.LIVE: last_feed(data) or "kraken"}.get(born.kind)
        playbook = born.playbook if born.playbook in playbook_names() else "FILE.yaml"  # whose place nobody noted
        record = last_feed(data).removeprefix("replay of ")
        words += ["--feed", feed or f"replay:PATH{f'/{record}' if record else ''}", "--playbook", playbook]
        words += [] if born.planted is None else ["--planted", f"{born.planted:g}"]
    return shlex.join([*words, "--data-dir", str(data)])


def _query(args: argparse.Namespace) -> dict[str, Any]:
    query: dict[str, Any] = {"command": args.command}
    if args.command == "pause":
        query["reason"] = " ".join(args.reason)
    if args.command == "resume":
        query |= {"code": args.code.upper() if args.code else "", "confirmed": args.yes}
    if args.command == "close":
        query |= {"symbol": args.symbol, "fraction": 0.5 if args.half else 1.0}
    return query


def _confirm(sentence: str, word: str) -> None:
    """Go on only when a person types the word."""
    if not sys.stdin.isatty() or input(f"{sentence} Type {word} to go on: ").strip() != word:
        fail(f"{word.lower()} not confirmed; nothing was done (in a script: --yes)")


def ask(path: str, query: dict[str, Any]) -> dict[str, Any]:
    """Send one request to the desk's socket and return its answer. Raises `CliError` when it does not answer."""
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(TIMEOUT)
            link.connect(path)
            link.sendall(json.dumps(query).encode() + b"\n")
            with link.makefile() as lines:
                answer: dict[str, Any] = json.loads(lines.readline())
                return answer
    except (OSError, json.JSONDecodeError) as error:
        fail(f"the desk at {path} did not answer ({error.__class__.__name__}); see `nightdesk doctor`")
