"""A mistake in somebody's own strategy is told with its file, its line and what is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.cli.errors import CliError
from engine.analyst import Analyst
from engine.domain import State
from engine.messages import Minute
from engine.playbook import load
from engine.strategies import StrategyError
from engine.supply import Supply
from tests.backtest.command import command
from tests.backtest.made import frame, save
from tests.desk.kit import MINUTE, START

STRATEGY = """
from engine.strategies import Columns, Wishes, crossed_above, crossed_below, strategy


@strategy(lookback=2, features={"fast": ("ema", "fast"), "slow": ("ema", "slow")})
def mine(bars: Columns, fast: int = 20, slow: int = 50) -> Wishes:
    rises = crossed_above(bars["fast"], bars["slwo"])
    return Wishes(enter=rises, leave=crossed_below(bars["fast"], bars["slow"]))
"""
PLAYBOOK = """
name: mine
description: my own
universe: [ADA/USDT]
capital: 1000
interval: 1m
strategies:
  - name: mine
    strategy: mine.py
    sizing: {policy: fixed, amount: 100}
"""


def trade(tmp_path: Path, source: str) -> int:
    (tmp_path / "mine.py").write_text(source)
    (tmp_path / "mine.yaml").write_text(PLAYBOOK)
    bars = save(frame("ADAUSDT", 300), tmp_path / "bars.parquet")
    return command("--playbook", tmp_path / "mine.yaml", "--bars", bars, "--out", tmp_path / "out")


def test_a_wrong_feature_name_is_one_line_with_the_place_and_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(CliError) as told:
        trade(tmp_path, STRATEGY)
    said = str(told.value)
    assert said.startswith(f"{tmp_path / 'mine.py'}, line 7: no feature 'slwo' is declared")
    assert "declared are fast, slow. Did you mean 'slow'?" in said


def test_a_strategy_that_returns_nothing_is_told_what_to_return(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"mine returned NoneType; return Wishes"):
        trade(tmp_path, STRATEGY.replace("return Wishes", "Wishes").replace("slwo", "slow"))


def test_any_other_mistake_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"mine\.py, line 7: ZeroDivisionError"):
        trade(tmp_path, STRATEGY.replace('bars["slwo"])', "1 / 0)"))


COLUMNS = """
import numpy as np
from engine.strategies import Columns, Wishes, strategy


@strategy(lookback=2, features={})
def mine(bars: Columns) -> Wishes:
    up = bars.close > bars.open
    return Wishes(ENTER)
"""
WRONG = [
    ("enter=up[1:], leave=~up", r"enter of \d+ values \(bool\); return an array of \d+ values, True or False for"),
    ("enter=up[-1], leave=~up", r"enter as bool"),
    ("enter=up, leave=list(up)", r"leave as list; return an array of"),
    ("enter=up, leave=bars.close", r"leave of \d+ values \(float64\)"),
    ("enter=up, leave=~up, side=up", r"side of \d+ values \(bool\); .* \+1 or -1"),
    ("enter=up, leave=~up, confidence=bars.close[1:]", r"confidence of \d+ values \(float64\); .* a number"),
]


@pytest.mark.parametrize(("answer", "says"), WRONG)
def test_columns_that_are_not_one_fitting_value_a_bar_are_refused_in_a_backtest_and_live(
    tmp_path: Path, answer: str, says: str
) -> None:
    place = rf"mine\.py, line 6: mine returned {says}"
    with pytest.raises(CliError, match=place):
        trade(tmp_path, COLUMNS.replace("ENTER", answer))
    row = (1.0,)
    analyst = Analyst(load(tmp_path / "mine.yaml"), ("ADA/USDT",))
    one, two = (Minute(START + n * MINUTE, ("ADA/USDT",), row, row, row, row, row, ("good",), ()) for n in (0, 1))
    with pytest.raises(StrategyError, match=place):
        print(analyst.on(one), analyst.on(two))


def test_numbers_of_any_width_are_well_as_side_and_confidence(tmp_path: Path) -> None:
    fitting = "enter=up, leave=~up, side=np.ones(len(bars), np.int8), confidence=np.ones(len(bars), np.float32)"
    assert trade(tmp_path, COLUMNS.replace("ENTER", fitting)) == 0


def test_the_hold_of_a_running_desk_says_the_same() -> None:
    class Inbox:
        def submit(self, message: object) -> None:
            said.append(message)

    said: list[object] = []
    supply = object.__new__(Supply)
    supply._inbox, supply._began, supply._pause = Inbox(), 0.0, 0.0  # type: ignore[assignment]
    supply.feed = type("Feed", (), {"clock": type("Clock", (), {"now": staticmethod(lambda: None)})})()  # type: ignore
    supply._analyst_failed(StrategyError("mine.py, line 7: no feature 'slwo' is declared; declared are fast."))
    [guarded] = said
    assert (guarded.code, guarded.level) == ("ANALYST", State.REDUCING)  # type: ignore[attr-defined]
    assert "mine.py, line 7: no feature 'slwo'" in guarded.note  # type: ignore[attr-defined]
