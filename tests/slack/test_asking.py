"""The coin that a person means by what was typed after a command."""

from __future__ import annotations

import pytest

from bot.commands.asking import symbol_of

TRADED = ("BTC/USD", "POL/USD", "ETH/USD", "ETH/EUR")


@pytest.mark.parametrize("typed", ["POL", "pol-usd", "MATIC", "matic", "MATIC/USD", "maticusd"])
def test_a_coins_old_name_means_the_coin(typed: str) -> None:
    assert symbol_of(typed, TRADED) == "POL/USD"


@pytest.mark.parametrize("typed", ["", "ETH", "LUNA", "MATIC/EUR", "FOO", "USD", "/"])
def test_what_means_no_coin_here_or_several_is_none(typed: str) -> None:
    assert symbol_of(typed, TRADED) is None


def test_a_name_that_is_traded_here_means_itself() -> None:
    assert symbol_of("MATIC", ("MATIC/USD", "POL/USD")) == "MATIC/USD"
