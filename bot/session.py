"""One run of the desk from the first line to the last: builds everything in order and stops it in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import signal
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

from bot import market_choice
from bot.background import in_background
from bot.cli.errors import CliError, fail
from bot.house import House
from bot.market_choice import Choice
from bot.posts import FELL_BACK, PROMOTED_ELSEWHERE
from bot.progress import Progress
from bot.settings import Settings
from bot.workspace import Workspace, require_both_tokens, require_free
from engine import (
    Playbook,
    Terms,
    TickTerms,
    birth,
    compile_core,
    feed_named,
    held_symbols,
    last_state,
    load_playbook,
    lock_folder,
    lock_token,
    meant_pair,
    prepared,
)
from engine.domain import Instrument, MarketKind, Symbol
from engine.ports import Feed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asked for; None and empty mean not asked."""

    playbook: str
    feed: str | None = None
    symbols: tuple[Symbol, ...] = ()
    speed: float | None = None
    capital: float | None = None
    data_dir: Path | None = None
    port: int | None = None
    debug: bool = False
    planted: float | None = None


@dataclass(frozen=True, slots=True)
class Market:
    """A feed that was asked what it trades; `instruments` None: it could not be reached yet."""

    choice: Choice
    feed: Feed
    symbols: tuple[Symbol, ...]
    instruments: Mapping[Symbol, Instrument] | None


@dataclass(frozen=True, slots=True)
class Question:
    """A feed that exists, its record read, and what it will be asked for; `held` must be among it."""

    choice: Choice
    feed: Feed
    held: tuple[Symbol, ...]
    symbols: tuple[Symbol, ...]


async def serve(wishes: Wishes, settings: Settings, out: TextIO) -> int:
    """Run the desk until a signal; returns the exit code. What can be known at once is checked before the compiling."""
    progress = Progress(out)
    require_both_tokens(settings)
    playbook = load_playbook(wishes.playbook, _overrides(wishes, settings))
    sandbox = not settings.has_slack
    choice = market_choice.choose(
        playbook.name, wishes.feed, wishes.speed, wishes.data_dir, sandbox, planted=wishes.planted
    )
    _require_pairs(choice, wishes.symbols, playbook.symbols)
    question = question_for(choice, playbook, wishes, settings)
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(lock_folder(choice.data))
        if settings.slack_app_token is not None:
            stack.enter_context(lock_token(settings.slack_app_token.get_secret_value()))
        workspace = None if choice.may_fall_back else await _workspace(choice, wishes, settings, out, stack)
        if choice.may_fall_back and wishes.port:
            require_free(wishes.port)
        compiling = in_background(partial(compile_core, progress.step), "compile")
        market = await open_market(question, playbook, wishes, settings, progress)
        if market.choice.data != choice.data:  # fallen back: this desk never was in that folder
            folder.release()
            stack.enter_context(lock_folder(market.choice.data))
        workspace = workspace or await _workspace(market.choice, wishes, settings, out, stack)
        await compiling
        house = House(market.feed, terms(market, playbook, settings), workspace, wishes.debug)
        return await _live(house, market, progress, workspace.page)


def _require_pairs(choice: Choice, asked: Sequence[Symbol], known: Sequence[Symbol]) -> None:
    """A name that is no pair ends the start at once; a record names its coins as it likes and is asked itself."""
    meant = {} if choice.kind is MarketKind.REPLAY else {name: meant_pair(name, known) for name in asked}
    wrong = [f"{name} is no BASE/QUOTE pair; did you mean {pair}?" for name, pair in meant.items() if pair]
    if wrong:
        fail(" ".join(wrong), code=2)


async def _workspace(
    choice: Choice, wishes: Wishes, settings: Settings, out: TextIO, stack: contextlib.AsyncExitStack
) -> Workspace:
    workspace = await Workspace.open(settings, choice.data, choice.label, wishes.port, out)
    stack.push_async_callback(workspace.close)
    return workspace


async def _live(house: House, market: Market, progress: Progress, page: str) -> int:
    """Open the house, wait for a signal, close it in order."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    try:
        await house.open(market.instruments, progress)
        progress.say(running(market.choice, page))
        await stop.wait()
    finally:
        progress.say("stopping: no new entries; delivering what is left to say")
        held = await house.close("stopped by a person")
    left = f"open positions stay as they are: {', '.join(held)}" if held else "no position is open"
    progress.say(f"stopped; {left}")
    return 0


def running(choice: Choice, page: str) -> str:
    """The last line of a start: how fast time runs, where to look, how to stop."""
    fast = "" if choice.speed == 1 else f", its time {choice.speed:g}× as fast as yours"
    look = f"; open this page: {page}" if page else ""
    return f"the desk runs{fast}; Ctrl-C stops it{look}"


def question_for(choice: Choice, playbook: Playbook, wishes: Wishes, settings: Settings) -> Question:
    """Build the feed, which reads a record's file. Raises what makes it impossible."""
    held = held_symbols(choice.data)
    wanted = (*wishes.symbols, *_left_out(held, wishes.symbols)) if wishes.symbols else ()
    feed = _feed(choice, wanted, settings)
    if hasattr(feed, "held"):  # a venue that lists what is held as closed to entries still gives its prices
        feed.held = held
    asked = tuple(getattr(feed, "symbols", ())) or wanted or playbook.symbols
    symbols = (*asked, *_left_out(held, asked))
    if not symbols:
        fail(f"playbook {playbook.name} names no symbols; name some with --symbols BTC/USD,ETH/USD")
    return Question(choice, feed, held, symbols)


async def open_market(
    question: Question, playbook: Playbook, wishes: Wishes, settings: Settings, progress: Progress
) -> Market:
    """Ask the feed what it trades; an unreachable market may become the simulated one."""
    choice, feed, symbols = question.choice, question.feed, question.symbols
    progress.say(f"{playbook.name} on {choice.feed}: asking for {len(symbols)} symbols")
    found = await prepared(feed, symbols)
    refused = feed.status().refused_symbols
    if found is None:
        await feed.close()  # given up, or asked again later: no connection stays open meanwhile
    if found is None and refused and birth(choice.data) is None:
        fail(f"{choice.feed} can trade nothing of what was asked for: {market_choice.reasons(refused)}")
    if found is None and choice.may_fall_back:
        fallback = market_choice.fallen_back(playbook.name, wishes.data_dir)
        into = f"falling back to the simulated market, in {fallback.data}"
        progress.say(f"{choice.feed} cannot be reached; {into}")
        again = question_for(fallback, playbook, wishes, settings)
        return await open_market(again, playbook, wishes, settings, progress)
    if found is None:
        why = f"trades nothing now ({market_choice.reasons(refused)})" if refused else "cannot be reached"
        progress.say(f"{choice.feed} {why}; the desk starts without prices, enters nothing and keeps trying")
        return Market(choice, feed, symbols, None)
    try:
        found |= _keep_held(choice, question.held, found, wishes.symbols or playbook.symbols or symbols, progress)
    except CliError:
        await feed.close()
        raise
    for symbol in symbols:
        if symbol in found and (barred := found[symbol].barred):
            progress.say(barred)
        elif symbol not in found:
            progress.say(f"{choice.feed} does not trade {symbol}: {refused.get(symbol, 'unknown')}")
    return Market(choice, feed, tuple(found), found)


def _keep_held(
    choice: Choice,
    held: Sequence[Symbol],
    found: Mapping[Symbol, Instrument],
    asked: Sequence[Symbol],
    progress: Progress,
) -> dict[Symbol, Instrument]:
    """What is held stays in the list, whatever was asked for. A record without it cannot watch its stop; a venue that
    no longer lists it keeps nobody from the stops of the rest: the desk starts, and raises the alarm for this one."""
    lost = [symbol for symbol in held if symbol not in found]
    if lost and choice.kind is not MarketKind.LIVE:
        fail(
            f"{choice.feed} has no prices for {', '.join(lost)}, which the desk in {choice.data} still holds; "
            "start on a feed that has them and close the positions first, or name another folder with --data-dir"
        )
    if kept := _left_out(held, asked):
        stays = "stays in the list: the desk still holds it" if len(kept) == 1 else "stay in the list: they are held"
        progress.say(f"{', '.join(kept)} {stays}")
    return {symbol: Instrument(symbol, barred=_no_prices(choice.feed, symbol)) for symbol in lost}


def _no_prices(feed: str, symbol: Symbol) -> str:
    return f"{feed} does not list {symbol}, which is held: without prices its stop cannot act, and nothing is entered"


def _left_out(held: Sequence[Symbol], asked: Sequence[str]) -> tuple[Symbol, ...]:
    """What is held and not meant by any name asked for: `ADA`, `ADAUSDT` and `ADA/USDT` all mean `ADA/USDT`."""
    names = {name.replace("/", "").upper() for name in asked}
    return tuple(symbol for symbol in held if not names & {symbol.replace("/", ""), symbol.split("/")[0]})


def _feed(choice: Choice, symbols: tuple[Symbol, ...], settings: Settings) -> Feed:
    last, closes = last_state(choice.data)
    return feed_named(
        choice.feed,
        speed=choice.speed,
        symbols=symbols,
        begin=last,
        resume=closes,
        planted=choice.planted,
        ws_url=settings.kraken_ws_url,
        rest_url=settings.kraken_rest_url,
        massive=market_choice.massive_access(settings),
    )


def terms(market: Market, playbook: Playbook, settings: Settings) -> Terms:
    """What this run of the desk is; the desk's id is its ledger's for ever."""
    choice = market.choice
    born = birth(choice.data)
    url = settings.database_url
    return Terms(
        data=choice.data,
        desk_id=born.desk_id if born else uuid.uuid4().hex[:12],
        kind=choice.kind,
        label=choice.label,
        playbook=playbook,
        symbols=market.symbols,
        timezone=settings.timezone,
        version=version("nightdesk"),
        platform=f"{platform.system()}-{platform.machine()}-py{platform.python_version()}",
        database_url=url.get_secret_value() if url else None,
        settings=playbook.settings | _elsewhere(playbook, choice) | _fell_back(choice),
        environment=settings.environment,
        ticks=TickTerms(settings.store_ticks, settings.tick_days),
        planted=choice.planted,
    )


def _elsewhere(playbook: Playbook, choice: Choice) -> dict[str, str]:
    """For a desk that trades by rule: whose own desk has a promoted model, so that the greeting can offer it."""
    found = market_choice.promoted_elsewhere(choice.kind) if playbook.model is None and choice.planted is None else ""
    return {PROMOTED_ELSEWHERE: found} if found else {}


def _fell_back(choice: Choice) -> dict[str, str]:
    return {FELL_BACK: choice.instead_of} if choice.instead_of else {}


def _overrides(wishes: Wishes, settings: Settings) -> dict[str, str]:
    overrides = {name: str(value) for name, value in settings.overrides().items()}
    if wishes.capital is not None:
        overrides["CAPITAL"] = repr(wishes.capital)
    return overrides
