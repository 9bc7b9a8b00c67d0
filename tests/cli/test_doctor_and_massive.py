"""`nightdesk doctor` names every coin that a market lacks; it asks Massive only where a key is set."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.cli.doctor import Finding, _playbook, examine
from bot.settings import Settings
from engine import load_playbook
from engine.domain import MarketKind
from engine.messages import Born
from engine.store.ledger import SqliteLedger
from tests.days.desk import NOW
from tests.servers.kraken import KrakenServer
from tests.servers.massive import KEY, MassiveServer

AWAY = {"KRAKEN_REST_URL": "http://127.0.0.1:9", "KRAKEN_WS_URL": "ws://127.0.0.1:9"}


@pytest.fixture(autouse=True)
def no_other_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # away from a .env
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "POLYGON_API_KEY", "MASSIVE_API_KEY", "PLAYBOOK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in AWAY.items():
        monkeypatch.setenv(name, value)


async def about_massive(tmp_path: Path) -> list[Finding]:
    return [finding async for finding in examine(tmp_path / "none") if finding.what == "massive"]


async def test_without_a_key_nothing_is_asked(tmp_path: Path) -> None:
    assert await about_massive(tmp_path) == []


async def test_a_key_that_is_taken_is_well_and_one_that_is_not_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with MassiveServer(["BTC-USD"]) as vendor:
        monkeypatch.setenv("MASSIVE_REST_URL", vendor.rest_url)
        monkeypatch.setenv("MASSIVE_API_KEY", KEY)
        (partly,) = await about_massive(tmp_path)
        assert partly.level == "note"
        assert "does not carry ETH/USD, SOL/USD" in partly.sentence
        monkeypatch.setenv("MASSIVE_API_KEY", "another-key")
        (refused,) = await about_massive(tmp_path)
        assert refused.level == "FAIL"
        assert "does not know the key in POLYGON_API_KEY" in refused.sentence
        assert "another-key" not in refused.sentence


async def test_every_coin_of_the_playbook_that_kraken_lacks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with KrakenServer(["BTC/USD"]) as venue:
        monkeypatch.setenv("KRAKEN_REST_URL", venue.rest_url)
        monkeypatch.setenv("PLAYBOOK", "direction")
        (market,) = [finding async for finding in examine(tmp_path / "none") if finding.what == "market"]
    wanted = set(load_playbook("direction").symbols) - {"BTC/USD"}
    assert len(wanted) == 98
    assert {symbol for symbol in wanted if symbol not in market.sentence} == set()


def test_the_playbook_is_that_of_the_folders_desk(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.sqlite")
    ledger.append(Born(NOW, "d1", MarketKind.SIMULATED, "direction", "0" * 64), (), (), {})
    ledger.close()
    settings = Settings(_env_file=None)
    assert _playbook(settings, tmp_path)[0].sentence.startswith("direction")
    assert _playbook(settings, None)[0].sentence.startswith("ema")
