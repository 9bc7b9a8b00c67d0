"""Bars that are not there: the sentence names what is, of the same coins, and what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine.forecasting.cases import JudgementError
from engine.market.errors import BarsError
from engine.playbook import load
from engine.store.bulk import write_bars
from engine.store.database import Database
from engine.store.holdings import held, instead
from tests.store.coins import MINUTE, NOW, SINCE, coin


@pytest.fixture
def stored(database: Database) -> Database:
    with database.connect() as connection:
        write_bars(connection, "live", "vendor", [replace(coin(), symbol="BTC/USDT")], now=NOW)
    return database


def test_other_pairs_of_a_coin_are_named_with_their_dates_and_how_to_ask_for_them(stored: Database) -> None:
    found = held(stored, "live", MINUTE, ["BTC/USD", "ETH/USD"])
    assert [(one.symbol, one.first) for one in found] == [("BTC/USDT", SINCE)]
    assert instead(["BTC/USD"], found).endswith(": name them with --symbols BTC/USDT")
    assert not instead(["BTC/USDT"], found).endswith("BTC/USDT")
    assert instead(["BTC/USDT"], found).startswith(f"stored are BTC/USDT from {SINCE:%Y-%m-%d} to ")
    assert held(stored, "simulated", MINUTE, ["BTC/USD"]) == []
    assert instead(["ETH/USD"], held(stored, "live", MINUTE, ["ETH/USD"])) == ""


def test_a_training_and_a_backtest_say_so(stored: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    from engine.backtest import stored as backtests
    from engine.training import sources

    for room in (backtests, sources):
        monkeypatch.setattr(room, "opened", lambda *_: nullcontext(stored))
    with pytest.raises(
        JudgementError, match=r"of the last 182 days are stored; stored are BTC/USDT .*--symbols BTC/USDT"
    ):
        sources.from_store(load("direction"), None, tmp_path, NOW, ["BTC/USD"])
    with pytest.raises(JudgementError, match=r"are stored; stored are BTC/USDT from .*; --history takes older ones in"):
        sources.from_store(load("direction"), None, tmp_path, NOW + timedelta(days=400), ["BTC/USDT"])
    with pytest.raises(BarsError, match=r"no bars of BTC/USD are stored; stored are BTC/USDT .*--symbols BTC/USDT"):
        backtests.stored_market(load("ema"), None, tmp_path, ["BTC/USD"])


def test_a_backtest_on_an_invented_market_takes_the_desks_own_bars_and_promises_no_backfill(
    stored: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import nullcontext

    from engine.backtest import stored as backtests

    monkeypatch.setattr(backtests, "opened", lambda *_: nullcontext(stored))
    own = ("simulated:d1", NOW)
    with pytest.raises(BarsError, match="from 2031-01-01; the desk's market is invented, so no source has its past"):
        backtests.stored_market(load("ema"), None, tmp_path, ["BTC/USD"], NOW.replace(2031, 1, 1), own=own)
    with stored.connect() as connection:
        write_bars(connection, own[0], "feed", [replace(coin(), symbol="BTC/USD")], now=NOW)
    market, notes = backtests.stored_market(load("ema"), None, tmp_path, ["BTC/USD"], own=own)
    assert [series.symbol for series in market] == ["BTC/USD"]
    assert notes == ["the bars are those of this desk's own invented market"]
    real, notes = backtests.stored_market(load("ema"), None, tmp_path, ["BTC/USDT"], own=own)
    assert (len(real), notes) == (1, [])
