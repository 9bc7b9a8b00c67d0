"""Which market and which data folder a start means: asked for, born with, or fallen back to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot import folders
from bot.cli.errors import fail
from bot.settings import Settings
from engine import MassiveAccess, born_as
from engine.domain import MarketKind, Symbol

SPEEDS = {MarketKind.SIMULATED: 60.0, MarketKind.REPLAY: 1.0}
SHOWN = 5  # symbols of one reason
FASTEST = 600.0  # desk seconds per real second
LIVE = ("kraken", "massive")
DEFAULT_FEED = {MarketKind.LIVE: "kraken", MarketKind.SIMULATED: "simulated"}


@dataclass(frozen=True, slots=True)
class Choice:
    """`may_fall_back`: nothing was asked for, so an unreachable market may become the simulated one."""

    data: Path
    feed: str
    kind: MarketKind
    speed: float
    may_fall_back: bool

    @property
    def label(self) -> str:
        """What every message must say, "" on a live market."""
        return "" if self.kind is MarketKind.LIVE else str(self.kind)


def kind_of(feed: str) -> MarketKind:
    """The kind of market a `--feed` value names; raises `CliError` with what is allowed."""
    if feed == "simulated":
        return MarketKind.SIMULATED
    if feed.startswith("replay:") and len(feed) > len("replay:"):
        return MarketKind.REPLAY
    if feed in LIVE:
        return MarketKind.LIVE
    fail(f"--feed was {feed!r}; use kraken, massive, simulated or replay:PATH")


def choose(playbook: str, feed: str | None, speed: float | None, data_dir: Path | None, sandbox: bool) -> Choice:
    """Decide from what was asked for (`None`: not asked) and what the data folder was born as."""
    birth = born_as(data_dir) if data_dir else None
    asked = feed or (_feed_born(birth, data_dir) if birth else "kraken")
    kind = kind_of(asked)
    data = data_dir or folders.folder_for(playbook, kind)
    birth = birth or born_as(data)
    if birth and birth != (kind, playbook):
        fail(
            f"data folder {data} was born {birth[0]} for playbook {birth[1]} and never changes; "
            f"name another with --data-dir to run {playbook} on a {kind} market"
        )
    return Choice(data, asked, kind, _speed(kind, speed), feed is None and sandbox and birth is None)


def fallen_back(playbook: str, data_dir: Path | None) -> Choice:
    """The simulated market in place of an unreachable live one."""
    kind = MarketKind.SIMULATED
    data = data_dir or folders.folder_for(playbook, kind)
    return Choice(data, "simulated", kind, SPEEDS[kind], False)


def massive_access(settings: Settings) -> MassiveAccess:
    """Massive's addresses and keys, as they are set."""
    secrets = (settings.polygon_api_key, settings.massive_files_key, settings.massive_files_secret)
    key, files_key, files_secret = (secret.get_secret_value() if secret else "" for secret in secrets)
    return MassiveAccess(
        key=key,
        ws_url=settings.massive_ws_url,
        rest_url=settings.massive_rest_url,
        files_url=settings.massive_files_url,
        files_key=files_key,
        files_secret=files_secret,
    )


def reasons(refused: Mapping[Symbol, str]) -> str:
    """Symbols with what keeps them away; many that share a reason are counted."""
    shared: dict[str, list[Symbol]] = {}
    for symbol, why in refused.items():
        shared.setdefault(why, []).append(symbol)
    return ", ".join(f"{_some(symbols)} ({why})" for why, symbols in shared.items())


def _some(symbols: Sequence[Symbol]) -> str:
    more = f" and {len(symbols) - SHOWN} more" if len(symbols) > SHOWN else ""
    return ", ".join(symbols[:SHOWN]) + more


def _feed_born(birth: tuple[MarketKind, str], data: Path | None) -> str:
    if birth[0] is MarketKind.REPLAY:
        fail(f"data folder {data} replays a record; name it with --feed replay:PATH")
    return DEFAULT_FEED[birth[0]]


def _speed(kind: MarketKind, speed: float | None) -> float:
    if kind is MarketKind.LIVE:
        if speed is not None and speed != 1:
            fail(f"--speed {speed:g} is for the simulated market and replays; a live feed runs at the speed of life")
        return 1.0
    if speed is not None and not 0 < speed <= FASTEST:
        fail(f"--speed was {speed:g}; use a number above 0 and at most {FASTEST:g}: beyond it minutes outrun analysis")
    return speed or SPEEDS[kind]
