"""A local S3 store that reads its callers' signatures (AWS Signature Version 4) and gives objects to the right ones."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import threading
from urllib.parse import quote

from aiohttp import web

KEY_ID, SECRET = "files-key-of-the-test", "files-secret-of-the-test"


class S3Server:
    """`objects`: "bucket/key" → content. `forbidden`: keys that are listed and not given. On a thread of its own."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.forbidden: set[str] = set()
        self.calls: list[str] = []
        self.failing = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="s3", daemon=True)

    def __enter__(self) -> S3Server:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_get("/{bucket}/{key:.+}", self._get)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _get(self, request: web.Request) -> web.Response:
        name = f"{request.match_info['bucket']}/{request.match_info['key']}"
        self.calls.append(name)
        if self.failing:
            self.failing -= 1
            return _error(503, "SlowDown", "Please reduce your request rate.")
        if (code := _wrong(request)) is not None:
            return _error(403, code, f"The request cannot be signed by {KEY_ID} with {SECRET}.")
        if name in self.forbidden:
            return _error(403, "AccessDenied", "You do not have access to this file.")
        if name not in self.objects:
            return _error(404, "NoSuchKey", "The specified key does not exist.")
        return web.Response(body=self.objects[name], content_type="application/gzip")


def _error(status: int, code: str, message: str) -> web.Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return web.Response(status=status, text=body, content_type="application/xml")


def _wrong(request: web.Request) -> str | None:
    """An S3 error code when the signature is not the one that KEY_ID and SECRET give."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme != "AWS4-HMAC-SHA256":
        return "AccessDenied"
    given = dict(part.strip().split("=", 1) for part in rest.split(","))
    key_id, *scope = given["Credential"].split("/")
    if key_id != KEY_ID:
        return "InvalidAccessKeyId"
    return None if hmac.compare_digest(given["Signature"], _signature(request, given["SignedHeaders"], scope)) else (
        "SignatureDoesNotMatch"
    )  # fmt: skip


def _signature(request: web.Request, signed: str, scope: list[str]) -> str:
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in signed.split(";"))
    query = "&".join(sorted(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in request.query.items()))
    path = quote(request.path, safe="/-_.~")
    canonical = "\n".join((request.method, path, query, headers, signed, request.headers["x-amz-content-sha256"]))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(("AWS4-HMAC-SHA256", request.headers["x-amz-date"], "/".join(scope), digest))
    key = f"AWS4{SECRET}".encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
