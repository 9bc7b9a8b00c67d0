"""/_page: what the page reads and does beyond /_drive."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from bot.sandbox import acting
from bot.sandbox.drive import Act, Body, answering, word
from bot.sandbox.people import BOT_USER, PEOPLE, SANDBOX_ROLES
from bot.sandbox.workspace import Workspace, shape

PAGE = Path(__file__).parent / "page"
HISTORY = 200
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


async def state(space: Workspace, query: Body) -> Body:
    """All that a fresh page needs: people, commands, channels with unread counts, open modals."""
    user = acting.person(word(query, "user"))
    people = [
        {"id": p.id, "name": p.real_name, "title": p.title, "role": SANDBOX_ROLES.get(p.id)} for p in PEOPLE.values()
    ]
    commands = [vars(one) for one in space.manifest.commands or ()]
    return {
        "people": people,
        "bot": BOT_USER,
        "commands": commands,
        "channels": channels(space, user),
        "views": space.modals.stack(user),
        "home": space.store.home(user),
        "label": space.label,
        "clock": space.desk_time(),
        "sockets": space.sockets.count,
    }


async def clock(space: Workspace, _query: Body) -> Body:
    """The desk's own time."""
    return {"clock": space.desk_time()}


def channels(space: Workspace, user: str) -> list[Body]:
    """The person's channels with what is unread there; a direct one from its first message on."""
    reads = space.store.reads(user)
    found = []
    for one in space.store.channels():
        hidden = one["is_im"] and not space.messages.unread(one["id"], after="")
        if not hidden and user in space.store.members(one["id"]):
            read = reads.get(one["id"], "")
            found.append({**one, "read": read, "unread": space.messages.unread(one["id"], read)})
    return found


async def messages(space: Workspace, query: Body) -> Body:
    """The channel's newest messages down from `latest`, or a thread, with the whispers that `user` has there."""
    channel, user = acting.room(space, word(query, "channel"))["id"], acting.person(word(query, "user"))
    head = query.get("thread_ts")
    latest = query.get("latest") or "~"
    found = (
        space.messages.thread(channel, head) if head else space.messages.heads(channel, latest=latest, limit=HISTORY)
    )
    mine = [one for one in space.ephemerals.values() if one["to"] == user and one["channel"] == channel]
    mine = [one for one in mine if one.get("thread_ts") == head]
    told = sorted((shape(one) for one in (*found, *mine)), key=lambda one: str(one["ts"]))
    return {"messages": told, "more": not head and len(found) == HISTORY}


async def say(space: Workspace, body: Body) -> Body:
    user, channel = word(body, "user"), word(body, "channel")
    return acting.say(space, user, channel, word(body, "text"), word(body, "thread_ts", ""))


async def read(space: Workspace, body: Body) -> Body:
    """The person has seen the channel down to `ts`."""
    channel = acting.room(space, word(body, "channel"))["id"]
    space.store.mark_read(acting.person(word(body, "user")), channel, word(body, "ts"))
    return {"ok": True}


async def dismiss(space: Workspace, body: Body) -> Body:
    return await acting.dismiss(space, word(body, "user"), word(body, "view_id"))


async def forget(space: Workspace, body: Body) -> Body:
    """The person dismisses an ephemeral message."""
    ts, user = word(body, "ts"), acting.person(word(body, "user"))
    if space.ephemerals.get(ts, {}).get("to") == user:
        space.unwhisper(ts)
    return {"ok": True}


async def index(_request: web.Request) -> web.StreamResponse:
    return web.FileResponse(PAGE / "index.html", headers=PAGE_HEADERS)


async def asset(request: web.Request) -> web.StreamResponse:
    """GET /page/NAME: one of the page's own files."""
    path = PAGE / request.match_info["name"]
    if not path.is_file():
        return web.Response(status=404, text="no such file")
    return web.FileResponse(path, headers=PAGE_HEADERS)


def add_routes(app: web.Application, space: Workspace) -> None:
    app.router.add_get("/", index)
    app.router.add_get("/archives/{channel}/{ts}", index)
    app.router.add_get("/page/{name:[a-z_-]+\\.(?:js|css|svg)}", asset)
    app.router.add_get("/_page/stream", space.live.serve)
    reads: dict[str, Act] = {"state": state, "messages": messages, "clock": clock}
    writes: dict[str, Act] = {"say": say, "read": read, "dismiss": dismiss, "forget": forget}
    for name, act in reads.items():
        app.router.add_get(f"/_page/{name}", answering(space, act, reads=True))
    for name, act in writes.items():
        app.router.add_post(f"/_page/{name}", answering(space, act, reads=False))
