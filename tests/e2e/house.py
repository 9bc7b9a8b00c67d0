"""A whole desk, Slack side and sandbox included, on a thread of this process: its clock and its market are ours."""

from __future__ import annotations

import asyncio
import io
import threading
import uuid
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from bot.house import House
from bot.progress import Progress
from bot.settings import Settings
from bot.workspace import Workspace
from engine import Terms, TickTerms, birth, compile_core, load_playbook, prepared
from engine.domain import MarketKind
from engine.ports import Feed
from tests.e2e.desk import Driver

T = TypeVar("T")
BRISK = str(Path(__file__).with_name("brisk.yaml"))
NOWHERE = "postgresql://nobody@127.0.0.1:9/none"  # the desk trades on without a database, and starts at once
NOBODY = "http://127.0.0.1:9"  # no second source either: no test asks the real one


class HouseThread(Driver):
    """Opens a `House` around `feed`, as `nightdesk run` does, and closes it."""

    def __init__(self, data: Path, feed: Feed, kind: MarketKind, **settings: str) -> None:
        data.mkdir(exist_ok=True)
        self.data = data
        self._feed = feed
        self._kind = kind
        self._settings = Settings(_env_file=None, **{"database_url": NOWHERE, "kraken_rest_url": NOBODY, **settings})
        self._out = io.StringIO()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="house", daemon=True)

    def __enter__(self) -> HouseThread:
        compile_core(lambda share, what: None)
        self._thread.start()
        self.house: House = self._on_loop(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._on_loop(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def output(self) -> str:
        return self._out.getvalue()

    def _on_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    async def _open(self) -> House:
        playbook = load_playbook(BRISK)
        found = await prepared(self._feed, playbook.symbols)
        label = "" if self._kind is MarketKind.LIVE else str(self._kind)
        self._workspace = await Workspace.open(self._settings, self.data, label, 0, self._out)
        house = House(self._feed, self._terms(playbook, label, found or {}), self._workspace, debug=False)
        await house.open(found, Progress(self._out))
        return house

    def _terms(self, playbook: Any, label: str, found: Mapping[str, object]) -> Terms:
        born = birth(self.data)
        return Terms(
            data=self.data,
            desk_id=born.desk_id if born else uuid.uuid4().hex[:12],
            kind=self._kind,
            label=label,
            playbook=playbook,
            symbols=tuple(found) or playbook.symbols,
            timezone=self._settings.timezone,
            version="test",
            platform="test",
            database_url=NOWHERE,
            settings=playbook.settings,
            ticks=TickTerms("segments"),
        )

    async def _close(self) -> None:
        await self.house.close("the test is over")
        await self._workspace.close()
