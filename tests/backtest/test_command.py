"""`nightdesk backtest`: what it prints, what it writes, and how it answers a newcomer's mistakes."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from bot.cli.errors import CliError
from tests.backtest.command import PEERS, command
from tests.backtest.made import frame, save

ROOT = Path(__file__).parents[2]
COLUMNS = (
    "strategy,symbol,side,entry_time,entry_price,exit_time,exit_price,quantity,notional,fees,pnl,pnl_pct,exit_reason"
)


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    return save(pd.concat([frame("ADAUSDT", 3_000), frame("BTCUSDT", 3_000, seed=5)]), tmp_path / "bars.parquet")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "trade_log.csv").open() as log:
        return list(csv.DictReader(log))


def test_it_prints_a_table_and_writes_four_files(bars: Path, tmp_path: Path, capsys) -> None:
    assert command("--playbook", PEERS, "--bars", bars, "--out", tmp_path / "new" / "out") == 0
    out, err = capsys.readouterr()
    names = sorted(path.name for path in (tmp_path / "new" / "out").iterdir())
    assert names == ["equity.png", "equity_curve.csv", "summary.json", "trade_log.csv"]
    for words in ("ema_peers on ADA/USDT, BTC/USDT", "P&L after costs", "by exit"):
        assert words in out
    assert "trading" in err
    assert "bars know no spread" in out
    assert max(map(len, out.splitlines()[:-1])) <= 100
    assert (tmp_path / "new" / "out" / "equity.png").read_bytes().startswith(b"\x89PNG")


def test_the_trade_log_has_the_promised_columns_order_and_full_floats(bars: Path, tmp_path: Path) -> None:
    command("--playbook", PEERS, "--bars", bars, "--out", tmp_path)
    assert (tmp_path / "trade_log.csv").read_text().splitlines()[0] == COLUMNS
    log = rows(tmp_path)
    assert len(log) > 20
    assert log == sorted(log, key=lambda row: (row["entry_time"], row["symbol"]))
    for row in log:
        for name in ("entry_price", "exit_price", "quantity", "notional", "fees", "pnl", "pnl_pct"):
            assert repr(float(row[name])) == row[name]
        assert datetime.fromisoformat(row["entry_time"]).utcoffset() == timedelta(0)
        moved = float(row["quantity"]) * (float(row["exit_price"]) - float(row["entry_price"]))
        assert float(row["pnl"]) == pytest.approx(moved - float(row["fees"]), abs=1e-9)
        assert float(row["pnl_pct"]) == pytest.approx(float(row["pnl"]) / float(row["notional"]))


def test_the_summary_agrees_with_the_log_and_the_curve(bars: Path, tmp_path: Path) -> None:
    command("--playbook", PEERS, "--bars", bars, "--out", tmp_path)
    summary, log = json.loads((tmp_path / "summary.json").read_text()), rows(tmp_path)
    with (tmp_path / "equity_curve.csv").open() as file:
        curve = list(csv.DictReader(file))
    assert summary["trades"] == len(log)
    assert summary["pnl"] == pytest.approx(sum(float(row["pnl"]) for row in log))
    groups = [summary["total"], *summary["by_symbol"], *summary["by_exit"], *summary["by_strategy"]]
    assert not any("fees" in one for one in groups), "`fees` is one word for one thing"
    for one in groups:
        assert one["costs"]["total"] == pytest.approx(one["costs"]["fees"] + one["costs"]["slippage"])
    for name in ("fees", "slippage", "total"):
        assert sum(one["costs"][name] for one in summary["by_symbol"]) == pytest.approx(summary["costs"][name])
    assert summary["costs"]["total"] == pytest.approx(sum(float(row["fees"]) for row in log))
    assert float(curve[0]["equity"]) == summary["capital"] == 20_000
    assert float(curve[-1]["equity"]) == pytest.approx(summary["capital"] + summary["pnl"])
    assert sum(one["trades"] for one in summary["by_exit"]) == summary["trades"]
    assert sum(one["pnl"] for one in summary["by_symbol"]) == pytest.approx(summary["pnl"])


def test_the_same_run_twice_writes_the_same_bytes(bars: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        command("--playbook", "ema", "--symbols", "ADA,BTC", "--bars", bars, "--out", tmp_path / name)
    for name in ("summary.json", "trade_log.csv", "equity_curve.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_each_coin_alone_under_peer_rules_is_the_same_as_together(bars: Path, tmp_path: Path) -> None:
    command("--playbook", PEERS, "--bars", bars, "--out", tmp_path / "both")
    for coin in ("ADA", "BTC"):
        command("--playbook", PEERS, "--bars", bars, "--symbols", coin, "--out", tmp_path / coin)
    alone = [row for coin in ("ADA", "BTC") for row in rows(tmp_path / coin)]
    assert rows(tmp_path / "both") == sorted(alone, key=lambda row: (row["entry_time"], row["symbol"]))


def test_costs_and_stops_of_the_ema_playbook_are_in_every_trade(bars: Path, tmp_path: Path, capsys) -> None:
    command("--playbook", "ema", "--bars", bars, "--capital", 500, "--out", tmp_path)
    log, summary = rows(tmp_path), json.loads((tmp_path / "summary.json").read_text())
    assert "these files play BTC/USDT" in capsys.readouterr().err
    assert summary["capital"] == 500
    assert {row["exit_reason"] for row in log} <= {"signal", "stop", "end"}
    for row in log:
        sides = float(row["notional"]) + float(row["quantity"]) * float(row["exit_price"])
        assert float(row["fees"]) == pytest.approx(sides * 0.005, rel=1e-3)
        assert 0.02 * 300 < float(row["notional"]) <= 0.2 * 600


def test_no_entry_until_three_good_minutes_after_a_hole(tmp_path: Path) -> None:
    table = frame("BTCUSDT", 4_000, seed=9)
    holes = set(range(60, 4_000, 7))
    path = save(table.drop(index=sorted(holes)), tmp_path / "holes.parquet")
    command("--playbook", "ema", "--bars", path, "--out", tmp_path)
    minute = {at: number for number, at in enumerate(table["time"])}
    filled = [minute[pd.Timestamp(row["entry_time"])] for row in rows(tmp_path)]
    decided = [bar - 2 if bar - 1 in holes else bar - 1 for bar in filled]  # an order waits while bars are missing
    assert not [bar for bar in decided if holes & {bar - 2, bar - 1, bar}]
    assert len(decided) > 10
    assert json.loads((tmp_path / "summary.json").read_text())["refusals"]["NOT_ENOUGH_GOOD_BARS"] > 5


def test_shorter_bars_are_joined_and_longer_ones_are_played_with_a_note(bars: Path, tmp_path: Path, capsys) -> None:
    slow = tmp_path / "slow.yaml"
    slow.write_text((ROOT / "engine/playbooks/ema.yaml").read_text().replace("interval: 1m", "interval: 5m"))
    command("--playbook", slow, "--bars", bars, "--out", tmp_path / "slow")
    assert "bars of 60 s were joined into bars of 5m" in capsys.readouterr().err
    assert json.loads((tmp_path / "slow" / "summary.json").read_text())["bars"] == 600
    hourly = frame("BTCUSDT", 500)
    hourly["time"] = pd.date_range("2025-01-01", periods=500, freq="h", tz="UTC")
    command("--playbook", "ema", "--bars", save(hourly, tmp_path / "h.csv"), "--out", tmp_path / "hourly")
    assert "these bars are 3600 s long" in capsys.readouterr().err


def test_bars_without_a_single_cross_end_in_a_table_without_trades(tmp_path: Path, capsys) -> None:
    path = save(frame(bars=30), tmp_path / "short.csv")
    assert command("--playbook", PEERS, "--bars", path, "--out", tmp_path) == 0
    assert json.loads((tmp_path / "summary.json").read_text())["trades"] == 0
    assert (tmp_path / "trade_log.csv").read_text() == COLUMNS + "\n"
    assert "trades                                     0" in capsys.readouterr().out


def test_the_worked_example_runs_as_documented(bars: Path, tmp_path: Path) -> None:
    assert command("--playbook", ROOT / "examples/my_playbook.yaml", "--bars", bars, "--out", tmp_path) == 0
    assert {row["strategy"] for row in rows(tmp_path)} == {"strength"}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def broken(:", "SyntaxError"),
        ("x = 1", "declares no strategy"),
        (
            "from engine.strategies import strategy\n@strategy(lookback=1, features={})\ndef f(bars, n): ...",
            "'n' needs",
        ),
        (
            "from engine.strategies import strategy\n@strategy(lookback=1, features={'a': ('emma', 3)})\ndef f(b): ...",
            "there is no feature 'emma'",
        ),
    ],
)
def test_a_strategy_file_that_does_not_work_says_why(source: str, words: str, bars: Path, tmp_path: Path) -> None:
    text = (ROOT / "examples/my_playbook.yaml").read_text().replace("my_strategy.py", "mine.py")
    (tmp_path / "mine.yaml").write_text(text)
    (tmp_path / "mine.py").write_text(source)
    with pytest.raises(CliError, match=words) as caught:
        command("--playbook", tmp_path / "mine.yaml", "--bars", bars, "--out", tmp_path)
    assert "mine.py" in str(caught.value)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--playbook", "emma"], "Did you mean 'ema'"),
        (["--playbook", "gone.yaml"], "there is no playbook file gone.yaml"),
        (["--capital", "-5"], "--capital was '-5'"),
        (["--symbols", "DOGE"], "the files have ADAUSDT, BTCUSDT"),
        (["--from", "2026-01-01"], "no bar of"),
    ],
)
def test_a_newcomer_s_mistake_is_one_clear_line(words: list[str], answer: str, bars: Path, tmp_path: Path) -> None:
    with pytest.raises(CliError) as caught:
        command("--bars", bars, "--out", tmp_path, *words)
    assert answer in str(caught.value)


def test_a_date_that_is_none_is_refused_by_the_command_line(bars: Path, tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        command("--bars", bars, "--out", tmp_path, "--from", "yesterday")
    assert "'yesterday' is no date; write 2025-05-10" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(bars: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CliError, match=r"cannot write to .*file"):
        command("--playbook", PEERS, "--bars", bars, "--out", tmp_path / "file" / "out")


def test_without_a_terminal_progress_is_plain_lines(bars: Path, tmp_path: Path, capsys) -> None:
    command("--playbook", PEERS, "--bars", bars, "--out", tmp_path)
    err = capsys.readouterr().err
    assert "trading 50 %\n" in err
    assert "\r" not in err


def test_stops_nearer_than_the_costs_are_noted_in_the_table(bars: Path, tmp_path: Path, capsys) -> None:
    playbook = tmp_path / "thin.yaml"
    text = Path(PEERS).read_text()
    assert "percent: 5 %" in text
    playbook.write_text(text.replace("percent: 5 %", "percent: 0.1 %"))
    command("--playbook", playbook, "--bars", bars, "--out", tmp_path / "out")
    assert "note: the stop was 0.10% away (median), and a round trip costs 0.72%" in capsys.readouterr().out
    command("--playbook", PEERS, "--bars", bars, "--out", tmp_path / "out")
    assert "note: the stop" not in capsys.readouterr().out
