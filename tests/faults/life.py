"""One life of a real desk in leaping time: the feed's client, decoding, bars, inbox, Trader, ledger and database are
the product's own; the socket, HTTP and the clock are the only things made up."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from engine import healing
from engine.clock import Clock
from engine.domain import Role
from engine.inbox import Inbox
from engine.market import connection, past
from engine.market.kraken import KrakenFeed
from engine.market.kraken_rest import KrakenRest
from engine.market.second_source import KrakenQuotes
from engine.messages import Acked, Analysis, Message, Minute, Press
from engine.outcomes import OrderIntended, ProposalOpened
from engine.playbook import parse
from engine.records import Record
from engine.runtime import Desk, Terms
from engine.store import projections
from engine.store.embedded import EmbeddedPostgres
from engine.supply import prepared
from tests.faults.journal import Journal
from tests.faults.truth import PAIRS, Truth
from tests.faults.venue import Venue
from tests.faults.virtual import LeapingClock, LeapingLoop
from tests.faults.weather import Life, Weather

PLAYBOOK = """
name: faults
description: averages so short that many a bar is a signal
universe: [BTC/USD, ETH/USD, XMR/USD]
capital: 1000
interval: 1m
strategies:
  - name: ema
    strategy: ema
    parameters: {fast: 2, slow: 4}
    minimum_bars: 5
    sizing: {policy: fixed, amount: 100}
    exits: {stop: {percent: 1 %}}
costs: {fee: 0.1 %, slippage: 0.1 %}
volume_share: none
limits: {max_per_symbol: 1}
approval: {tier: propose}
proposal: {max_life: 2 min, max_drift: 1 %, rest_after_rejection: 1 min, max_cards_per_hour: 1000}
quality: {good_minutes: 3}
"""
KILLED_AT_WORK = 0.6  # share of the kills
PATIENCE = 30.0  # real seconds for the database to have everything


@dataclass(frozen=True, slots=True)
class Scene:
    """What a run is made of. `database` is its address, or None for the desk's own embedded server."""

    seed: int
    folder: Path
    truth: Truth
    weather: Weather
    database: str | None
    admin: str = ""  # from where the database is shut and opened; "" where the server itself is killed
    name: str = ""


def live(scene: Scene, life: Life) -> Venue:
    """Run the desk for one life; for one that ends with a kill this does not return."""
    loop = LeapingLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(_Stage(scene, life, loop).play())
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


class _Stage:
    def __init__(self, scene: Scene, life: Life, loop: LeapingLoop) -> None:
        self.scene, self.life, self.loop = scene, life, loop
        self.clock: Clock = LeapingClock(loop, life.since)
        self.journal = Journal(scene.folder)
        self.venue = Venue(scene.truth, scene.weather, self.clock, scene.seed, self.journal)
        self.dice = random.Random(f"person {scene.seed} {life.since}")
        self.counting = threading.Lock()
        self.owed = 0  # what was put in and is not on record yet, and answers that are still to come
        self._patch()
        self._count_messages()
        self.feed = KrakenFeed(
            self.clock, ws_url="ws://127.0.0.1:1/v2", rest_url="http://127.0.0.1:1", dice=random.Random(scene.seed)
        )
        self.desk = Desk(self._terms(), self.feed, lambda *_: ())
        self.desk.compare_with(KrakenQuotes("http://127.0.0.1:1", self.clock), 0.01)
        self.desk.storage._retry = 0.05
        self.desk.on_record(self._recorded)
        self._note_minutes()
        loop.leaping.busy = self._is_busy

    def _patch(self) -> None:
        venue = self.venue

        async def fetch(_self: KrakenRest, call: str, params: dict[str, str]) -> object:
            return await venue.rest(call, params)

        connection.connect, connection.monotonic = venue.connect, self.loop.time
        connection.TEND_EVERY = past.BEAT = 1.0
        KrakenRest._fetch = fetch
        projections._BACK_OFF = (0.02, 0.05, 0.1)
        healing.AGAIN = timedelta(minutes=1)

    def _terms(self) -> Terms:
        return Terms(
            data=self.scene.folder,
            desk_id=f"faults{self.scene.seed}",
            kind=self.feed.kind,
            label="",
            playbook=parse(PLAYBOOK, source="faults"),
            symbols=tuple(PAIRS),
            timezone="UTC",
            version="faults",
            platform="faults",
            database_url=self.scene.database,
            settings={},
        )

    # ------------------------------------------------------------ when time may leap

    def _count_messages(self) -> None:
        submit, stage = Inbox.submit, self

        def counted(inbox: Inbox, message: Message) -> object:
            # a minute owes an analysis too; an analysis and an acknowledgement are answers that were owed
            stage._owe(1 + isinstance(message, Minute) - isinstance(message, Analysis | Acked))
            future = submit(inbox, message)
            future.add_done_callback(lambda _: stage._owe(-1))
            return future

        Inbox.submit = counted  # type: ignore[method-assign]

    def _note_minutes(self) -> None:
        sink = self.desk._supply.sink
        deliver = sink.on_minute

        def noted(minute: Minute) -> None:
            self.journal.closed(minute.at)
            deliver(minute)

        sink.on_minute = noted  # type: ignore[method-assign]

    def _owe(self, count: int) -> None:
        with self.counting:
            self.owed += count

    def _is_busy(self) -> bool:
        return bool(self.loop.working or self.owed > 0 or self.desk.waiting())

    def _recorded(self, record: Record) -> None:
        self._owe(sum(isinstance(outcome, OrderIntended) for outcome in record.outcomes))
        for outcome in record.outcomes:
            if isinstance(outcome, ProposalOpened) and self.dice.random() < 0.8:
                it = outcome.proposal
                self.loop.call_soon_threadsafe(self._approve_later, it.id, it.revision)

    def _approve_later(self, proposal: str, revision: int) -> None:
        self.loop.call_later(self.dice.uniform(0.5, 40), self._approve, proposal, revision)

    def _approve(self, proposal: str, revision: int) -> None:
        self.desk.submit(Press(self.clock.now(), "approve", proposal, revision, "U_TRADER", Role.TRADER))

    # ------------------------------------------------------------ the life

    async def play(self) -> Venue:
        weathering = asyncio.create_task(self._database_weather())
        found = await prepared(self.feed, tuple(PAIRS))
        await self.desk.start(found, lambda _: None)
        at_work = random.Random(f"kill {self.scene.seed} {self.life.since}")
        hitting = asyncio.create_task(self._kill_at_work(at_work)) if at_work.random() < KILLED_AT_WORK else None
        await self._sleep_until(self.life.until)
        if self.life.end == "kill":
            time.sleep(self.dice.choice((0, 0.003)) * self.dice.random())
            os.kill(os.getpid(), signal.SIGKILL)
        if hitting is not None:
            hitting.cancel()
        weathering.cancel()
        with suppress(asyncio.CancelledError):
            await weathering
        if self.life.end == "end":
            await self._everything_written()
        await self.desk.stop("the life is over")
        await self.desk.close()
        return self.venue

    async def _kill_at_work(self, dice: random.Random) -> None:
        """No quiet instant, but whatever the desk and its threads are at after some real time: a minute's close, a row
        half written, a gap half healed."""
        if self.life.end != "kill":
            return
        await self._sleep_until(self.life.until - timedelta(seconds=dice.uniform(2, 60)))
        delay = dice.uniform(0, 0.15)

        def kill() -> None:
            time.sleep(delay)
            os.kill(os.getpid(), signal.SIGKILL)

        threading.Thread(target=kill, daemon=True).start()

    async def _sleep_until(self, at: datetime) -> None:
        await asyncio.sleep(max(0.0, (at - self.clock.now()).total_seconds()))

    async def _everything_written(self) -> None:
        """The database is there; what is left is written and healed, while the market goes on for some minutes."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            await asyncio.to_thread(self._wait_for_level, until)
            await self.desk.healer.look()
            if not self.desk.storage.unhealed() and not self.desk.healer.status().unread:
                return
            await asyncio.sleep(15)
        raise AssertionError(f"not everything was written: {self.desk.storage.status()} {self.desk.healer.status()}")

    def _wait_for_level(self, until: float) -> None:
        while not self.desk.storage.is_level() and time.monotonic() < until:
            time.sleep(0.005)

    async def _database_weather(self) -> None:
        """Shut and open the database as the weather says; it is open at the beginning and at the end of the run."""
        edges = sorted((at, is_shut) for start, end in self.scene.weather.database_away
                       for at, is_shut in ((start, True), (end, False)))  # fmt: skip
        now = self.clock.now()
        if self.scene.admin:
            await asyncio.to_thread(_shut, self.scene, [shut for at, shut in edges if at <= now][-1:] == [True])
        for at, is_shut in edges:
            if at > now:
                await self._sleep_until(at)
                await asyncio.to_thread(_shut if self.scene.admin else _kill_server, self.scene, is_shut)


def _kill_server(scene: Scene, shut: bool) -> None:
    """The desk's own server dies as it would of a lack of memory; the desk brings it back by itself."""
    pid = EmbeddedPostgres(scene.folder).pid()
    if shut and pid is not None:
        os.kill(pid, signal.SIGKILL)


def _shut(scene: Scene, shut: bool) -> None:
    with psycopg.connect(scene.admin, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {scene.name} ALLOW_CONNECTIONS {not shut}".encode())
        if shut:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (scene.name,)
            )
            time.sleep(0.03)
