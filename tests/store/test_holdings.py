"""Bars that are not there: the sentence names what is, of the same coins, and what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from engine.domain import micros
from engine.forecasting.cases import JudgementError
from engine.market.errors import BarsError
from engine.playbook import load
from engine.store.bulk import write_bars
from engine.store.database import Database
from engine.store.holdings import Held, held, instead
from tests.store.coins import MINUTE, MINUTE_US, NOW, SINCE, coin


@pytest.fixture
def stored(database: Database) -> Database:
    with database.connect() as connection:
        write_bars(connection, "live", "vendor", [replace(coin(), symbol="BTC/USDT")], now=NOW)
    return database


def test_other_pairs_of_a_coin_are_named_with_their_dates_and_how_to_ask_for_them(stored: Database) -> None:
    found = held(stored, "live", MINUTE, ["BTC/USD", "ETH/USD"])
    assert [(one.symbol, one.interval, one.first) for one in found] == [("BTC/USDT", "1m", SINCE)]
    assert instead(["BTC/USD"], MINUTE, found).endswith(": name them with --symbols BTC/USDT")
    assert not instead(["BTC/USDT"], MINUTE, found).endswith("BTC/USDT")
    assert instead(["BTC/USDT"], MINUTE, found).startswith(f"stored are BTC/USDT from {SINCE:%Y-%m-%d} to ")
    assert held(stored, "simulated", MINUTE, ["BTC/USD"]) == []
    assert instead(["ETH/USD"], MINUTE, held(stored, "live", MINUTE, ["ETH/USD"])) == ""


def test_bars_of_another_interval_are_not_denied(
    stored: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import nullcontext

    from engine.backtest import stored as backtests

    hours = coin("ETH/USDT", 60)
    closes = micros(SINCE) + (np.arange(60, dtype=np.int64) + 1) * 60 * MINUTE_US
    with stored.connect() as connection:
        write_bars(connection, "live", "vendor", [replace(hours, interval=60 * MINUTE, time=closes)], now=NOW)
    monkeypatch.setattr(backtests, "opened", lambda *_: nullcontext(stored))
    said = r"no bars of ETH/USDT are stored; stored are 1h bars of ETH/USDT from 2025-01-31 to 2025-02-03; .* reads 1m$"
    with pytest.raises(BarsError, match=said):
        backtests.stored_market(load("ema"), None, tmp_path, ["ETH/USDT"])
    other = Held("ETH/PERP", "1m", SINCE, NOW)
    both = instead(["ETH/USDT"], MINUTE, [other, *held(stored, "live", MINUTE, ["ETH/USDT"])])
    assert both.startswith("stored are 1h bars of ETH/USDT from 2025-01-31 to 2025-02-03, ETH/PERP from 2025-01-31 to")
    assert both.endswith("; this playbook reads 1m: name those of 1m with --symbols ETH/PERP")


def test_a_training_and_a_backtest_say_so(stored: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    from engine.backtest import stored as backtests
    from engine.training import sources

    for room in (backtests, sources):
        monkeypatch.setattr(room, "opened", lambda *_: nullcontext(stored))
    fresh, direction = SINCE + timedelta(hours=12), load("direction")
    with pytest.raises(
        JudgementError, match=r"of the last 182 days are stored; stored are BTC/USDT .*--symbols BTC/USDT"
    ):
        sources.from_store(direction, None, tmp_path, fresh, ["BTC/USD"])
    with pytest.raises(JudgementError) as told:
        sources.from_store(direction, None, tmp_path, NOW + timedelta(days=400), ["BTC/USDT"])
    assert "the newest of these coins is of 2025-02-01; no model is trained on bars older than 36 h" in str(told.value)
    assert str(told.value).endswith("old ones are studied with --bars FILE")
    assert "--history" not in str(told.value)
    assert "--symbols" not in str(told.value)
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
