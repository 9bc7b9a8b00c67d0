"""The Trader: it turns what happens into what is decided, and the same again from the record."""

from engine.trader.desk import Judgement, Trader
from engine.trader.duties import Due
from engine.trader.stops import stop_fault

__all__ = ["Due", "Judgement", "Trader", "stop_fault"]
