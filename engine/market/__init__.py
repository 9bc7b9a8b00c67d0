"""Market data: live, simulated and replayed feeds, the quality gate, and bars."""

from engine.market.bars import BarBuilder
from engine.market.errors import FeedNameError, FeedUnreachable, MarketError, RecordError
from engine.market.feeds import feed_named, from_path
from engine.market.kraken import KrakenFeed
from engine.market.quality import QualityGate, Quarantined, Reason
from engine.market.replayed import ReplayedBars
from engine.market.replayed_frames import ReplayedFrames
from engine.market.rolling import INTERVALS, Rolled, roll_up
from engine.market.simulated import SimulatedFeed

__all__ = [
    "INTERVALS",
    "BarBuilder",
    "FeedNameError",
    "FeedUnreachable",
    "KrakenFeed",
    "MarketError",
    "QualityGate",
    "Quarantined",
    "Reason",
    "RecordError",
    "ReplayedBars",
    "ReplayedFrames",
    "Rolled",
    "SimulatedFeed",
    "feed_named",
    "from_path",
    "roll_up",
]
