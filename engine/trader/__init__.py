"""The Trader: it turns what happens into what is decided, and the same again from the record."""

from engine.trader.desk import Judgement, Trader
from engine.trader.duties import Due

__all__ = ["Due", "Judgement", "Trader"]
