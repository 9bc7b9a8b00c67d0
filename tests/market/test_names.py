"""One form for every source's names."""

import pytest

from engine.market.names import canonical, split_joined


@pytest.mark.parametrize("name", ["XBT/USD", "xbt/usd", "BTC-USD", " btc/usd "])
def test_every_spelling_of_a_pair_is_one_symbol(name):
    assert canonical(name) == "BTC/USD"


def test_old_codes_count_on_both_sides():
    assert canonical("ETH/XBT") == "ETH/BTC"
    assert canonical("XDG/EUR") == "DOGE/EUR"


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("ADAUSDT", "ADA/USDT"),
        ("BTCUSD", "BTC/USD"),
        ("BTC-PERP", "BTC/PERP"),
        ("ETHBTC", "ETH/BTC"),
        ("USD", "USD"),
        ("X:BTC-USD", "BTC/USD"),
        ("X:BATUSD", "BAT/USD"),
        ("BNBUSD", "BNB/USD"),
        ("BNBBUSD", "BNB/BUSD"),
        ("QQTUSD", "QQT/USD"),
        ("ADATUSD", "ADA/TUSD"),
        ("USDTUSD", "USDT/USD"),
    ],
)
def test_a_files_joined_name_is_taken_apart(name, symbol):
    assert split_joined(name) == symbol


def test_history_of_an_old_name_keeps_it():
    assert split_joined("MATICUSDT") == "MATIC/USDT"
