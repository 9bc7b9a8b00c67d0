"""chat.* and reactions.*"""

from __future__ import annotations

from typing import Any

from bot.sandbox.api import Call, method
from bot.sandbox.composing import content, head_of, visible, warnings
from bot.sandbox.errors import SlackError
from bot.sandbox.messages import Message
from bot.sandbox.people import BOT_USER, PEOPLE


def refuse_outsider(call: Call, channel: dict[str, Any]) -> None:
    """Posting needs membership, or chat:write.public in a public channel."""
    scopes = call.space.manifest.scopes
    public = not channel["is_im"] and (scopes is None or "chat:write.public" in scopes)
    if not public and BOT_USER not in call.space.store.members(channel["id"]):
        raise SlackError("not_in_channel")


def threading(call: Call, channel: str) -> Message:
    """The keys that put a message into a thread, and into the channel too when it is broadcast."""
    if not call.text("thread_ts"):
        return {}
    keys: Message = {"thread_ts": head_of(call.space, channel, call.text("thread_ts"))}
    if call.flag("reply_broadcast"):
        keys["subtype"] = "thread_broadcast"
    return keys


@method("chat.postMessage", scope="chat:write", writes=True)
def post_message(call: Call) -> dict[str, Any]:
    channel = call.channel()
    refuse_outsider(call, channel)
    said = content(call.args)
    threaded = threading(call, channel["id"])
    message = {**call.space.said_by(BOT_USER), "channel": channel["id"], **said, **threaded}
    call.space.post(message)
    return {"channel": channel["id"], "ts": message["ts"], "message": visible(message), **warnings(call.args)}


@method("chat.update", scope="chat:write", writes=True)
def update(call: Call) -> dict[str, Any]:
    """Text without blocks takes the blocks away; metadata stays unless new metadata comes."""
    old = call.own_message()
    has_blocks = call.args.get("blocks") is not None
    said = content({**call.args, "text": call.args.get("text") or (old["text"] if has_blocks else "")})
    fresh = {**old, **said}
    for told in ("reply_count", "latest_reply", "reply_users", "reply_users_count"):
        fresh.pop(told, None)
    if not call.args.get("blocks"):
        fresh["edited"] = {"user": BOT_USER, "ts": f"{call.space.now():.6f}"}
    call.space.change(fresh)
    return {"channel": old["channel"], "ts": old["ts"], "text": fresh["text"], "message": visible(fresh)}


@method("chat.delete", scope="chat:write", writes=True)
def delete(call: Call) -> dict[str, Any]:
    message = call.own_message()
    call.space.delete(message["channel"], message["ts"])
    return {"channel": message["channel"], "ts": message["ts"]}


@method("chat.postEphemeral", scope="chat:write", tier=4, writes=True)
def post_ephemeral(call: Call) -> dict[str, Any]:
    channel, user = call.channel(), str(call.need("user"))
    if user not in PEOPLE or user not in call.space.store.members(channel["id"]):
        raise SlackError("user_not_in_channel")
    refuse_outsider(call, channel)
    said = content(call.args)
    message = {**call.space.said_by(BOT_USER), "channel": channel["id"], **said, **threading(call, channel["id"])}
    call.space.whisper(message, user)
    return {"message_ts": message["ts"]}


@method("chat.getPermalink")
def get_permalink(call: Call) -> dict[str, Any]:
    channel, ts = call.channel(), str(call.need("message_ts"))
    message = call.space.messages.get(channel["id"], ts)
    if message is None:
        raise SlackError("message_not_found")
    head = message.get("thread_ts")
    thread = f"?thread={head}" if head not in (None, ts) else ""
    return {"channel": channel["id"], "permalink": f"{call.space.address}/archives/{channel['id']}/{ts}{thread}"}


def reacted(call: Call) -> tuple[Message, str]:
    message = call.space.messages.get(call.inside()["id"], str(call.need("timestamp")))
    if message is None:
        raise SlackError("message_not_found")
    return message, str(call.need("name")).strip(":")


@method("reactions.add", scope="reactions:write", writes=True)
def add_reaction(call: Call) -> dict[str, Any]:
    message, name = reacted(call)
    kept = {one["name"]: one["users"] for one in message.get("reactions", [])}
    if BOT_USER in kept.get(name, []):
        raise SlackError("already_reacted")
    kept[name] = [*kept.get(name, []), BOT_USER]
    told = [{"name": key, "users": users, "count": len(users)} for key, users in kept.items()]
    call.space.change({**message, "reactions": told})
    return {}


@method("reactions.remove", scope="reactions:write", writes=True)
def remove_reaction(call: Call) -> dict[str, Any]:
    message, name = reacted(call)
    kept = {one["name"]: list(one["users"]) for one in message.get("reactions", [])}
    if BOT_USER not in kept.get(name, []):
        raise SlackError("no_reaction")
    kept[name].remove(BOT_USER)
    told = [{"name": key, "users": users, "count": len(users)} for key, users in kept.items() if users]
    call.space.change({**message, "reactions": told})
    return {}
