"""A backtest over the store trades exactly as one over the file that the bars came from."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from bot.__main__ import main
from engine.store.bulk import write_bars
from engine.store.database import open_database
from engine.store.migrating import migrate
from tests.backfill.made import bars_of
from tests.backtest.command import PEERS


@pytest.fixture(autouse=True)
def needs_postgres(programs: Path) -> None:
    """Skip where no embedded PostgreSQL can run."""


def test_store_and_file_give_the_same_trades(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    bars = bars_of("BTC/USDT", 3000)
    data, file = tmp_path / "data", tmp_path / "bars.parquet"
    columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    opened = pd.to_datetime(bars.time - 60_000_000, unit="us", utc=True)
    pd.DataFrame({"symbol": "BTCUSDT", "time": opened, **columns}).to_parquet(file)
    database = open_database(None, data)
    migrate(database)
    with database.connect() as connection:
        write_bars(connection, "live", "made", [bars])
    words = ("backtest", "--playbook", str(PEERS), "--symbols", "BTC/USDT")

    assert main([*words, "--stored", "--data-dir", str(data), "--out", str(tmp_path / "a"), "--progress", "json"]) == 0
    said = capsys.readouterr()
    assert f"reading the bars stored in {data}" in said.err
    told = [json.loads(line) for line in said.out.splitlines()]
    assert main([*words, "--bars", str(file), "--out", str(tmp_path / "b")]) == 0

    logs = [(tmp_path / name / "trade_log.csv").read_text() for name in ("a", "b")]
    assert logs[0] == logs[1]
    assert len(logs[0].splitlines()) > 5
    assert told[0]["progress"]["stage"] == "trading"
    assert told[-1]["result"]["picture"].endswith("a/equity.png")
    other = (*words[:-1], "ETH/USDT", "--stored", "--data-dir", str(data), "--out", str(tmp_path / "c"))
    assert main(other) == 1
    assert "no bars of ETH/USDT are stored" in capsys.readouterr().err
    database.close()


def test_where_nothing_was_ever_stored_the_answer_is_a_sentence_and_no_folder_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"

    words = ("backtest", "--playbook", str(PEERS), "--symbols", "BTC/USDT", "--out", str(tmp_path / "out"))
    assert main([*words, "--stored", "--data-dir", str(data)]) == 1

    said = capsys.readouterr().err
    assert f"nothing is stored yet in {data}; bring history with `nightdesk backfill --data-dir {data}`" in said
    assert not data.exists()


def test_a_store_without_tables_is_told_as_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    database = open_database(None, data)
    try:
        words = ("backtest", "--playbook", str(PEERS), "--symbols", "BTC/USDT", "--out", str(tmp_path / "out"))
        assert main([*words, "--stored", "--data-dir", str(data)]) == 1
        assert f"nothing is stored yet in {data}" in capsys.readouterr().err
    finally:
        database.close()
