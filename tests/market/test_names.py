"""One form for every source's names."""

import pytest

from engine.market.names import canonical, renamed, split_joined


@pytest.mark.parametrize("name", ["XBT/USD", "xbt/usd", "BTC-USD", " btc/usd "])
def test_every_spelling_of_a_pair_is_one_symbol(name):
    assert canonical(name) == "BTC/USD"


def test_old_codes_count_on_both_sides():
    assert canonical("ETH/XBT") == "ETH/BTC"
    assert canonical("XDG/EUR") == "DOGE/EUR"


def test_a_renamed_coin_is_found_under_its_new_name_and_others_stay():
    assert renamed("MATIC/USD") == "POL/USD"
    assert renamed("RNDR/EUR") == "RENDER/EUR"
    assert renamed("BTC/USD") == "BTC/USD"


@pytest.mark.parametrize(
    ("name", "symbol"),
    [("ADAUSDT", "ADA/USDT"), ("BTCUSD", "BTC/USD"), ("BTC-PERP", "BTC/PERP"), ("ETHBTC", "ETH/BTC"), ("USD", "USD")],
)
def test_a_files_joined_name_is_taken_apart(name, symbol):
    assert split_joined(name) == symbol


def test_history_of_an_old_name_keeps_it():
    assert split_joined("MATICUSDT") == "MATIC/USDT"
