"""Which market and which data folder a start means: asked for, born with, or fallen back to."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot import folders
from bot.cli.errors import fail
from bot.settings import Settings
from engine import (
    PLANTED_LABEL,
    LedgerError,
    MassiveAccess,
    birth,
    champion_of,
    keeps_live_history,
    last_feed,
    playbook_names,
    require_share,
)
from engine.domain import MarketKind, Symbol
from engine.messages import Born

log = logging.getLogger(__name__)

DEFAULT_PLAYBOOK = "ema"
WITH_MODELS = ("direction", "trend")
SPEEDS = {MarketKind.SIMULATED: 60.0, MarketKind.REPLAY: 1.0}
SHOWN = 5  # symbols of one reason
FASTEST = 600.0  # desk seconds per real second
LIVE = ("kraken", "massive")
DEFAULT_FEED = {MarketKind.LIVE: "kraken", MarketKind.SIMULATED: "simulated"}


@dataclass(frozen=True, slots=True)
class Choice:
    """`may_fall_back`: nothing was asked for, so an unreachable market may become the simulated one.

    `instead_of`: the feed that could not be reached, where this is what it fell back to.
    `planted`: the known edge of a simulated market, as the share of right answers that can be had.
    """

    data: Path
    feed: str
    kind: MarketKind
    speed: float
    may_fall_back: bool
    planted: float | None = None
    instead_of: str = ""

    @property
    def label(self) -> str:
        """What every message must say, "" on a live market."""
        if self.planted is not None:
            return PLANTED_LABEL
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


def choose(
    playbook: str,
    feed: str | None,
    speed: float | None,
    data_dir: Path | None,
    sandbox: bool,
    planted: float | None = None,
) -> Choice:
    """Decide from what was asked for (`None`: not asked) and what the data folder was born as."""
    born = birth(data_dir) if data_dir else None
    asked = feed or ("simulated" if planted is not None else _feed_born(born, data_dir) if born else "kraken")
    kind = kind_of(asked)
    _require_simulated(kind, asked, planted)
    data = data_dir or folder_of(playbook, kind, planted)
    born = born or birth(data)
    if born:
        planted = born.planted if planted is None else planted
        _require_same(born, data, playbook, kind, planted)
        if feed is None and kind is MarketKind.LIVE:
            asked = last_feed(data) or asked  # a desk goes on with the feed that it had
    elif kind is not MarketKind.LIVE and keeps_live_history(data):
        fail(
            f"data folder {data} has history of the live market, brought by a backfill; a desk on a "
            f"{_world(kind, planted)} market keeps out of it: name another folder with --data-dir, or none"
        )
    other = data_dir is None or not keeps_live_history(data)  # the folder that a fallback would work in
    fall_back = feed is None and sandbox and born is None and planted is None and other
    return Choice(data, asked, kind, _speed(kind, speed), fall_back, planted)


def playbook_of(data_dir: Path | None) -> str:
    """The playbook of a start that names none: the one that its folder was born for, else `ema`. Raises `CliError`."""
    born = birth(data_dir) if data_dir else None
    if born and born.playbook not in playbook_names():
        fail(
            f"data folder {data_dir} was born for the playbook {born.playbook}, which is a file of your own; name it "
            "with --playbook FILE.yaml"
        )
    return born.playbook if born else DEFAULT_PLAYBOOK


def folder_of(playbook: str, kind: MarketKind, planted: float | None = None) -> Path:
    """The usual data folder; each planted edge is a world of its own."""
    return folders.folder_for(playbook, str(kind) if planted is None else f"planted-{100 * planted:g}")


def _require_simulated(kind: MarketKind, feed: str, planted: float | None) -> None:
    if planted is None:
        return
    if kind is not MarketKind.SIMULATED:
        fail(f"--planted {planted:g} is an edge of the simulated market; use it with --feed simulated, not {feed}")
    require_planted(planted)


def require_planted(planted: float | None) -> None:
    """Raise `CliError` for a share of right answers that cannot be planted."""
    try:
        if planted is not None:
            require_share(planted)
    except ValueError as error:
        fail(f"--planted: {error}", code=2)


def _require_same(born: Born, data: Path, playbook: str, kind: MarketKind, planted: float | None) -> None:
    if (born.kind, born.playbook, born.planted) != (kind, playbook, planted):
        fail(
            f"data folder {data} was born {_world(born.kind, born.planted)} for playbook {born.playbook} and never "
            f"changes; name another with --data-dir to run {playbook} on a {_world(kind, planted)} market"
        )


def _world(kind: MarketKind, planted: float | None) -> str:
    return str(kind) if planted is None else f"{kind} (planted edge {planted:.0%})"


def fallen_back(playbook: str, data_dir: Path | None) -> Choice:
    """The simulated market in place of an unreachable live one."""
    kind = MarketKind.SIMULATED
    data = data_dir or folders.folder_for(playbook, kind)
    return Choice(data, "simulated", kind, SPEEDS[kind], False, instead_of=DEFAULT_FEED[MarketKind.LIVE])


def promoted_elsewhere(kind: MarketKind) -> str:
    """The playbook of whose own desk on such a market a model has been promoted; "" when there is none."""
    for name in WITH_MODELS:
        try:
            if champion_of(folder_of(name, kind), name):
                return name
        except LedgerError as error:
            log.warning("whether a model of %s is promoted is not known: %s", name, error)
    return ""


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


def reasons(refused: Mapping[Symbol, str], shown: int = SHOWN) -> str:
    """Symbols with what keeps them away; of those that share a reason the first `shown` are named, the rest counted."""
    shared: dict[str, list[Symbol]] = {}
    for symbol, why in refused.items():
        shared.setdefault(why, []).append(symbol)
    return ", ".join(f"{_some(symbols, shown)} ({why})" for why, symbols in shared.items())


def _some(symbols: Sequence[Symbol], shown: int) -> str:
    more = f" and {len(symbols) - shown} more" if len(symbols) > shown else ""
    return ", ".join(symbols[:shown]) + more


def _feed_born(born: Born, data: Path | None) -> str:
    if born.kind is MarketKind.REPLAY:
        fail(f"data folder {data} replays a record; name it with --feed replay:PATH")
    return DEFAULT_FEED[born.kind]


def _speed(kind: MarketKind, speed: float | None) -> float:
    if kind is MarketKind.LIVE:
        if speed is not None and speed != 1:
            fail(f"--speed {speed:g} is for the simulated market and replays; a live feed runs at the speed of life")
        return 1.0
    if speed is not None and not 0 < speed <= FASTEST:
        fail(f"--speed was {speed:g}; use a number above 0 and at most {FASTEST:g}: beyond it minutes outrun analysis")
    return speed or SPEEDS[kind]
