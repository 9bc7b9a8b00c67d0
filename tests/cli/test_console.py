"""The local socket: every request gets a sentence, and a panic is lifted by nobody's accident."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import bot.console
from bot import folders
from bot.__main__ import parser
from bot.cli import console as client
from bot.cli.errors import CliError
from bot.console import Console, status_lines
from bot.market_choice import choose
from engine.domain import MarketKind, State
from engine.messages import Born, ClosePosition, FeedChanged, Message, Panic, Resume
from engine.outcomes import HoldLifted, Outcome
from engine.store.ledger import SqliteLedger
from tests.days.desk import snapshot
from tests.slack.desk import FakeDesk, busy, hold, position

AT = datetime(2026, 5, 1, tzinfo=UTC)
PAUSED = hold()
PANICKED = hold("PANIC", State.HALTED, "console")


def lifts(message: Message) -> Sequence[Outcome]:
    return (HoldLifted(hold(message.code or "PAUSE"), "console"),) if isinstance(message, Resume) else ()


@dataclass
class Door:
    """A served console and the two ways to it: raw lines, and the command line."""

    desk: FakeDesk
    console: Console
    data: Path

    def holding(self, *holds: Any) -> None:
        self.desk.shot = busy(holds=holds)

    async def say(self, raw: bytes) -> dict[str, Any]:
        reader, writer = await asyncio.open_unix_connection(self.console.path)
        writer.write(raw)
        writer.write_eof()
        answer = json.loads(await asyncio.wait_for(reader.readline(), 5))
        writer.close()
        return answer

    async def type(self, *words: str) -> int:
        parser = argparse.ArgumentParser()
        client.add(parser.add_subparsers(dest="command"))
        args = parser.parse_args([*words, "--data-dir", str(self.data)])
        return await asyncio.to_thread(args.func, args)

    @property
    def lifted(self) -> list[str | None]:
        return [message.code for message in self.desk.submitted if isinstance(message, Resume)]


@pytest.fixture
async def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    desk = FakeDesk()
    desk.answers = lifts
    with tempfile.TemporaryDirectory() as short:  # a socket's path has little room
        console = Console(desk, Path(short) / "desk.sock")
        await console.start()
        folders.announce(tmp_path, folders.Presence(os.getpid(), str(console.path), "ema", "simulated"))
        yield Door(desk, console, tmp_path)
        await console.stop()


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"\n", "is none of status, pause"),
        (b"\xff\xfe\n", "is none of status, pause"),
        (b"[1]\n", "is none of status, pause"),
        (b'{"command": "close", "symbol": "BTC", "fraction": "half"}\n', "close failed (ValueError"),
        (b"x" * (bot.console.MAX_LINE + 10) + b"\n", "one line of at most 64000 bytes"),
    ],
)
async def test_a_bad_request_gets_one_sentence(door: Door, raw: bytes, says: str) -> None:
    answer = await door.say(raw)

    assert answer["ok"] is False
    assert says in answer["lines"][0]


async def test_a_base_that_two_positions_share_closes_neither(door: Door) -> None:
    door.desk.shot = busy(positions=(position(), position(symbol="BTC/EUR", trade_id="T2")))
    answer = await door.say(b'{"command": "close", "symbol": "btc"}\n')
    assert answer == {"ok": False, "lines": ["refused (UNKNOWN_SYMBOL): 'btc' means BTC/USD or BTC/EUR; name one"]}
    await door.say(b'{"command": "close", "symbol": "btc-eur"}\n')
    assert [message.symbol for message in door.desk.submitted if isinstance(message, ClosePosition)] == ["BTC/EUR"]


async def test_silence_gets_a_sentence_too(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot.console, "ANSWER_WITHIN", 0.1)
    reader, writer = await asyncio.open_unix_connection(door.console.path)

    assert b"no request came" in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def test_a_desk_that_cannot_do_it_says_so(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    def broken(message: Message) -> Sequence[Outcome]:
        raise RuntimeError("the ledger cannot be written: disk full")

    door.desk.answers = broken

    answer = await door.say(b'{"command": "pause"}\n')

    assert answer == {
        "ok": False,
        "lines": [
            "pause failed (RuntimeError: the ledger cannot be written: disk full); the desk's log has the details"
        ],
    }
    assert "console's pause failed" in caplog.text


@pytest.mark.parametrize(
    ("standing", "lifted"),
    [((PAUSED,), ["PAUSE"]), ((PANICKED,), ["PANIC"]), ((PAUSED, PANICKED), ["PAUSE", "PANIC"]), ((), [None])],
)
async def test_resume_lifts_what_stands_and_asks_for_nothing_else(
    door: Door, standing: tuple[Any, ...], lifted: list[str | None]
) -> None:
    door.holding(*standing)

    assert await door.type("resume", "--yes") == 0
    assert door.lifted == lifted


@pytest.mark.parametrize("words", [("resume",), ("resume", "panic")])
async def test_a_script_does_not_lift_a_panic_by_accident(door: Door, words: tuple[str, ...]) -> None:
    door.holding(PANICKED)

    with pytest.raises(CliError, match="resume not confirmed"):
        await door.type(*words)
    assert door.lifted == []


@pytest.mark.parametrize(("typed", "lifted"), [("RESUME", ["PANIC"]), ("yes", [])])
async def test_a_person_types_a_word_to_lift_a_panic(
    door: Door, monkeypatch: pytest.MonkeyPatch, typed: str, lifted: list[str]
) -> None:
    door.holding(PANICKED)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: typed)

    if lifted:
        assert await door.type("resume") == 0
    else:
        with pytest.raises(CliError):
            await door.type("resume")
    assert door.lifted == lifted


async def test_a_pause_is_lifted_without_a_word(door: Door) -> None:
    door.holding(PAUSED)

    assert await door.type("resume") == 0
    assert door.lifted == ["PAUSE"]


async def test_a_panic_needs_its_word(door: Door) -> None:
    with pytest.raises(CliError, match="panic not confirmed"):
        await door.type("panic")
    assert await door.type("panic", "--yes") == 0
    assert [type(message) for message in door.desk.submitted] == [Panic]


def test_a_desk_that_a_test_announces_is_remembered_in_no_folder_of_the_user(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folders.announce(tmp_path, folders.Presence(os.getpid(), "desk.sock", "ema", "simulated"))
    assert folders.home().is_relative_to(tmp_path_factory.getbasetemp())
    assert json.loads((folders.home() / "last.json").read_text())["data_dir"] == str(tmp_path.resolve())


def ledger_of(data: Path, kind: MarketKind, feed: str, planted: float | None = None) -> None:
    ledger = SqliteLedger(data / "ledger.sqlite")
    ledger.append(Born(AT, "desk", kind, "ema", "0" * 64, "", planted), (), (), {})
    ledger.append(FeedChanged(AT, feed, True, "connected"), (), (), {})
    ledger.close()


@pytest.mark.parametrize(
    ("kind", "feed", "planted", "words"),
    [
        (MarketKind.SIMULATED, "simulated", None, "--feed simulated --playbook ema"),
        (MarketKind.SIMULATED, "simulated", 0.6, "--feed simulated --playbook ema --planted 0.6"),
        (MarketKind.REPLAY, "replay of day.parquet", None, "--feed replay:PATH/day.parquet --playbook ema"),
        (MarketKind.LIVE, "massive", None, "--feed massive --playbook ema"),
    ],
)
def test_the_start_that_status_advises_is_one_that_its_folder_takes(
    tmp_path: Path, kind: MarketKind, feed: str, planted: float | None, words: str
) -> None:
    ledger_of(tmp_path, kind, feed, planted)
    args = argparse.Namespace(command="status", data_dir=tmp_path)

    with pytest.raises(CliError) as refused:
        client.run(args)

    command = f"nightdesk run {words} --data-dir {tmp_path}"
    assert f"start it with `{command}`" in str(refused.value)
    typed = parser("run").parse_args(command.split()[1:])
    choice = choose(typed.playbook, typed.feed, None, typed.data_dir, True, planted=typed.planted)
    assert (choice.kind, choice.planted) == (kind, planted)


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "UTC, up since"),
        ({"kind": MarketKind.SIMULATED, "settings": {"speed": "60"}}, "UTC of desk time, 60× as fast as yours, up"),
    ],
)
def test_status_says_whose_time_it_tells(changes: dict[str, Any], shown: str) -> None:
    assert shown in status_lines(snapshot(**changes), "up")[1]
