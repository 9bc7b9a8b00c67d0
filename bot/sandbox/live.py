"""What the open pages are told, as it happens."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

HEARTBEAT_SECONDS = 10.0


class Live:
    """Server-sent events to every open page; what is meant for one person goes to that person's pages only."""

    def __init__(self) -> None:
        self._pages: list[tuple[str, asyncio.Queue[str | None]]] = []

    def tell(self, kind: str, to: str | None = None, **what: Any) -> None:
        line = json.dumps({"kind": kind, **what})
        for user, queue in self._pages:
            if to is None or to == user:
                queue.put_nowait(line)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """GET /_page/stream?user=: an event stream until the page or the sandbox goes."""
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        page = (request.query.get("user", ""), queue)
        self._pages.append(page)
        try:
            await response.write(b": here\n\n")
            await self._pump(response, queue)
        except ConnectionError:
            return response
        finally:
            self._pages.remove(page)
        return response

    async def _pump(self, response: web.StreamResponse, queue: asyncio.Queue[str | None]) -> None:
        while True:
            try:
                line = await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS)
            except TimeoutError:
                await response.write(b": still here\n\n")
                continue
            if line is None:
                return
            await response.write(f"data: {line}\n\n".encode())

    def close(self) -> None:
        for _, queue in self._pages:
            queue.put_nowait(None)
