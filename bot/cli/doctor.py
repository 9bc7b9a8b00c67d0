"""`nightdesk doctor`: looks at everything a desk needs and says what is well and what to do about the rest."""

from __future__ import annotations

import argparse
import asyncio
import platform
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from bot import folders
from bot.cli.console import ask
from bot.cli.errors import CliError
from bot.settings import Settings, SettingsError, read_settings

GIB = 1024**3
Level = Literal["ok", "note", "FAIL"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `note` is worth knowing, `FAIL` keeps a desk from working."""

    level: Level
    what: str
    sentence: str


def add(subparsers: Any) -> None:
    command = subparsers.add_parser(
        "doctor",
        help="check everything the desk needs and say what is wrong",
        description="Check settings, playbook, data folder, ledger, database, market and Slack. Works beside a running "
        "desk and changes nothing. Ends 0 when nothing is broken.",
    )
    command.add_argument("--data-dir", type=Path, metavar="DIR", help="the data folder (default: the running desk's)")
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    return asyncio.run(_report(args.data_dir))


async def _report(data_dir: Path | None) -> int:
    failed = noted = 0
    async for finding in examine(data_dir):
        failed += finding.level == "FAIL"
        noted += finding.level == "note"
        print(f"{finding.level:<5} {finding.what:<11} {finding.sentence}", flush=True)
    well = "nothing is broken; the notes above are worth reading" if noted else "all is well"
    print(well if not failed else f"{failed} thing{'s' if failed > 1 else ''} to mend")
    return 1 if failed else 0


async def examine(data_dir: Path | None) -> AsyncIterator[Finding]:
    """Every finding, one after the other; later ones do without what earlier ones found broken."""
    yield Finding(
        "ok", "nightdesk", f"{version('nightdesk')} on Python {platform.python_version()}, {platform.platform()}"
    )
    try:
        settings = read_settings()
        yield Finding("ok", "settings", f"read; the desk's day is {settings.timezone}")
    except SettingsError as error:
        yield Finding("FAIL", "settings", str(error))
        return
    try:
        data, why = folders.find(data_dir)
    except CliError as error:
        data, why = None, str(error)
    playbook, symbols = _playbook(settings, data)
    yield playbook
    if data is None:
        yield Finding("note", "data folder", why)
    else:
        for finding in await asyncio.to_thread(_folder, data, why, settings):
            yield finding
    yield await _market(settings, symbols)
    if settings.polygon_api_key is not None:
        yield await _massive(settings, symbols)
    yield await _slack(settings)


def _playbook(settings: Settings, data: Path | None) -> tuple[Finding, tuple[str, ...]]:
    """The playbook of the folder's desk where it is one of ours, else the one that a start without words takes."""
    from engine import PlaybookError, birth, load_playbook

    born = birth(data) if data is not None else None
    name = settings.playbook or "ema"
    try:
        changes = {key: str(value) for key, value in settings.overrides().items()}
        try:
            playbook = load_playbook(born.playbook if born else name, changes)
        except PlaybookError:  # a file of one's own, whose place the folder does not know
            playbook = load_playbook(name, changes)
    except PlaybookError as error:
        return Finding("FAIL", "playbook", str(error)), ()
    changed = ", ".join(f"{key}={value}" for key, value in playbook.settings.items())
    return Finding("ok", "playbook", f"{playbook.name}{f' with {changed}' if changed else ''}"), playbook.symbols


def _folder(data: Path, why: str, settings: Settings) -> list[Finding]:
    free = shutil.disk_usage(data).free
    level: Level = "ok" if free > GIB else "FAIL"
    found = [Finding(level, "data folder", f"{data} ({why}), {free / GIB:,.1f} GiB free")]
    found.append(_running(data))
    found.append(_ledger(data))
    found.append(_database(data, settings))
    return found


def _running(data: Path) -> Finding:
    presence = folders.presence(data)
    if presence is None:
        return Finding("note", "desk", "not running")
    try:
        answer = ask(presence.socket, {"command": "status"})
    except CliError as error:
        return Finding("FAIL", "desk", f"process {presence.pid} is there but does not answer: {error}")
    return Finding("ok", "desk", f"process {presence.pid} runs: {answer['lines'][0]}")


def _ledger(data: Path) -> Finding:
    from engine import LedgerError, verify

    path = data / "ledger.sqlite"
    if not path.exists():
        return Finding("note", "ledger", "none yet; the first start makes it")
    try:
        verified = verify(path)
    except LedgerError as error:
        return Finding("FAIL", "ledger", str(error))
    return Finding("FAIL" if verified.bad_seq is not None else "ok", "ledger", verified.sentence)


def _database(data: Path, settings: Settings) -> Finding:
    from engine import StoreError, look_at_database

    url = settings.database_url.get_secret_value() if settings.database_url else None
    try:
        return Finding("ok", "database", look_at_database(url, data))
    except StoreError as error:
        return Finding("FAIL", "database", f"{error}; the desk would trade on and write later")


async def _market(settings: Settings, symbols: tuple[str, ...]) -> Finding:
    from bot.market_choice import reasons
    from engine import feed_named, prepared

    feed = feed_named("kraken", ws_url=settings.kraken_ws_url, rest_url=settings.kraken_rest_url)
    try:
        found = await prepared(feed, symbols or ("BTC/USD",))
    finally:
        await feed.close()
    absent = feed.status().refused_symbols
    if found is None and not absent:
        return Finding(
            "note", "market", f"Kraken at {settings.kraken_rest_url} does not answer; --feed simulated needs none"
        )
    if found is None or absent:
        return Finding("note", "market", f"Kraken answers, but does not carry {reasons(absent, len(absent))}")
    return Finding("ok", "market", f"Kraken answers and carries all {len(found)} symbols")


async def _massive(settings: Settings, symbols: tuple[str, ...]) -> Finding:
    from bot.market_choice import massive_access, reasons
    from engine import feed_named, prepared

    feed = feed_named("massive", massive=massive_access(settings))
    try:
        found = await prepared(feed, symbols or ("BTC/USD",))
    finally:
        await feed.close()
    absent = feed.status().refused_symbols
    if found is None:
        away = f"Massive at {settings.massive_rest_url} does not answer"
        return (
            Finding("FAIL", "massive", f"no prices of {reasons(absent)}")
            if absent
            else Finding("note", "massive", away)
        )
    if absent:
        return Finding("note", "massive", f"Massive takes the key, but does not carry {reasons(absent, len(absent))}")
    return Finding("ok", "massive", f"Massive takes the key and carries all {len(found)} symbols")


async def _slack(settings: Settings) -> Finding:
    from bot.app import slack_client
    from bot.connection import NotReached, SlackRefused, check
    from bot.workspace import require_both_tokens

    try:
        require_both_tokens(settings)
    except CliError as error:
        return Finding("FAIL", "slack", str(error))
    if settings.slack_bot_token is None or settings.slack_app_token is None:
        return Finding("note", "slack", "no tokens are set: the desk opens its sandbox workspace")
    channels = {
        "signals": settings.channel_signals,
        "reports": settings.channel_reports,
        "alerts": settings.channel_alerts,
    }
    client = slack_client(settings.slack_bot_token.get_secret_value(), settings.slack_api_url)
    try:
        joined = await check(client, settings.slack_app_token.get_secret_value(), channels)
    except (SlackRefused, NotReached) as error:
        return Finding("FAIL", "slack", str(error))
    return Finding(
        "ok", "slack", f"both tokens and {len(channels)} channels of {joined.team_name or joined.team} are good"
    )
