"""A recording replayed to its end."""

from engine.market.feeds import feed_named
from tests.market.sink import Kept


async def replayed(path, **options):
    """A replay as a user starts it, at the fastest that one may ask for."""
    feed, sink = feed_named(f"replay:{path}", speed=600.0, **options), Kept()
    await feed.run(sink)
    return feed, sink, feed.account()
