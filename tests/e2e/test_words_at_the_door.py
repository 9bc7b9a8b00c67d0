"""What cannot be is refused in one line that says what is allowed, before anything is made: no traceback, no hang."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.settings import Settings

SIMULATED = ("run", "--feed", "simulated")
CASES = {
    "an unknown command": (("launch",), {}, "there is no command launch; there are run, backfill"),
    "an unknown option": (("run", "--fast"), {}, "there is no --fast"),
    "a speed that is no number": (("run", "--speed", "fast"), {}, "invalid float value: 'fast'"),
    "a speed of NaN": ((*SIMULATED, "--speed", "nan"), {}, "use a number above 0"),
    "a speed on a live feed": (
        ("run", "--feed", "kraken", "--speed", "60"),
        {},
        "a live feed runs at the speed of life",
    ),
    "an unknown feed": (("run", "--feed", "binance"), {}, "use kraken, massive, simulated or replay:PATH"),
    "a record that is not there": (("run", "--feed", "replay:gone.parquet"), {}, "there is no file gone.parquet"),
    "a record of no known kind": (("run", "--feed", "replay:notes.md"), {}, "bars are .parquet or .csv"),
    "a port that cannot be": ((*SIMULATED, "--port", "99999"), {}, "use a number from 0 (any free one) to 65535"),
    "no capital": ((*SIMULATED, "--capital", "-5"), {}, "--capital was '-5'; it must be a number from 1 to 1,000,000"),
    "an unknown playbook": (("run", "--playbook", "nope"), {}, "By name: direction, ema, trend; or name a YAML file"),
    "a symbol that is none": ((*SIMULATED, "--symbols", "FOO"), {}, "FOO is no BASE/QUOTE pair; did you mean FOO/USD?"),
    "a joined symbol": (("run", "--symbols", "BTCUSD"), {}, "BTCUSD is no BASE/QUOTE pair; did you mean BTC/USD?"),
    "half of Slack": (SIMULATED, {"SLACK_BOT_TOKEN": "xoxb-1"}, "SLACK_APP_TOKEN is not set"),
    "an unknown zone": (SIMULATED, {"TIMEZONE": "Mars/Base"}, "TIMEZONE was 'Mars/Base': use an IANA name"),
    "a bad setting beside a migration": (("migrate",), {"TIMEZONE": "Mars/Base"}, "TIMEZONE was 'Mars/Base'"),
    "a limit that is no number": (SIMULATED, {"MAX_POSITIONS": "many"}, "MAX_POSITIONS was 'many'"),
    "a stop that is no number": (SIMULATED, {"STOP_LOSS_PCT": "five"}, "STOP_LOSS_PCT was 'five': use a number"),
    "an impossible limit": (SIMULATED, {"STOP_LOSS_PCT": "500"}, "it must be a number from 0.1 to 99"),
    "another kind of database": (SIMULATED, {"DATABASE_URL": "mysql://u:secret@h/d"}, "must start with postgresql://"),
    "a market without a scheme": (("run",), {"KRAKEN_WS_URL": "ws.kraken.com"}, "starts with wss:// or ws://"),
    "status without a desk": (("status",), {}, "no desk has run here yet; start one with `nightdesk`"),
    "panic without a desk": (("panic", "--yes"), {}, "no desk has run here yet"),
    "close without a desk": (("close", "BTC"), {}, "no desk has run here yet"),
    "verify without a ledger": (("verify", "--data-dir", "."), {}, "there is no ledger at"),
    "replay of a folder that is gone": (("replay", "--data-dir", "gone"), {}, "data folder gone does not exist"),
    "no bars": (("backtest", "--playbook", "ema", "--bars", "gone.csv", "--out", "out"), {}, "there is no bar file"),
}
PLAYBOOKS = {
    "syntax": ("name: [a,\n", "is no valid YAML"),
    "nothing": ("", "holds no keys"),
    "a wrong key": ("strategies:", "strategiez:", "Did you mean 'strategies'?"),
    "a wrong value": ("max_heat: 10 %", "max_heat: 1000 %", "max_heat"),
    "an unknown strategy": ("strategy: ema", "strategy: emu", "there is no strategy 'emu'; built in: ema"),
}


Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def nightdesk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    """The command line, in this process: its exit code, what it printed and what it complained of."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.md").write_text("no record")

    def say(*args: str, **extra: str) -> tuple[int, str, str]:
        for name, value in extra.items():
            monkeypatch.setenv(name, value)
        try:
            code = main(args)
        except SystemExit as ended:  # how argparse says no
            code = int(ended.code or 0)
        return (code, *capsys.readouterr())

    return say


@pytest.mark.parametrize("name", CASES)
def test_it_says_what_is_allowed_and_ends(nightdesk: Say, name: str) -> None:
    args, extra, sentence = CASES[name]
    refused(nightdesk(*args, **extra), sentence)


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_a_wrong_playbook_is_named_with_its_file(nightdesk: Say, name: str) -> None:
    *change, sentence = PLAYBOOKS[name]
    ema = Path(__file__).parents[2] / "engine" / "playbooks" / "ema.yaml"
    Path("mine.yaml").write_text(ema.read_text().replace(*change) if len(change) == 2 else change[0])
    answer = nightdesk("run", "--playbook", "mine.yaml")
    refused(answer, sentence)
    assert "mine.yaml" in answer[2]


def test_a_taken_port_is_an_error_when_it_was_asked_for(nightdesk: Say) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused(nightdesk(*SIMULATED, "--port", port), f"port {port} is taken")


def refused(answer: tuple[int, str, str], sentence: str) -> None:
    code, out, err = answer
    assert code in (1, 2), answer
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if line.startswith("nightdesk")]) == 1, err
    assert sentence in err
    assert "secret" not in out + err
