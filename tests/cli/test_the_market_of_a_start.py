"""Which feed a start means: the one that is named, else the one that the data folder had last."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import folders
from bot.__main__ import main
from bot.cli.errors import CliError
from bot.market_choice import choose, playbook_of
from engine import keeps_live_history
from engine.domain import MarketKind
from engine.maintenance.backups import back_up
from engine.messages import Born, FeedChanged, Message
from engine.store.folder import BACKFILL_LOCK, FileLock
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


def born_planted(data: Path, planted: float | None, playbook: str = "ema") -> None:
    ledger = SqliteLedger(data / "ledger.sqlite")
    kind = MarketKind.SIMULATED
    ledger.append(Born(BIRTH, "desk", kind, playbook, "0" * 64, "planted edge", planted), (), (), {})
    ledger.close()


def test_each_planted_edge_is_a_world_of_its_own_that_its_folder_knows(data: Path, tmp_path: Path) -> None:
    one, other = (choose("ema", None, None, None, True, planted=share) for share in (0.6, 0.65))
    plain = choose("ema", "simulated", None, None, True)
    assert len({one.data, other.data, plain.data}) == 3
    assert (one.feed, one.kind, one.label, one.may_fall_back) == (
        "simulated",
        MarketKind.SIMULATED,
        "planted edge",
        False,
    )
    assert (plain.label, plain.planted) == ("simulated", None)
    named = tmp_path / "named"
    born_planted(named, 0.6)
    assert choose("ema", None, None, named, True).planted == 0.6
    assert choose("ema", "simulated", None, named, True, planted=0.6).data == named
    with pytest.raises(CliError, match="planted edge 60%"):
        choose("ema", "simulated", None, named, True, planted=0.65)


def born_for(data: Path, playbook: str) -> Path:
    ledger = SqliteLedger(data / "ledger.sqlite")
    ledger.append(Born(BIRTH, "desk", MarketKind.SIMULATED, playbook, "0" * 64, "simulated"), (), (), {})
    ledger.close()
    return data


def test_a_start_that_names_no_playbook_takes_the_one_that_its_folder_was_born_for(tmp_path: Path) -> None:
    assert playbook_of(None) == playbook_of(tmp_path / "new") == "ema"
    assert playbook_of(born_for(tmp_path / "named", "direction")) == "direction"


@pytest.mark.parametrize("feed", [None, "simulated"])
def test_a_back_up_copied_into_an_empty_folder_is_started_with_that_folder_alone(
    tmp_path: Path, feed: str | None
) -> None:
    """As the README says: of a playbook that is not the usual one, on a market with a planted edge."""
    born_planted(tmp_path / "first", 0.6, "direction")
    shutil.copytree(back_up(tmp_path / "first", LATER, free=lambda _: 10**12).path, tmp_path / "again")
    again = tmp_path / "again"
    choice = choose(playbook_of(again), feed, None, again, True)
    assert (choice.data, choice.feed, choice.planted) == (again, "simulated", 0.6)


def test_a_folder_of_a_playbook_of_ones_own_asks_for_its_file_and_so_does_its_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = born_for(tmp_path / "mine", "my_playbook")
    assert main(["run", "--feed", "simulated", "--data-dir", str(data)]) == 1
    assert "was born for the playbook my_playbook, which is a file of your own" in (said := capsys.readouterr().err)
    assert "name it with --playbook FILE.yaml" in said
    assert main(["status", "--data-dir", str(data)]) == 1
    assert "--feed simulated --playbook FILE.yaml --data-dir" in capsys.readouterr().err


def test_a_plain_simulated_folder_never_becomes_one_with_a_planted_edge(tmp_path: Path) -> None:
    born_planted(tmp_path / "plain", None)
    with pytest.raises(CliError, match="never changes"):
        choose("ema", None, None, tmp_path / "plain", True, planted=0.6)


@pytest.mark.parametrize(("feed", "planted", "says"), [("kraken", 0.6, "not kraken"), (None, 0.9, "at most 0.75")])
def test_an_edge_that_cannot_be_planted_is_refused(feed: str | None, planted: float, says: str, data: Path) -> None:
    with pytest.raises(CliError, match=says):
        choose("ema", feed, None, None, True, planted=planted)


@pytest.mark.parametrize(("feed", "planted"), [("simulated", None), ("replay:day.parquet", None), (None, 0.6)])
def test_a_folder_that_a_backfill_filled_is_never_born_simulated_or_replayed(
    feed: str | None, planted: float | None, data: Path
) -> None:
    with FileLock(data / BACKFILL_LOCK, "the backfill"):
        pass
    assert keeps_live_history(data)

    with pytest.raises(CliError, match="history of the live market"):
        choose("ema", feed, None, data, True, planted=planted)

    assert choose("ema", None, None, data, True).kind is MarketKind.LIVE


def test_a_named_folder_with_history_is_not_fallen_back_into_and_the_usual_one_may_be(data: Path) -> None:
    with FileLock(data / BACKFILL_LOCK, "the backfill"):
        pass

    assert not choose("ema", None, None, data, True).may_fall_back
    assert choose("ema", None, None, None, True).may_fall_back, "the fallback has a folder of its own"


def test_a_desk_born_simulated_starts_again_beside_what_it_brought_itself(tmp_path: Path) -> None:
    born_planted(tmp_path, 0.6)
    with FileLock(tmp_path / BACKFILL_LOCK, "the backfill"):
        pass

    assert choose("ema", None, None, tmp_path, True).planted == 0.6
