"""The analyst: a minute of closed bars in, an `Analysis` out; the same columns that a backtest computes in batch."""

from engine.analyst.analyst import Analyst
from engine.analyst.forecaster import Forecaster
from engine.analyst.worker import AnalystThread

__all__ = ["Analyst", "AnalystThread", "Forecaster"]
