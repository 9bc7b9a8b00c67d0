"""Socket Mode: tickets, sockets, envelopes, acknowledgements and redelivery."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from bot.sandbox.faults import Faults
from bot.sandbox.people import APP_ID

ACK_SECONDS = 3.0
HOLE_SECONDS = 0.5
"""A refresh closes the old socket before the new one is open; Slack waits out that hole, and so does this."""
TICKET_SECONDS = 30.0
MOST_SOCKETS = 10


class DispatchFailed(Exception):
    """No socket to send to."""


class OperationTimeout(Exception):
    """The app did not acknowledge within three seconds."""


class Socket:
    """One connection of the app."""

    def __init__(self, connection: web.WebSocketResponse) -> None:
        self.connection = connection
        self.mute_until = 0.0


class Sockets:
    """All connections of the app; each envelope goes to one of them. `now` gives real seconds."""

    def __init__(self, now: Callable[[], float], faults: Faults, changed: Callable[[], None]) -> None:
        self._now = now
        self._faults = faults
        self._changed = changed
        self._tickets: dict[str, float] = {}
        self._open: list[Socket] = []
        self._turn = 0
        self._acks: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.retry_after: tuple[float, ...] = (0.0, 60.0, 300.0)

    @property
    def count(self) -> int:
        return len(self._open)

    def ticket(self) -> str:
        """A key for one handshake. One issued while `stale_ticket` lasts never opens anything."""
        name = secrets.token_hex(16)
        lasts = 0.0 if self._faults.on("stale_ticket") else TICKET_SECONDS
        self._tickets[name] = self._now() + lasts
        return name

    def _refused(self, ticket: str) -> web.Response | None:
        """Why a handshake fails, if it does; a ticket is used up by trying."""
        until = self._tickets.pop(ticket, 0.0)
        if self._faults.on("slack_down"):
            return web.Response(status=503, text="Slack is down (a fault is on)")
        if until <= self._now() or self._faults.on("stale_ticket"):
            return web.Response(status=403, text="the ticket was used, has expired or is unknown")
        return None

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """GET /link?ticket=…: the websocket that apps.connections.open named."""
        refused = self._refused(request.query.get("ticket", ""))
        if refused is not None:
            return refused
        connection = web.WebSocketResponse(autoping=False, max_msg_size=4 * 1024 * 1024)
        await connection.prepare(request)
        if len(self._open) >= MOST_SOCKETS:
            await connection.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await connection.close()
            return connection
        await self._talk(Socket(connection))
        return connection

    async def _talk(self, socket: Socket) -> None:
        self._open.append(socket)
        self._changed()
        try:
            await socket.connection.send_json(self._hello())
            async for message in socket.connection:
                await self._heard(socket, message)
        finally:
            if socket in self._open:
                self._open.remove(socket)
            self._changed()

    def _hello(self) -> dict[str, Any]:
        about = {"host": "sandbox", "approximate_connection_time": 18060}
        told = {"num_connections": len(self._open), "debug_info": about, "connection_info": {"app_id": APP_ID}}
        return {"type": "hello", **told}

    async def _heard(self, socket: Socket, message: WSMessage) -> None:
        if socket.mute_until > self._now():
            return
        if message.type == WSMsgType.PING:
            await socket.connection.pong(message.data)
        elif message.type == WSMsgType.TEXT:
            try:
                said = message.json()
            except ValueError:
                return
            waiting = self._acks.get(str(said.get("envelope_id")) if isinstance(said, dict) else "")
            if waiting is not None and not waiting.done():
                waiting.set_result(said.get("payload") or {})

    async def _pick(self) -> Socket:
        """The socket whose turn it is, after at most the hole of a refresh; DispatchFailed when there is none."""
        waited = 0.0
        while not self._open and waited < HOLE_SECONDS:
            await asyncio.sleep(0.02)
            waited += 0.02
        if not self._open:
            raise DispatchFailed
        self._turn += 1
        return self._open[self._turn % len(self._open)]

    async def dispatch(self, kind: str, payload: dict[str, Any], **extra: Any) -> dict[str, Any]:
        """Send one envelope and return the payload of its acknowledgement; DispatchFailed or OperationTimeout."""
        socket = await self._pick()
        envelope = secrets.token_hex(16)
        waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._acks[envelope] = waiting
        told = {"envelope_id": envelope, "type": kind, "payload": payload, "accepts_response_payload": True, **extra}
        try:
            if socket.mute_until <= self._now():
                await socket.connection.send_json(told)
            return await asyncio.wait_for(waiting, ACK_SECONDS)
        except (TimeoutError, ConnectionError) as failure:
            raise OperationTimeout from failure
        finally:
            self._acks.pop(envelope, None)

    def tell(self, payload: dict[str, Any]) -> None:
        """Deliver an event in the background, again when it is not acknowledged, three more times at most."""
        task = asyncio.get_running_loop().create_task(self._deliver(payload))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, payload: dict[str, Any]) -> None:
        extra: dict[str, Any] = {"retry_attempt": 0, "retry_reason": ""}
        for attempt, pause in enumerate((0.0, *self.retry_after)):
            await asyncio.sleep(pause)
            try:
                await self.dispatch("events_api", payload, **extra)
                return
            except (OperationTimeout, DispatchFailed) as failure:
                reason = "timeout" if isinstance(failure, OperationTimeout) else "connection_failed"
                extra = {"retry_attempt": attempt + 1, "retry_reason": reason}

    def mute(self, seconds: float) -> None:
        """Make the sockets that are open now half-open: they hear and answer nothing for `seconds`."""
        for socket in self._open:
            socket.mute_until = self._now() + seconds

    async def refresh(self, seconds: float) -> None:
        """Ask the app to reconnect, as Slack does every few hours; the old sockets end `seconds` later."""
        old = list(self._open)
        for socket in old:
            await socket.connection.send_json({"type": "disconnect", "reason": "refresh_requested"})
        task = asyncio.get_running_loop().create_task(self._end(old, seconds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, old: list[Socket], seconds: float) -> None:
        await asyncio.sleep(seconds)
        for socket in old:
            await socket.connection.close(code=WSCloseCode.GOING_AWAY)

    async def drop(self) -> None:
        """Close every socket now."""
        for socket in list(self._open):
            await socket.connection.close(code=WSCloseCode.GOING_AWAY)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.drop()
