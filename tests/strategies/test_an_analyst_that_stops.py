"""An analyst that stops is started again: warmed from the record, without the minutes it knows; entries go on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine import supply
from engine.analyst import Analyst, AnalystThread
from engine.clock import ManualClock
from engine.messages import Analysis, Guarded, Minute
from engine.playbook import Playbook, parse
from engine.supply import Supply
from engine.warming import as_columns
from tests.desk.kit import BTC, MINUTE, START
from tests.desk.kit import playbook as kit

STRATEGY = """
from engine.strategies import Columns, Wishes, strategy


@strategy(lookback=2, features={"fast": ("ema", "fast")})
def mine(bars: Columns, fast: int = 3) -> Wishes:
    if bars.close[-1] == 666.0:
        raise ValueError("this price was not foreseen")
    return Wishes(enter=bars["fast"] > bars.close, leave=bars.close < 0)
"""


def minute(number: int, close: float) -> Minute:
    row = (close,)
    return Minute(START + number * MINUTE, (BTC,), row, row, row, row, (10.0,), ("good",), ())


class House:
    """A supply whose minutes are on record, without a feed."""

    def __init__(self, playbook: Playbook) -> None:
        self.playbook = playbook
        self.said: list[Any] = []
        self.record: list[Minute] = []
        feed: Any = SimpleNamespace(name="made up", has_prints=True, clock=ManualClock(START))
        inbox: Any = SimpleNamespace(submit=self.said.append)
        no: Any = None  # no feed: nobody reaches it, and it keeps no history
        self.supply = Supply(feed, inbox, playbook, (BTC,), no, no)
        self.supply.start()

    async def renew(self) -> None:
        await self.supply.renew_analyst(lambda: self.record)

    def tell(self, number: int, close: float) -> None:
        self.record.append(minute(number, close))
        self.supply.analyse(SimpleNamespace(message=self.record[-1]))  # type: ignore[arg-type]

    def heard(self, kind: type, count: int) -> list[Any]:
        """What the desk was told, once there is so much of it."""
        until = time.monotonic() + 30
        while len(found := [one for one in self.said if isinstance(one, kind)]) < count and time.monotonic() < until:
            time.sleep(0.005)
        return found


@pytest.fixture
def house(tmp_path: Path) -> House:
    (tmp_path / "mine.py").write_text(STRATEGY)
    text = kit().replace("strategy: ema", "strategy: mine.py").replace("BTC/USD, ETH/USD, SOL/USD", BTC)
    return House(parse(text, folder=tmp_path))


async def test_it_answers_as_if_it_had_never_stopped_and_the_hold_ends(house: House) -> None:
    closes = [100.0, 101.0, 99.0, 666.0, 102.0, 103.0]
    for number, close in enumerate(closes[:4]):
        house.tell(number, close)
    (held,) = house.heard(Guarded, 1)
    assert (held.code, held.active) == ("ANALYST", True)
    assert "started again in 5 min" in held.note
    house.tell(4, closes[4])  # while it is down
    await house.renew()
    house.tell(5, closes[5])
    answers = house.heard(Analysis, 4)
    assert [one.minute for one in answers] == [START + n * MINUTE for n in (0, 1, 2, 5)]
    through = Analyst(house.playbook, (BTC,))
    through.warm(BTC, as_columns(house.record[:5])[BTC])
    assert answers[-1] == through.on(house.record[5])
    assert [one.active for one in house.heard(Guarded, 2)] == [True, False]
    house.supply.stop()


async def test_it_is_tended_while_the_desk_runs_and_the_pauses_grow(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supply, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(supply, "START_AGAIN", 0.05)
    task = asyncio.create_task(house.supply.tend(house.renew))
    house.tell(0, 666.0)
    await asyncio.to_thread(house.heard, Guarded, 1)
    await asyncio.sleep(0.3)
    house.tell(1, 666.0)
    assert len(await asyncio.to_thread(house.heard, Guarded, 2)) == 2, "the second could fail because it was there"
    assert house.supply._pause == pytest.approx(0.1)
    task.cancel()
    house.supply.stop()


async def test_a_renewal_that_breaks_leaves_all_as_it_was_and_the_next_comes_after_a_longer_pause(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supply, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(supply, "START_AGAIN", 0.05)
    house.tell(0, 666.0)
    await asyncio.to_thread(house.heard, Guarded, 1)

    async def broken() -> None:
        def unread() -> Iterator[Minute]:
            raise OSError("the ledger cannot be read")

        await house.supply.renew_analyst(unread)

    with pytest.raises(OSError, match="cannot be read"):
        await house.supply.tend(broken)
    assert "it ended with" in house.supply.analyst_trouble(), "it is still looked at, and renewed"
    assert house.supply._pause == pytest.approx(0.1)
    house.tell(1, 101.0)
    await house.renew()
    house.tell(2, 102.0)
    assert [one.minute for one in await asyncio.to_thread(house.heard, Analysis, 1)] == [START + 2 * MINUTE]
    house.supply.stop()


async def test_minutes_that_come_while_the_next_one_is_warmed_are_answered_once(house: House) -> None:
    house.tell(0, 666.0)
    await asyncio.to_thread(house.heard, Guarded, 1)
    reading, read = threading.Event(), threading.Event()

    def slowly() -> list[Minute]:
        reading.set()
        read.wait(30)
        return house.record[:1]

    renewal = asyncio.create_task(house.supply.renew_analyst(slowly))
    await asyncio.to_thread(reading.wait, 30)
    house.tell(1, 101.0)
    read.set()
    await renewal
    house.tell(2, 102.0)
    answers = await asyncio.to_thread(house.heard, Analysis, 2)
    assert [one.minute for one in answers] == [START + MINUTE, START + 2 * MINUTE]
    house.supply.stop()


async def test_of_two_renewals_at_once_the_later_ones_analyst_answers_and_is_the_one_at_work(house: House) -> None:
    house.tell(0, 100.0)
    await asyncio.to_thread(house.heard, Analysis, 1)
    slow, quick = threading.Event(), iter([0.1, 0.0])

    def recorded() -> list[Minute]:
        slow.wait(next(quick))
        return house.record

    await asyncio.gather(house.supply.renew_analyst(recorded), house.supply.renew_analyst(recorded))
    assert len(house.supply._workers) == 1
    assert house.supply._workers[0]._analyst is house.supply._analyst
    house.tell(1, 101.0)
    assert [one.minute for one in await asyncio.to_thread(house.heard, Analysis, 2)] == [START, START + MINUTE]
    house.supply.stop()


async def test_one_that_hangs_holds_entries_and_is_renewed_as_one_that_stopped(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supply, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(supply, "START_AGAIN", 0.2)
    monkeypatch.setattr(supply, "BLOCKED", 0.2)
    free, on = threading.Event(), house.supply._analyst.on

    def hanging(one: Minute) -> Analysis:
        free.wait(30)
        return on(one)

    monkeypatch.setattr(house.supply._analyst, "on", hanging)
    house.tell(0, 100.0)
    house.tell(1, 101.0)
    task = asyncio.create_task(house.supply.tend(house.renew))
    (held,) = await asyncio.to_thread(house.heard, Guarded, 1)
    assert (held.code, held.active) == ("ANALYST", True)
    assert "the analyst is stuck (1 minute waited" in held.note
    while house.supply._analyst.on is hanging:
        await asyncio.sleep(0.005)
    free.set()
    house.tell(2, 102.0)
    assert [one.active for one in await asyncio.to_thread(house.heard, Guarded, 2)] == [True, False]
    assert [one.minute for one in house.heard(Analysis, 1)] == [START + 2 * MINUTE], "the abandoned one says nothing"
    assert house.supply._pause == pytest.approx(0.2)
    task.cancel()
    house.supply.stop()


def test_a_minute_after_a_long_silence_is_not_stuck() -> None:
    worker = AnalystThread(Analyst(parse(kit()), (BTC,)), print, print)
    worker._moved -= 3600.0
    worker.submit(minute(0, 100.0))
    assert worker.stuck(300.0) == 0
    worker._moved -= 301.0
    worker.submit(minute(1, 100.0))
    assert worker.stuck(300.0) == 2
