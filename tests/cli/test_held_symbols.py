"""A list that leaves out what the ledger still holds: it stays in, and a feed that cannot know it is refused."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from bot.cli.errors import CliError
from bot.market_choice import Choice
from bot.posts import FELL_BACK
from bot.progress import Progress
from bot.session import Market, Question, Wishes, open_market, question_for, terms
from bot.settings import Settings
from engine import held_symbols, load_playbook
from engine.domain import Instrument, MarketKind
from engine.ports import Feed, FeedStatus
from engine.store.ledger import SqliteLedger
from tests.desk.kit import BTC, ETH, Floor
from tests.servers.kraken import KrakenServer

START = datetime(2025, 5, 1, tzinfo=UTC)


def ledger_of(floor: Floor, data: Path) -> None:
    """What a desk was told, as the ledger it would have left."""
    data.mkdir()
    ledger = SqliteLedger(data / "ledger.sqlite")
    for message, outcomes in floor.told:
        ledger.append(message, outcomes, (), {})
    ledger.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A desk that holds BTC and has sold ETH again."""
    floor = Floor()
    floor.hold(BTC)
    floor.hold(ETH)
    floor.close(ETH)
    floor.trade(100.0, ETH)
    ledger_of(floor, tmp_path / "data")
    return tmp_path / "data"


async def opened(data: Path, feed: str, kind: MarketKind, *symbols: str) -> tuple[Market, str]:
    out = io.StringIO()
    choice = Choice(data, feed, kind, 60.0, may_fall_back=False)
    settings = Settings(_env_file=None)
    playbook, wishes = load_playbook("ema"), Wishes("ema", symbols=symbols)
    question = question_for(choice, playbook, wishes, settings)
    found = await open_market(question, playbook, wishes, settings, Progress(out))
    return found, out.getvalue()


def test_the_ledger_tells_what_it_left_open(data: Path, tmp_path: Path) -> None:
    assert held_symbols(data) == (BTC,)
    assert held_symbols(tmp_path / "nowhere") == ()


async def test_a_held_symbol_that_was_not_asked_for_stays_in_the_list(data: Path) -> None:
    market, said = await opened(data, "simulated", MarketKind.SIMULATED, "SOL/USD")
    assert market.symbols == ("SOL/USD", BTC)
    assert "BTC/USD stays in the list: the desk still holds it" in said


@pytest.mark.parametrize("name", ["BTC/USD", "BTCUSD", "BTC/USD,ETH/USD"])
async def test_a_held_symbol_that_was_asked_for_is_not_named_twice(data: Path, name: str) -> None:
    market, said = await opened(data, "simulated", MarketKind.SIMULATED, *name.split(","))
    assert "stays in the list" not in said
    assert len(set(market.symbols)) == len(market.symbols)


async def test_a_feed_that_cannot_know_a_held_symbol_is_refused_in_a_sentence(data: Path, tmp_path: Path) -> None:
    rows = ["time,symbol,open,high,low,close,volume"]
    rows += [f"{(START + timedelta(minutes=n)).isoformat()},SOL/USD,1,1,1,1,5" for n in range(5)]
    path = tmp_path / "bars.csv"
    path.write_text("\n".join(rows))
    with pytest.raises(CliError, match=r"has no prices for BTC/USD, which the desk in .* still holds"):
        await opened(data, f"replay:{path}", MarketKind.REPLAY)


async def at_a_venue(data: Path, venue: KrakenServer, *symbols: str) -> tuple[Market, str]:
    """A live start at this venue; the feed is closed again."""
    out = io.StringIO()
    choice = Choice(data, "kraken", MarketKind.LIVE, 1.0, may_fall_back=False)
    settings = Settings(_env_file=None, kraken_ws_url=venue.ws_url, kraken_rest_url=venue.rest_url)
    playbook, wishes = load_playbook("ema"), Wishes("ema", symbols=symbols)
    market = await open_market(
        question_for(choice, playbook, wishes, settings), playbook, wishes, settings, Progress(out)
    )
    await market.feed.close()
    return market, out.getvalue()


async def test_a_held_coin_that_the_venue_has_closed_does_not_keep_the_desk_from_starting(data: Path) -> None:
    async with KrakenServer([BTC, ETH]) as venue:
        venue.states[BTC] = "cancel_only"
        market, said = await at_a_venue(data, venue, ETH)
    assert set(market.symbols) == {BTC, ETH}
    assert market.instruments is not None
    assert {name: bool(item.barred) for name, item in market.instruments.items()} == {BTC: True, ETH: False}
    assert f"Kraken lists {BTC} as cancel_only; it is held, so it is watched for its exits only" in said


async def test_a_held_coin_that_the_venue_no_longer_lists_leaves_the_other_stops_their_desk(data: Path) -> None:
    async with KrakenServer([ETH]) as venue:
        market, said = await at_a_venue(data, venue, ETH)
    assert set(market.symbols) == {BTC, ETH}
    assert f"kraken does not list {BTC}, which is held: without prices its stop cannot act" in said


class Unreachable:
    """A feed that nobody reaches; it counts its closings."""

    name = "kraken"
    closed = 0

    async def prepare(self, symbols: Sequence[str]) -> dict[str, Instrument]:
        raise OSError("no route")

    def status(self) -> FeedStatus:
        return FeedStatus("kraken", False, "no route")

    async def close(self) -> None:
        self.closed += 1


async def test_a_feed_that_is_given_up_is_closed(tmp_path: Path) -> None:
    feed, out = Unreachable(), io.StringIO()
    choice = Choice(tmp_path, "kraken", MarketKind.LIVE, 1.0, may_fall_back=True)
    question = Question(choice, cast(Feed, feed), (), (BTC,))
    wishes = Wishes("ema", data_dir=tmp_path)
    settings = Settings(_env_file=None)
    market = await open_market(question, load_playbook("ema"), wishes, settings, Progress(out))
    assert "falling back to the simulated market" in out.getvalue()
    assert (market.choice.kind, feed.closed) == (MarketKind.SIMULATED, 1)
    assert terms(market, load_playbook("ema"), settings).settings[FELL_BACK] == "kraken"  # what the greeting reads
