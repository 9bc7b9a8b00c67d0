"""Runs one after the other in forked processes: each life of a desk is a process of its own, and may be killed."""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from engine.analyst import Analyst
from engine.clock import monotonic
from engine.domain import BarQuality, Instrument, MarketKind
from engine.messages import Born, Minute, Started
from engine.playbook import parse
from engine.store.database import Connection, Database
from engine.store.embedded import EmbeddedPostgres
from engine.store.migrating import migrate
from engine.trader import Trader
from tests.faults.check import faults_of
from tests.faults.life import PLAYBOOK, Scene, live
from tests.faults.truth import MINUTE, PAIRS, Truth
from tests.faults.venue import pieces
from tests.faults.weather import Life, weather_of

DAY = datetime(2026, 3, 2, tzinfo=UTC)
BEFORE = timedelta(minutes=90)
OWN_SERVER = 25  # every so many-eth run has a database server of its own, which is killed (-9) in place of being shut
SLOW = 40  # real seconds: one life never takes so long


class Runner:
    """One database server for many runs, each with a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server = EmbeddedPostgres(folder / "server")
        (folder / "server").mkdir(parents=True)
        self._server.start()
        _in_child(self._prepare)
        warm()

    def close(self) -> None:
        self._server.stop()

    def run(self, seed: int, minutes: int) -> dict[str, object]:
        """One run from its seed; its faults in words, and what it had in it."""
        began = monotonic()
        since = DAY + timedelta(minutes=(seed * 37) % 1380)
        until = since + timedelta(minutes=minutes)
        truth = Truth(seed, since - BEFORE, until + timedelta(minutes=30))
        name = f"run_{seed}"
        folder = self.folder / name
        folder.mkdir()
        weather, own = weather_of(seed, since, until), seed % OWN_SERVER == 0
        place = (None, "") if own else (self._address(name), self._server.conninfo)
        scene = Scene(seed, folder, truth, weather, *place, name)
        if not own:
            _in_child(lambda: self._create(name))
        for life in scene.weather.lives:
            _in_child(lambda one=life: self._live(scene, one), killed=life.end == "kill")
        result = json.loads((folder / "result.json").read_text())
        result |= {"seed": seed, "kinds": sorted(set(pieces(scene.weather))), "seconds": round(monotonic() - began, 2)}
        if not own:
            _in_child(lambda: self._drop(name))
        if not result["faults"]:
            shutil.rmtree(folder)
        return result

    # ------------------------------------------------------------ in children: this process has no thread to lose

    def _prepare(self) -> None:
        with psycopg.connect(self._server.conninfo, autocommit=True) as connection:
            for setting in ("fsync", "full_page_writes"):  # what it holds is thrown away
                connection.execute(f"ALTER SYSTEM SET {setting} = off".encode())
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE DATABASE blank TEMPLATE template0")
        migrate(Database(self._conninfo("blank"), "blank"))

    def _create(self, name: str) -> None:
        with psycopg.connect(self._server.conninfo, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE blank".encode())

    def _drop(self, name: str) -> None:
        with psycopg.connect(self._server.conninfo, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def _live(self, scene: Scene, life: Life) -> None:
        venue = live(scene, life)
        if life.end != "end":
            return
        with self._reading(scene) as connection:
            faults, counts = faults_of(scene.folder, connection, f"faults{scene.seed}", scene.truth)
        counts.update({f"frames {name}": count for name, count in venue.sent.items()})
        (scene.folder / "result.json").write_text(json.dumps({"faults": faults, "counts": dict(counts)}))

    @contextmanager
    def _reading(self, scene: Scene) -> Iterator[Connection]:
        own = EmbeddedPostgres(scene.folder) if scene.database is None else None
        if own is not None:
            own.start()
        try:
            with psycopg.connect(own.conninfo if own else self._conninfo(scene.name)) as connection:
                yield connection
        finally:
            if own is not None:
                own.stop()

    def _conninfo(self, name: str) -> str:
        return psycopg.conninfo.make_conninfo(self._server.conninfo, dbname=name)

    def _address(self, name: str) -> str:
        parts = psycopg.conninfo.conninfo_to_dict(self._server.conninfo)
        return f"postgresql://{parts['user']}@/{name}?host={parts['host']}"


def warm() -> None:
    """Load the compiled code once, for all forks."""
    playbook = parse(PLAYBOOK, source="faults")
    instruments = tuple(Instrument(symbol) for symbol in PAIRS)
    trader, analyst = Trader(), Analyst(playbook, tuple(PAIRS))
    trader.on(Born(DAY, "warm", MarketKind.LIVE, "faults", "0" * 64))
    trader.on(Started(DAY, "0", {"timezone": "UTC", "speed": "1"}, tuple(PAIRS), PLAYBOOK, instruments))
    for number in range(1, 9):
        price = (100.0 + number % 3,) * len(PAIRS)
        grades = (BarQuality.GOOD.value,) * len(PAIRS)
        minute = Minute(DAY + number * MINUTE, tuple(PAIRS), price, price, price, price, price, grades)
        trader.on(minute)
        trader.on(analyst.on(minute))


def _in_child(work: Callable[[], object], *, killed: bool = False) -> None:
    """Do it in a fork of this process. Raises when that ends otherwise than it should."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        try:
            faulthandler.dump_traceback_later(SLOW, exit=True)
            work()
            sys.stderr.flush()
            os._exit(0)
        except BaseException:  # noqa: BLE001 (a fork must never go on as its parent)
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code != (-signal.SIGKILL if killed else 0):
        raise RuntimeError(f"a life of the desk ended with {code}")


@contextmanager
def runner() -> Iterator[Runner]:
    folder = Path(tempfile.mkdtemp(prefix="nightdesk-faults-"))
    folder.chmod(0o755)
    made = Runner(folder)
    try:
        yield made
    finally:
        made.close()
        if not any(folder.glob("run_*")):
            shutil.rmtree(folder)


def summed(results: list[dict[str, object]]) -> dict[str, object]:
    """Many runs in one account."""
    counts: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for result in results:
        counts.update(result["counts"])  # type: ignore[arg-type]
        kinds.update(result["kinds"])  # type: ignore[arg-type]
    bad = [{"seed": one["seed"], "faults": one["faults"][:5]} for one in results if one["faults"]]  # type: ignore[index]
    return {"runs": len(results), "bad": len(bad), "worst": bad[:10], "kinds": dict(kinds), "counts": dict(counts)}
