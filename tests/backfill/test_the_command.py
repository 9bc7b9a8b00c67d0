"""`nightdesk backfill` as a person runs it: a process of its own, a vendor or its files, a real database."""

from __future__ import annotations

import gzip
import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bot.__main__ import main
from engine.domain import Symbol, instant
from engine.ports import BarColumns
from engine.store.database import Database, open_database
from engine.store.embedded import EmbeddedPostgres
from engine.store.folder import lock_folder
from engine.store.reading import read_bars
from tests.backfill.made import DAY, START, bars_of
from tests.e2e.desk import ROOT, command, environment
from tests.servers.kraken import KrakenServer
from tests.servers.massive import MassiveServer
from tests.servers.venue_thread import VenueThread

MINUTE_US = 60_000_000
FOLDER_DAYS = 8
COINS = tuple(f"{base}/USD" for base in ("BTC", "ETH", "SOL", "ADA", "DOT", "LTC", "XRP", "UNI", "ATOM", "LINK"))


@pytest.fixture(autouse=True)
def needs_postgres(programs: Path) -> None:
    """Skip where no embedded PostgreSQL can run."""


@contextmanager
def stored(data: Path) -> Iterator[Database]:
    database = open_database(None, data)
    yield database
    database.close()


def assert_stored(data: Path, truth: Mapping[Symbol, BarColumns]) -> None:
    with stored(data) as database:
        for symbol, expected in truth.items():
            bars = read_bars(database, "live", symbol, expected.interval, START - DAY, START + 60 * DAY)
            for name in ("time", "open", "high", "low", "close", "volume"):
                assert np.array_equal(getattr(bars, name), getattr(expected, name)), (symbol, name)


def aggregates(bars: BarColumns) -> list[dict[str, float]]:
    """Bars as the vendor's REST interface has them."""
    names = {"v": "volume", "o": "open", "c": "close", "h": "high", "l": "low", "vw": "vwap", "n": "trades"}
    rows = zip(*(getattr(bars, name).tolist() for name in names.values()), strict=True)
    opened = (bars.time - MINUTE_US) // 1000
    return [{**dict(zip(names, row, strict=True)), "t": int(t)} for t, row in zip(opened, rows, strict=True)]


def flat_files(folder: Path, truth: Mapping[Symbol, BarColumns]) -> Path:
    """Bars as the vendor's files have them, one a day."""
    lines: dict[str, list[str]] = {}
    for symbol, bars in truth.items():
        ticker = "X:" + symbol.replace("/", "-")
        for row, close_time in enumerate(bars.time.tolist()):
            opened = close_time - MINUTE_US
            prices = (bars.volume[row], bars.open[row], bars.close[row], bars.high[row], bars.low[row])
            text = ",".join([ticker, *map(repr, map(float, prices)), str(opened * 1000), str(int(bars.trades[row]))])  # type: ignore[index]
            lines.setdefault(f"{instant(opened):%Y-%m-%d}", []).append(text)
    folder.mkdir()
    header = "ticker,volume,open,close,high,low,window_start,transactions"
    for day, rows in lines.items():
        (folder / f"{day}.csv.gz").write_bytes(gzip.compress("\n".join([header, *rows, ""]).encode(), 1))
    return folder


def request(source: str, data: Path, symbols: tuple[Symbol, ...], days: int, *more: str) -> list[str]:
    span = ["--from", f"{START:%Y-%m-%d}", "--to", f"{START + days * DAY:%Y-%m-%d}"]
    return ["backfill", "--source", source, "--symbols", ",".join(symbols), *span, "--data-dir", str(data), *more]


def test_a_vendors_bars_end_in_the_database_as_they_are(tmp_path: Path) -> None:
    truth = {symbol: bars_of(symbol, 3 * 1440) for symbol in COINS[:3]}
    data, report = tmp_path / "data", tmp_path / "report.json"
    with VenueThread(MassiveServer([symbol.replace("/", "-") for symbol in truth], page=1000)) as vendor:
        for symbol, bars in truth.items():
            vendor.server.bars["X:" + symbol.replace("/", "")] = aggregates(bars)
        words = request("massive", data, (*truth, "XYZ/USD"), 3, "--report", str(report))
        done = command(*words, home=tmp_path, **vendor.settings)

    assert done.returncode == 0, done.stderr
    assert "12,960 new" in done.stdout
    assert "absent      XYZ/USD" in done.stdout
    told = json.loads(report.read_text())
    assert (told["fate"], told["rows"], told["gaps"]["no trades"]) == ("done", 12960, {"stretches": 0, "bars": 0})
    assert_stored(data, truth)
    assert EmbeddedPostgres(data).pid() is None  # nothing is left running


class Running:
    """The command in a process of its own, told apart by its lines of JSON."""

    def __init__(self, home: Path, words: list[str], **settings: str) -> None:
        line = [sys.executable, "-m", "bot", *words, "--progress", "json"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(line, cwd=ROOT, env=environment(home, **settings), **pipes)  # type: ignore[call-overload]

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        """What still runs is ended, and its pipes are closed."""
        self.process.kill()
        self.process.__exit__(None, None, None)

    def until(self, done: int) -> dict[str, Any]:
        """Read on until so many pieces are done; the last thing said."""
        for line in self.process.stdout:
            told: dict[str, Any] = json.loads(line)
            if told.get("progress", {}).get("done", 0) >= done:
                return told
        raise AssertionError(self.process.stderr.read())


def test_killed_in_the_middle_it_goes_on_and_nothing_is_half_there_or_doubled(tmp_path: Path) -> None:
    truth = {symbol: bars_of(symbol, FOLDER_DAYS * 1440) for symbol in COINS}
    folder, data = flat_files(tmp_path / "files", truth), tmp_path / "data"
    words = request(f"massive-files:{folder}", data, COINS, FOLDER_DAYS)
    with Running(tmp_path, words) as running:
        running.until(done=2)
        running.process.kill()

    with stored(data) as database, database.connect() as connection:
        counted = "SELECT count(*), count(DISTINCT (symbol, time)) FROM bars WHERE interval = '1m'"
        (rows, distinct) = connection.execute(counted).fetchone() or (0, 0)
        (marked,) = connection.execute("SELECT count(*) FROM backfill_pieces").fetchone() or (0,)
    assert rows == distinct == marked * 1440 * len(COINS)
    assert 2 <= marked < FOLDER_DAYS
    done = command(*words, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"({marked} by an earlier run)" in done.stdout
    assert_stored(data, truth)


def test_an_interrupt_or_the_end_of_its_input_ends_it_cleanly(tmp_path: Path) -> None:
    """At a venue that takes a request a second, so that it is in the middle of its work."""
    with VenueThread(KrakenServer(["BTC/USD"])) as venue:
        for end in (lambda one: one.send_signal(signal.SIGINT), lambda one: one.stdin.close()):
            words = request("kraken", tmp_path / "data", COINS[:1], 50)
            with Running(tmp_path, words, **venue.settings) as running:
                running.until(done=1)
                end(running.process)
                said = running.process.stdout.read()
                assert running.process.wait(30) == 130
                assert "goes on from here" in running.process.stderr.read()
            assert json.loads(said.splitlines()[-1])["result"]["fate"] == "cancelled"
    open_database(None, tmp_path / "data").close()  # a program's job leaves the server to its desk


def test_beside_a_desk_the_server_is_shared_and_stays(tmp_path: Path) -> None:
    truth = {symbol: bars_of(symbol, 1440) for symbol in COINS[:2]}
    folder, data = flat_files(tmp_path / "files", truth), tmp_path / "data"
    data.mkdir()
    with lock_folder(data):  # as a running desk holds it
        database = open_database(None, data)
        done = command(*request(f"massive-files:{folder}", data, COINS[:2], 1), home=tmp_path)

        assert done.returncode == 0, done.stderr
        bars = read_bars(database, "live", COINS[0], timedelta(minutes=1), START, START + DAY)
        assert len(bars.time) == 1440
        assert database.server is not None
        assert database.server.pid() is not None
        database.close()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--source", "nowhere"], "there is no source 'nowhere'"),
        (["--source", "files:/no/such/folder"], "/no/such/folder"),
        (["--source", "massive"], "POLYGON_API_KEY"),
        (["--source", "kraken", "--interval", "7m"], "bars of 7m are not kept"),
        (["--source", "kraken", "--from", "2999-01-01"], "no closed bars"),
        (["--source", "kraken", "--playbook", "nothing"], "nothing"),
        ([], "name a --source"),
    ],
)
def test_what_cannot_be_is_one_line(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("POLYGON_API_KEY", "MASSIVE_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    code = main(["backfill", *words, "--data-dir", str(tmp_path / "data")])

    said = capsys.readouterr().err
    assert code in (1, 2)
    assert says in said
    assert len(said.strip().splitlines()) == 1


def test_the_sources_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backfill", "--list"]) == 0
    assert "massive-files:PATH" in capsys.readouterr().out


def bar_file(folder: Path, name: str, bars: BarColumns) -> Path:
    columns = {column: getattr(bars, column) for column in ("open", "high", "low", "close", "volume")}
    opened = pd.to_datetime(bars.time - MINUTE_US, unit="us", utc=True)
    pd.DataFrame({"symbol": name, "time": opened, **columns}).to_parquet(folder / "bars.parquet")
    return folder / "bars.parquet"


def test_coins_that_the_files_do_not_have_are_answered_with_the_command_that_works(tmp_path: Path) -> None:
    truth = {"BTC/USDT": bars_of("BTC/USDT", 1440)}
    data, file = tmp_path / "data", bar_file(tmp_path, "BTCUSDT", truth["BTC/USDT"])
    words = request(f"files:{file}", data, ("BTC/USD",), 1)

    refused = command(*words, home=tmp_path)

    assert refused.returncode == 1
    assert "goes on" not in refused.stderr
    advised = refused.stderr.partition("ask for what it has: nightdesk ")[2].strip()
    assert "--symbols BTC/USDT" in advised
    done = command(*shlex.split(advised), home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert_stored(data, truth)


def test_files_are_taken_whole_where_nothing_narrows_them_down(tmp_path: Path) -> None:
    truth = {"BTC/USDT": bars_of("BTC/USDT", 2 * 1440)}
    data, file = tmp_path / "data", bar_file(tmp_path, "BTCUSDT", truth["BTC/USDT"])

    done = command("backfill", "--source", f"files:{file}", "--data-dir", str(data), home=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "2,880 new" in done.stdout
    assert f"{START:%Y-%m-%d %H:%M} to {START + 2 * DAY:%Y-%m-%d %H:%M} UTC" in done.stdout
    assert_stored(data, truth)


def test_broken_files_in_a_folder_are_a_line_each_and_the_rest_is_stored(tmp_path: Path) -> None:
    truth = {"BTC/USDT": bars_of("BTC/USDT", 1440)}
    data, folder = tmp_path / "data", tmp_path / "files"
    folder.mkdir()
    text = pd.read_parquet(bar_file(folder, "BTCUSDT", truth["BTC/USDT"])).to_csv(index=False)
    (folder / "latin.csv").write_bytes(text.replace("BTC", "B\u00dcC", 1).encode("latin-1"))
    (folder / "twice.csv").write_text(text.replace("low", "close", 1).replace("volume", "volume,low", 1))
    (folder / "odd\udcff.csv").write_text(text)

    done = command("backfill", "--source", f"files:{folder}", "--data-dir", str(data), home=tmp_path)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "1,440 new" in done.stdout
    failed = [line for line in done.stdout.splitlines() if line.startswith("failed")]
    for name, words in (("latin", "is not UTF-8"), ("twice", "close more than once"), ("odd", "rename it")):
        assert sum(name in line and words in line for line in failed) == 1, name
    assert_stored(data, truth)
