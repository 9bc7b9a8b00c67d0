"""What came of a command, a press or a submission: the content a person waits for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

CONTENT_SECONDS = 3.0
LINGER_SECONDS = 0.05
"""After the first content, time for what belongs to it (an ephemeral and the changed card)."""
DOUBT_SECONDS = 1.0
"""A message that may only happen to be said in the same channel counts when nothing surer comes."""


@dataclass(eq=False)
class Trace:
    """One interaction. `ts` is the message that was pressed, `trigger` and `response` its one-time keys."""

    user: str
    channel: str
    ts: str = ""
    trigger: str = ""
    response: str = ""
    replies: list[dict[str, Any]] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)
    sure: asyncio.Event = field(default_factory=asyncio.Event)
    unsure: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, reply: dict[str, Any], sure: bool = True) -> None:
        """A reply; the newer version of one replaces the older."""
        same = [at for at, one in enumerate(self.replies) if one["ts"] == reply["ts"]]
        if same:
            self.replies[same[0]] = reply
        else:
            self.replies.append(reply)
        (self.sure if sure else self.unsure).set()

    def opened(self, view: dict[str, Any]) -> None:
        self.views = [one for one in self.views if one["id"] != view["id"]] + [view]
        self.sure.set()

    async def content(self, seconds: float) -> None:
        """Return when there is content, at most after `seconds`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        waits = [asyncio.ensure_future(self.sure.wait()), asyncio.ensure_future(self.unsure.wait())]
        try:
            await asyncio.wait(waits, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
            if not self.sure.is_set():
                left = max(0.0, min(DOUBT_SECONDS, end - loop.time()))
                await asyncio.wait(waits[:1], timeout=left)
        finally:
            for wait in waits:
                wait.cancel()
        if self.replies or self.views:
            await asyncio.sleep(min(LINGER_SECONDS, max(0.0, end - loop.time())))


class Traces:
    """The interactions that still wait for content."""

    def __init__(self) -> None:
        self._open: list[Trace] = []

    def begin(self, trace: Trace) -> Trace:
        self._open.append(trace)
        return trace

    def end(self, trace: Trace) -> None:
        self._open.remove(trace)

    def said(self, reply: dict[str, Any], thread: str | None = None, response: str = "", to: str = "") -> None:
        """A message was posted or changed: by a response_url, to one person, or in a channel."""
        for trace in self._open:
            if response:
                if trace.response == response:
                    trace.add(reply)
            elif to:
                if trace.user == to:
                    trace.add(reply)
            elif trace.ts and trace.ts in (reply["ts"], thread):
                trace.add(reply)
            elif trace.channel == reply["channel"]:
                trace.add(reply, sure=False)

    def viewed(self, view: dict[str, Any], user: str, trigger: str = "") -> None:
        """A modal was opened by its trigger, or changed, for `user`."""
        for trace in self._open:
            if trace.trigger == trigger if trigger else trace.user == user:
                trace.opened(view)

    def published(self, view: dict[str, Any], user: str) -> None:
        """A Home was published: content for who opened it or pressed in it, not for a command in a channel."""
        for trace in self._open:
            if trace.user == user and not trace.channel:
                trace.opened(view)
