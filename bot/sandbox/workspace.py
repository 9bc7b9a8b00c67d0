"""The workspace itself: what it keeps, what it allows, and the few things that can happen in it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from bot.sandbox.buttons import FormerButtons
from bot.sandbox.faults import Faults
from bot.sandbox.limits import Rates, Triggers
from bot.sandbox.live import Live
from bot.sandbox.manifest import Manifest
from bot.sandbox.messages import Message, Messages
from bot.sandbox.people import APP_ID, BOT_ID, BOT_USER, PEOPLE, TEAM_ID
from bot.sandbox.sockets import Sockets
from bot.sandbox.store import Store
from bot.sandbox.traces import Traces
from bot.sandbox.views import Modals

EPHEMERALS_KEPT = 500


class Clock(Protocol):
    def now(self) -> datetime: ...


class DeskClock(Protocol):
    """The desk's own time, which may run faster than real time."""

    @property
    def speed(self) -> float: ...

    def now(self) -> datetime: ...


@dataclass(eq=False)
class ResponseUrl:
    """Where the app may answer an interaction: five times, for half an hour."""

    user: str
    channel: str
    original: str
    until: float
    left: int = 5


@dataclass(eq=False)
class Workspace:
    """All parts of the sandbox in one place; nothing here knows HTTP."""

    store: Store
    clock: Clock
    manifest: Manifest
    address: str = ""
    label: str | None = None
    desk_clock: DeskClock | None = None
    zone: str = "UTC"
    ephemerals: dict[str, Message] = field(default_factory=dict)
    responses: dict[str, ResponseUrl] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.messages = Messages(self.store.db)
        self.former = FormerButtons()
        self.live = Live()
        self.traces = Traces()
        self.modals = Modals()
        self.faults = Faults(self.now)
        self.rates = Rates(self.now)
        self.triggers = Triggers(self.now)
        self.sockets = Sockets(self.now, self.faults, self.tell_status)

    def now(self) -> float:
        """Real seconds since 1970."""
        return self.clock.now().timestamp()

    def tell_status(self) -> None:
        self.live.tell("status", sockets=self.sockets.count, label=self.label, clock=self.desk_time())

    def desk_time(self) -> dict[str, Any] | None:
        """The desk's time now in milliseconds, how fast it runs, and its zone; None while no desk has told."""
        clock = self.desk_clock
        if clock is None:
            return None
        return {"now": clock.now().timestamp() * 1000, "speed": clock.speed, "zone": self.zone}

    def said_by(self, user: str) -> Message:
        """The part of a message that says who speaks."""
        about: Message = {"type": "message", "user": user, "team": TEAM_ID, "ts": self.store.next_ts(self.clock.now())}
        if user == BOT_USER:
            about |= {"bot_id": BOT_ID, "app_id": APP_ID, "username": PEOPLE[BOT_USER].name}
        return about

    def post(self, message: Message, response: str = "") -> None:
        """Keep a message, then tell the pages and whoever waits for it."""
        self.messages.add(message)
        self.live.tell("message", message=message)
        self.tell_traces(message, response)

    def change(self, message: Message, response: str = "") -> None:
        before = self.messages.get(message["channel"], message["ts"])
        if before is not None:
            self.former.keep(message["ts"], before.get("blocks", []))
        self.messages.change(message)
        fresh = self.messages.get(message["channel"], message["ts"]) or message
        self.live.tell("changed", message=fresh)
        self.tell_traces(fresh, response)

    def delete(self, channel: str, ts: str) -> None:
        self.store.forget(ts)
        self.messages.remove(channel, ts)
        self.live.tell("deleted", channel=channel, ts=ts)

    def whisper(self, message: Message, to: str, response: str = "") -> None:
        """Show a message to one person only; it is in no history and ends with the process."""
        message = {**message, "ephemeral": True, "to": to}
        self.ephemerals[message["ts"]] = message
        while len(self.ephemerals) > EPHEMERALS_KEPT:
            del self.ephemerals[next(iter(self.ephemerals))]
        self.live.tell("message", to=to, message=message)
        self.traces.said(shape(message), response=response, to="" if response else to)

    def unwhisper(self, ts: str) -> None:
        gone = self.ephemerals.pop(ts)
        self.live.tell("deleted", to=gone["to"], channel=gone["channel"], ts=ts)

    def tell_traces(self, message: Message, response: str) -> None:
        """Whoever waits for what the app says hears it."""
        if message["user"] == BOT_USER:
            self.traces.said(shape(message), message.get("thread_ts"), response)

    def response_url(self, user: str, channel: str, original: str = "") -> str:
        name = secrets.token_hex(16)
        now = self.now()
        self.responses = {key: one for key, one in self.responses.items() if one.until > now - 3600}
        self.responses[name] = ResponseUrl(user, channel, original, now + 1800)
        return name

    def published(self, user: str, view: dict[str, Any]) -> None:
        self.store.put_home(user, view)
        self.live.tell("home", to=user, view=view)
        self.traces.published(view, user)

    def show_modals(self, user: str) -> None:
        self.live.tell("views", to=user, views=self.modals.stack(user))

    def event(self, event: dict[str, Any]) -> None:
        """Tell the app that something happened, when its manifest listens to that."""
        if not self.manifest.listens(str(event.pop("subscription", event["type"]))):
            return
        now = self.now()
        about = {"team_id": TEAM_ID, "api_app_id": APP_ID, "event_id": f"Ev{secrets.token_hex(5).upper()}"}
        known = {"event_time": int(now), "type": "event_callback", "token": "unused", "authorizations": [ME]}
        self.sockets.tell({**about, **known, "event": {**event, "event_ts": f"{now:.6f}"}})


ME = {"team_id": TEAM_ID, "user_id": BOT_USER, "is_bot": True, "is_enterprise_install": False, "enterprise_id": None}


def shape(message: Message) -> dict[str, Any]:
    """A message as the drive API shows it."""
    always = {key: message.get(key) for key in ("ts", "channel", "user", "text")}
    extra = ("thread_ts", "reply_count", "latest_reply", "files", "edited", "subtype", "reactions", "metadata", "to")
    told = {key: message[key] for key in extra if key in message}
    return {**always, "blocks": message.get("blocks", []), "ephemeral": bool(message.get("ephemeral")), **told}


def open_store(folder: Path) -> Store:
    folder.mkdir(parents=True, exist_ok=True)
    return Store(folder / "sandbox.sqlite")
