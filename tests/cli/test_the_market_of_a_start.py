"""Which feed a start means: the one that is named, else the one that the data folder had last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import folders
from bot.market_choice import choose
from engine.domain import MarketKind
from engine.messages import Born, FeedChanged, Message
from engine.store.ledger import SqliteLedger

BIRTH = datetime(2026, 5, 1, tzinfo=UTC)
LATER = BIRTH + timedelta(hours=1)


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The live desk's own folder."""
    monkeypatch.setattr(folders, "home", lambda: tmp_path / "share")
    return folders.folder_for("ema", MarketKind.LIVE)


def heard(data: Path, *messages: Message) -> None:
    ledger = SqliteLedger(data / "ledger.sqlite")
    for message in (Born(BIRTH, "desk", MarketKind.LIVE, "ema", "0" * 64, ""), *messages):
        ledger.append(message, (), (), {})
    ledger.close()


def test_a_desk_goes_on_with_the_feed_that_it_had_last_in_its_own_folder_and_in_a_named_one(data: Path) -> None:
    heard(
        data,
        FeedChanged(BIRTH, "kraken", True, "connected"),
        FeedChanged(LATER, "massive", True, "connected"),
        FeedChanged(LATER, "massive", False, "not carried", ("AVAX/USD",)),
        FeedChanged(LATER, "massive", False, "the line broke"),
    )
    assert choose("ema", None, None, None, False).feed == "massive"
    assert choose("ema", None, None, data, False).feed == "massive"
    assert choose("ema", "kraken", None, data, False).feed == "kraken"


def test_a_new_folder_and_one_whose_feed_was_never_up_begin_on_kraken(data: Path) -> None:
    assert choose("ema", None, None, None, False).feed == "kraken"
    heard(data, FeedChanged(BIRTH, "massive", False, "the key is refused"))
    assert choose("ema", None, None, None, False).feed == "kraken"
