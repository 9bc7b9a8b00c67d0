"""The symbol map: one coin, one series, whatever a source called it and when."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data_health import DataFacts, judge_data
from engine.market.coins import coins
from engine.market.symbols import (
    Absent,
    absence,
    current,
    find,
    kraken_symbol,
    listing,
    lives,
    name_for,
)
from engine.ports import FeedStatus

UNIVERSES = set(
    re.findall(
        r"\w+",
        "BTC ETH SOL BNB XRP ADA AVAX DOGE DOT POL LINK TON SHIB TRX UNI ATOM BCH APT NEAR ICP "
        "ARB OP AAVE CRV MKR LDO SUSHI COMP SNX BAL INJ SEI PENDLE BLUR ENS GRT RENDER FET RPL SAND "
        "PEPE WIF BONK FLOKI MEME POPCAT MEW TURBO NEIRO PNUT GOAT ACT TRUMP FARTCOIN MOG PONKE TREMP BRETT GIGA HIPPO "
        "FIL RUNE IMX FLOW MANA AXS CHZ GALA LRC OCEAN QNT ALGO XLM XMR ZEC DASH HBAR VET THETA EOS KSM STX KAS TIA "
        "JTO JUP PYTH DYM STRK ALT PORTAL BEAM MASK API3 ANKR CTSI YFI AUDIO ENJ",
    )
)
SOURCES = (
    "kraken",
    "kraken-rest",
    "kraken-csv",
    "massive",
    "massive-rest",
    "massive-files",
    "files",
    "ccxt:binance",
    "ccxt:kraken",
)
LAUNCH = datetime(2022, 5, 28, tzinfo=UTC)


def test_the_table_has_every_coin_of_the_universes():
    assert len(UNIVERSES) == 99
    assert set(coins()) >= UNIVERSES


@pytest.mark.parametrize("source", SOURCES)
@given(days=st.integers(0, 6_000), quote=st.sampled_from(["USD", "USDT", "EUR", "BTC"]))
def test_what_a_source_called_a_coin_on_a_day_means_that_coin_on_that_day(source, days, quote):
    at = datetime(2014, 1, 1, tzinfo=UTC) + timedelta(days=days)
    alive = [coin for coin in coins().values() if coin.name != quote and (coin.born is None or coin.born <= at)]
    for coin in alive:
        symbol = f"{coin.name}/{quote}"
        assert find(source, name_for(source, symbol, at), at) == symbol


@pytest.mark.parametrize("source", SOURCES)
def test_today_every_coin_is_found_under_its_name(source):
    for coin in coins():
        assert coin == "EUR" or find(source, name_for(source, f"{coin}/EUR")) == f"{coin}/EUR"


FORMS = [
    ("kraken", "BTC/USD", "BTC/USD"),
    ("kraken-rest", "BTC/USD", "XBTUSD"),
    ("kraken-csv", "DOGE/EUR", "XDGEUR"),
    ("kraken", "LUNA/USD", "LUNA2/USD"),
    ("kraken", "LUNC/USD", "LUNA/USD"),
    ("massive", "BTC/USD", "BTC-USD"),
    ("massive-rest", "BTC/USD", "X:BTCUSD"),
    ("massive-files", "BTC/USD", "X:BTC-USD"),
    ("ccxt:binance", "BEAM/USDT", "BEAMX/USDT"),
    ("ccxt:kraken", "LUNA/USD", "LUNA/USD"),
    ("files", "ADA/USDT", "ADAUSDT"),
]


@pytest.mark.parametrize(("source", "symbol", "name"), FORMS)
def test_each_source_has_its_own_form(source, symbol, name):
    assert name_for(source, symbol) == name
    assert find(source, name) == symbol


def test_the_name_luna_passed_from_one_coin_to_the_other():
    assert find("files", "LUNAUSDT", LAUNCH - timedelta(days=1)) == "LUNC/USDT"
    assert find("files", "LUNAUSDT", LAUNCH) == "LUNA/USDT"
    assert find("kraken", "LUNA/USD", LAUNCH + timedelta(days=900)) == "LUNC/USD", (
        "Kraken kept the name for the old one"
    )
    turns = lives("files", "LUNAUSDT", LAUNCH - timedelta(days=90), LAUNCH + timedelta(days=90))
    assert [symbol for _, symbol in turns] == ["LUNC/USDT", "LUNA/USDT"]
    assert turns[1][0] == LAUNCH


def test_a_coin_that_changed_its_name_at_par_is_one_series():
    assert find("files", "MATICUSDT", datetime(2024, 5, 1, tzinfo=UTC)) == "POL/USDT"
    assert find("files", "POLUSDT", datetime(2024, 10, 1, tzinfo=UTC)) == "POL/USDT"
    assert name_for("files", "POL/USDT", datetime(2024, 5, 1, tzinfo=UTC)) == "MATICUSDT"
    assert find("ccxt:binance", "A/USDT") == find("ccxt:binance", "EOS/USDT") == "EOS/USDT"
    assert current("MATIC/USD") == "POL/USD"
    assert current("XBT/USD") == "BTC/USD"
    assert current("nonsense") == "nonsense"


def test_a_venue_may_take_a_new_name_some_weeks_early_but_not_years():
    assert find("files", "POLUSDT", datetime(2024, 8, 1, tzinfo=UTC)) == "POL/USDT"
    early = find("files", "POLUSDT", datetime(2019, 8, 1, tzinfo=UTC))
    assert isinstance(early, Absent)
    assert early.sentence == "POL before 2024-09-04 was not Polygon, which has that name since"
    turns = lives("files", "POLUSDT", datetime(2019, 8, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    assert turns[1] == (datetime(2024, 7, 6, tzinfo=UTC), "POL/USDT")
    assert len(turns) == 2


def test_a_coin_that_was_exchanged_for_another_unit_is_not():
    assert find("files", "MKRUSDT") == "MKR/USDT"
    why = absence("kraken", "MKR/USD")
    assert why.code == "CONVERTED"
    assert why.sentence == (
        "not on Kraken: became SKY (1 : 24000) 2024-09-18, which is another series "
        "(uncertain: the day Binance ended it)"
    )


def test_bars_from_before_a_coin_was_born_are_not_its_own():
    found = find("files", "JUPUSDT", datetime(2020, 1, 1, tzinfo=UTC))
    assert isinstance(found, Absent)
    assert (found.code, found.sentence) == (
        "OTHER_COIN",
        "JUP before 2024-01-31 was not Jupiter (Solana), which has that name since",
    )


@pytest.mark.parametrize("name", ["BTC", "", "/USD", "BTC/", "ABC"])
def test_what_is_no_pair_is_refused_with_that_reason(name):
    found = find("kraken", name)
    assert isinstance(found, Absent)
    assert found.code == "NOT_A_PAIR"


def test_absences_say_what_is_known():
    assert absence("kraken", "HIPPO/USD").sentence == "not on Kraken"
    assert absence("ccxt:binance", "XMR/USDT") == Absent("DELISTED", "not on Binance: delisted 2024-02-20")
    assert absence("massive-rest", "POL/USD").sentence == "not on Massive, under none of its names (POL/USD, MATIC/USD)"
    assert listing("ccxt:binance", "XMR/USDT").last == datetime(2024, 2, 20, tzinfo=UTC)
    assert listing("kraken", "XMR/USD").last is None
    assert listing("files", "POL/USDT").note == "MATIC until 2024-09-04"


def test_a_name_of_krakens_that_is_no_pair_stays_as_it_is():
    assert kraken_symbol("XBT/USD") == "BTC/USD"
    assert kraken_symbol("whatever") == "WHATEVER"


def test_health_names_the_coins_that_are_not_traded():
    absent = {f"C{k}/USD": "not on Kraken" for k in range(5)}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    readings = {
        one.name: one for one in judge_data(DataFacts(now, FeedStatus("kraken", True, "", refused_symbols=absent)))
    }
    assert readings["coins"].value == 5
    assert readings["coins"].sentence == (
        "Not traded: C0/USD (not on Kraken), C1/USD (not on Kraken), C2/USD (not on Kraken) and 2 more. "
        "`/desk universe` lists every coin."
    )
    assert "coins" not in {one.name for one in judge_data(DataFacts(now, FeedStatus("kraken", True, "")))}
