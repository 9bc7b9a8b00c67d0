"""Files: a place to upload to, the upload itself, and the message that shows it."""

from __future__ import annotations

import mimetypes
import secrets
from typing import Any

from aiohttp import web

from bot.sandbox.api import Call, method
from bot.sandbox.composing import content, head_of
from bot.sandbox.errors import SlackError
from bot.sandbox.messages import Message
from bot.sandbox.people import BOT_USER
from bot.sandbox.workspace import Workspace

FILE_LIMIT = 32 * 1024 * 1024


@method("files.getUploadURLExternal", scope="files:write", tier=4, writes=True)
def get_upload_url(call: Call) -> dict[str, Any]:
    name, size = str(call.need("filename")), call.number("length", 0, FILE_LIMIT)
    file_id, key = f"F{secrets.token_hex(5).upper()}", secrets.token_hex(16)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    body = {"id": file_id, "name": name, "title": name, "size": size, "mimetype": kind, "key": key}
    body["alt_txt"] = call.text("alt_txt")
    call.space.store.put_file(body, None)
    return {"upload_url": f"{call.space.address}/upload/{file_id}/{key}", "file_id": file_id}


async def upload(space: Workspace, request: web.Request) -> web.Response:
    """POST /upload/ID/KEY: the bytes, raw or as a form's file."""
    found = space.store.file(request.match_info["id"])
    if found is None or not secrets.compare_digest(found[0]["key"], request.match_info["key"]):
        return web.Response(status=404, text="no such upload")
    if space.faults.on("slack_down"):
        return web.Response(status=503, text="Slack is down (a fault is on)")
    sent = await request.read() if request.content_type != "multipart/form-data" else await form_file(request)
    if len(sent) != found[0]["size"]:
        return web.Response(status=400, text=f"{len(sent)} bytes came, {found[0]['size']} were announced")
    space.store.put_file(found[0], sent)
    return web.Response(text=f"OK - {len(sent)}")


async def form_file(request: web.Request) -> bytes:
    for value in (await request.post()).values():
        if isinstance(value, web.FileField):
            return value.file.read()
    return b""


@method("files.completeUploadExternal", scope="files:write", tier=4, writes=True)
def complete_upload(call: Call) -> dict[str, Any]:
    """Share uploaded files in a channel (an id; the app must be inside), or keep them unshared."""
    files = [completed(call, one) for one in call.need("files")]
    if call.text("channel_id"):
        channel = call.inside("channel_id")
        share(call, channel["id"], files)
    return {"files": files}


def completed(call: Call, wanted: dict[str, Any]) -> dict[str, Any]:
    found = call.space.store.file(str(wanted.get("id")))
    if found is None or found[1] is None:
        raise SlackError("file_not_found")
    body = {**found[0], "title": wanted.get("title") or found[0]["name"]}
    call.space.store.put_file(body, found[1])
    return public(call.space, body)


def share(call: Call, channel: str, files: list[dict[str, Any]]) -> None:
    said: Message = {"text": call.text("initial_comment"), "blocks": []}
    if call.args.get("blocks"):
        said = content({"text": said["text"], "blocks": call.args["blocks"]})
    message = {**call.space.said_by(BOT_USER), "channel": channel, **said, "files": files, "subtype": "file_share"}
    if call.text("thread_ts"):
        message["thread_ts"] = head_of(call.space, channel, call.text("thread_ts"))
    call.space.post(message)


def public(space: Workspace, body: dict[str, Any]) -> dict[str, Any]:
    """A file object; its address needs the run's token, as Slack's needs a login."""
    shown = {key: body[key] for key in ("id", "name", "title", "size", "mimetype", "alt_txt")}
    address = f"{space.address}/files/{body['id']}/{body['name']}"
    return {**shown, "url_private": address, "permalink": address, "user": BOT_USER}


async def download(space: Workspace, request: web.Request) -> web.Response:
    """GET /files/ID or /files/ID/NAME: shown in the page when it is a picture, else saved."""
    found = space.store.file(request.match_info["id"])
    if found is None or found[1] is None:
        return web.Response(status=404, text="no such file")
    kind = found[0]["mimetype"]
    inline = kind in ("image/png", "image/jpeg", "image/gif", "image/webp")
    headers = {"Cache-Control": "private, max-age=86400", "X-Content-Type-Options": "nosniff"}
    headers["Content-Disposition"] = "inline" if inline else "attachment"
    return web.Response(body=found[1], content_type=kind if inline else "application/octet-stream", headers=headers)
