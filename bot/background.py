"""Work beside the loop that nothing waits for when the desk must end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable


def in_background(work: Callable[[], None], name: str) -> asyncio.Future[None]:
    """Run `work` on a daemon thread. An ending loop waits for asyncio's own threads; for this one it does not."""
    done: concurrent.futures.Future[None] = concurrent.futures.Future()

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 (raised again where it is awaited)
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=run, name=name, daemon=True).start()
    return asyncio.wrap_future(done)
