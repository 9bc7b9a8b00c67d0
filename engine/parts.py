"""The parts of a running desk that can be stuck, and what starts each again. The engine thread is not among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from engine.messages import Minute
from engine.recovery import Part
from engine.serving import Serving
from engine.storage import Storage
from engine.supply import Supply
from engine.tasks import Tasks

FEED = "feed"


def parts_of(
    tasks: Tasks,
    supply: Supply,
    storage: Storage,
    orders: Part,
) -> Sequence[Part]:
    """`orders` is the gateway. The analyst is only looked at: `Supply.tend` starts it again, after pauses that grow."""
    return (
        Part(FEED, supply.feed_trouble, lambda: _feed_again(tasks, supply)),
        Part("analyst", supply.analyst_trouble, otherwise="its keeper starts it again after a pause"),
        orders,
        *storage.parts(),
        *tasks.parts(),
    )


async def _feed_again(tasks: Tasks, supply: Supply) -> None:
    """As at a start where the feed did not answer: asked anew, caught up from its history, then followed."""
    was_broken = bool(supply.broken)
    last = supply.last or supply.feed.clock.now()  # None: nothing was recorded yet, and nothing is to be made good
    await tasks.again(FEED, lambda: supply.run(False, last))
    if was_broken:
        supply.is_begun_again = True


async def renew_analyst(supply: Supply, serving: Serving | None, recorded: Callable[[], Iterable[Minute]]) -> None:
    """`recorded` gives the ledger's last minutes, and may block."""
    await supply.renew_analyst(recorded)
    if serving is not None and (at_work := supply.forecaster) is not None:
        serving.take_over(at_work)
