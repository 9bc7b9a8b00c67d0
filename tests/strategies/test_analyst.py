"""The analyst: what it says about each symbol at each minute, and why not."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from engine.analyst import Analyst, AnalystThread
from engine.domain import micros
from engine.messages import Analysis, Minute
from engine.playbook import load, parse
from engine.ports import BarColumns

START = datetime(2026, 1, 5, tzinfo=UTC)


def minute(number: int, close: float, symbol: str = "BTC/USD", **more) -> Minute:
    row = ((close,), (close * 1.001,), (close * 0.999,), (close,), (5.0,))
    return Minute(START + timedelta(minutes=number), (symbol,), *row, ("good",), **more)


def history(closes: list[float], interval: timedelta = timedelta(minutes=1)) -> BarColumns:
    close = np.array(closes)
    time = micros(START) + np.arange(-len(closes) + 1, 1, dtype=np.int64) * (interval // timedelta(microseconds=1))
    return BarColumns("BTC/USD", interval, time, close, close * 1.001, close * 0.999, close, np.full(len(close), 5.0))


def falling(bars: int) -> list[float]:
    return [100.0 - 0.1 * i for i in range(bars)]


def gates(analysis: Analysis, symbol: str = "BTC/USD") -> dict[str, tuple[bool | None, str]]:
    return {step.gate: (step.passed, step.sentence) for step in analysis.steps[symbol]}


def test_a_bullish_cross_is_a_signal_with_the_numbers_that_people_ask_for() -> None:
    analyst = Analyst(load("ema"), ["BTC/USD"])
    analyst.warm("BTC/USD", history(falling(200)))
    answers = [analyst.on(minute(i, 80.0 + i)) for i in range(1, 40)]
    signals = [signal for answer in answers for signal in answer.signals]
    assert [signal.action for signal in signals] == ["enter"]
    assert signals[0].numbers["EMA20"] > signals[0].numbers["EMA50"]
    assert signals[0].stop_distance == pytest.approx(2 * signals[0].numbers["ATR14"])
    assert signals[0].numbers["atr_pct"] == pytest.approx(signals[0].numbers["ATR14"] / signals[0].price)
    said = next(answer for answer in answers if answer.signals)
    assert gates(said)["strategy"] == (True, "ema: EMA20 crossed above EMA50.")


def test_it_says_just_as_clearly_why_there_was_no_signal() -> None:
    analyst = Analyst(load("ema"), ["BTC/USD"])
    analyst.warm("BTC/USD", history(falling(200)))
    said = gates(analyst.on(minute(1, 80.0)))
    assert said["data"] == (True, "201 bars are known; the last one is good.")
    assert said["model"][0] is True
    assert said["strategy"] == (False, "ema: no cross of EMA20 and EMA50.")


def test_fifty_one_bars_are_the_minimum() -> None:
    analyst = Analyst(load("ema"), ["BTC/USD"])
    assert analyst.warm_minutes == 51
    answers = [analyst.on(minute(i, close)) for i, close in enumerate(falling(51))]
    assert gates(answers[49])["data"] == (False, "50 of 51 bars are known; the indicators need them all.")
    assert gates(answers[50])["data"][0] is True


def test_a_missing_minute_says_so_and_advances_nothing() -> None:
    through, holed = Analyst(load("ema"), ["BTC/USD"]), Analyst(load("ema"), ["BTC/USD"])
    for analyst in (through, holed):
        analyst.warm("BTC/USD", history(falling(100)))
    gone = holed.on(Minute(START + timedelta(minutes=1), (), (), (), (), (), (), (), ("BTC/USD",)))
    assert gates(gone)["data"] == (False, "No bar closed in this minute: no prices came, so the indicators wait.")
    assert gone.signals == ()
    after, without = holed.on(minute(2, 95.0)), through.on(minute(2, 95.0))
    assert after.steps["BTC/USD"][-1].numbers == without.steps["BTC/USD"][-1].numbers


def test_caught_up_minutes_warm_and_say_nothing() -> None:
    analyst = Analyst(load("ema"), ["BTC/USD"])
    analyst.warm("BTC/USD", history(falling(200)))
    answers = [analyst.on(minute(i, 80.0 + i, caught_up=True)) for i in range(1, 40)]
    assert all(answer.signals == () and not answer.steps for answer in answers)
    assert gates(analyst.on(minute(40, 120.0)))["data"][1].startswith("240 bars")


def test_longer_bars_speak_when_they_close_and_say_that_they_are_open_before() -> None:
    text = load("ema").text.replace("interval: 1m", "interval: 5m")
    analyst = Analyst(parse(text), ["BTC/USD"])
    assert analyst.warm_minutes == 255
    analyst.warm("BTC/USD", history(falling(300)))
    open_ = gates(analyst.on(minute(1, 80.0)))
    assert open_["data"] == (True, "The 5-minute bar is still open; 60 have closed.")
    for number in (2, 3, 4):
        analyst.on(minute(number, 80.0))
    assert gates(analyst.on(minute(5, 80.0)))["data"][1].startswith("61 bars are known")


def test_a_longer_bar_closes_even_when_its_last_minute_is_missing() -> None:
    analyst = Analyst(parse(load("ema").text.replace("interval: 1m", "interval: 5m")), ["BTC/USD"])
    analyst.warm("BTC/USD", history(falling(300)))
    for number in (1, 2, 3, 4):
        analyst.on(minute(number, 80.0))
    answer = analyst.on(Minute(START + timedelta(minutes=5), (), (), (), (), (), (), (), ("BTC/USD",)))
    assert gates(answer)["data"][0] is False
    assert gates(answer)["strategy"] == (False, "ema: no cross of EMA20 and EMA50.")


def test_history_of_another_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="one-minute bars"):
        Analyst(load("ema")).warm("BTC/USD", history(falling(10), timedelta(hours=1)))


def test_the_thread_answers_in_order_and_hands_on_what_broke() -> None:
    answers: list[Analysis] = []
    broken: list[BaseException] = []
    ended = threading.Event()
    worker = AnalystThread(Analyst(load("ema")), answers.append, lambda error: (broken.append(error), ended.set()))
    worker.start()
    for number in range(5):
        worker.submit(minute(number, 100.0))
    worker.submit(Minute(START, ("BTC/USD",), (), (), (), (), (), ()))
    assert ended.wait(10)
    worker.stop()
    assert [answer.minute for answer in answers] == [START + timedelta(minutes=i) for i in range(5)]
    assert isinstance(broken[0], ValueError)
