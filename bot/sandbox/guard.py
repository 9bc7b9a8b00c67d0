"""Who may talk to the sandbox: this machine's browser with the page's token, and the app with its own."""

from __future__ import annotations

import secrets
from datetime import timedelta

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

OWN_KEYS = ("/api/", "/link", "/upload/", "/response/")
"""The app's side: tokens, tickets and one-time addresses of its own."""
ASK = "This is the Nightdesk sandbox. Open the address with ?token=… that the desk printed when it started."


KNOWN_FOR = int(timedelta(days=90).total_seconds())


class Guard:
    """The page's token and the only hosts that a request may name."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.port = 0

    @property
    def cookie(self) -> str:
        """Cookies ignore ports, so the name carries it."""
        return f"nightdesk_{self.port}"

    def _ours(self, request: web.Request) -> bool:
        """False for another site's page (Origin) and for a name that was made to point here (Host)."""
        if request.path.startswith("/_") and request.headers.get("Sec-Fetch-Site", "none") not in (
            "none",
            "same-origin",
        ):
            return False
        hosts = (f"127.0.0.1:{self.port}", f"localhost:{self.port}")
        origin = request.headers.get("Origin")
        return request.host in hosts and (origin is None or origin in [f"http://{host}" for host in hosts])

    def _known(self, request: web.Request) -> bool:
        shown = (request.headers.get("X-Sandbox-Token"), request.cookies.get(self.cookie), request.query.get("token"))
        return any(secrets.compare_digest(one.encode(), self.token.encode()) for one in shown if one)

    def middleware(self) -> Middleware:
        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not self._ours(request):
                return refused("forbidden", "The request came from another site or under another name.", 403)
            if request.path.startswith(OWN_KEYS):
                return await handler(request)
            if not self._known(request):
                return self._stranger(request)
            if request.path == "/" and "token" in request.query:
                return self._welcome()
            return await handler(request)

        return guarded

    def _stranger(self, request: web.Request) -> web.Response:
        if request.path.startswith("/_"):
            return refused("not_authed", "The run's token is missing or wrong (header X-Sandbox-Token).", 401)
        return web.Response(status=401, text=ASK)

    def _welcome(self) -> web.Response:
        """Keep the token in a cookie and out of the address bar."""
        response = web.Response(status=302, headers={"Location": "/", "Cache-Control": "no-store"})
        response.set_cookie(self.cookie, self.token, max_age=KNOWN_FOR, httponly=True, samesite="Strict", path="/")
        return response


def refused(code: str, sentence: str, status: int) -> web.Response:
    return web.json_response({"ok": False, "error": code, "message": sentence}, status=status)
