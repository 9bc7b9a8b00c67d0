"""The sandbox as one object: start it, point the desk's Bolt client at it, open its page."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from functools import partial
from pathlib import Path

from aiohttp import web

from bot.sandbox import api, drive, methods_channels, methods_chat, methods_files, methods_people, page_api, responses
from bot.sandbox.guard import Guard
from bot.sandbox.manifest import MANIFEST, Manifest, load_manifest
from bot.sandbox.workspace import Clock, DeskClock, Workspace, open_store
from engine import SystemClock

METHODS = (methods_channels, methods_chat, methods_files, methods_people)
"""Importing these registers the Web API's methods."""
HOST, FIRST_PORT, PORTS_TRIED = "127.0.0.1", 8484, 100


class Sandbox:
    """A Slack-compatible workspace kept in `data_dir`, on 127.0.0.1.

    Without `port` the first free one from 8484 is taken; 0 means any. `clock` is real time. `manifest` names
    the app's manifest; without it the project's own is read, and when there is none everything is allowed.
    """

    def __init__(
        self, data_dir: Path, port: int | None = None, clock: Clock | None = None, manifest: Path | None = None
    ) -> None:
        self._folder = data_dir
        self._wanted = port
        path = manifest or MANIFEST
        allowed = load_manifest(path) if manifest or path.exists() else Manifest()
        self.space = Workspace(open_store(data_dir), clock or SystemClock(), allowed)
        self._guard = Guard(self.space.store.page_token())
        self._runner: web.AppRunner | None = None

    @property
    def bot_token(self) -> str:
        return self.space.store.token("xoxb")

    @property
    def app_token(self) -> str:
        return self.space.store.token("xapp")

    @property
    def token(self) -> str:
        """The token of the page and of /_drive, the same at every start on this folder."""
        return self._guard.token

    @property
    def port(self) -> int:
        return self._guard.port

    @property
    def api_url(self) -> str:
        """For `AsyncWebClient(base_url=…)`."""
        return f"{self.space.address}/api/"

    @property
    def address(self) -> str:
        """The page's address with the run's token."""
        return f"{self.space.address}/?token={self.token}"

    @property
    def label(self) -> str | None:
        """A word the page shows on top, such as *simulated*; None for none."""
        return self.space.label

    @label.setter
    def label(self, words: str | None) -> None:
        self.space.label = words
        self.space.tell_status()

    def show_clock(self, clock: DeskClock, zone: str) -> None:
        """Let the page show the desk's own time beside the label."""
        self.space.desk_clock, self.space.zone = clock, zone
        self.space.tell_status()

    async def start(self) -> str:
        """Serve; the page's address. OSError with a sentence when the wanted port is taken."""
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            self._guard.port = await self._listen(runner)
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self.space.address = f"http://{HOST}:{self.port}"
        self._write_address()
        return self.address

    async def stop(self) -> None:
        self.space.live.close()
        await self.space.sockets.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.space.store.close()

    async def _listen(self, runner: web.AppRunner) -> int:
        first = FIRST_PORT if self._wanted is None else self._wanted
        tries = PORTS_TRIED if self._wanted is None else 1
        choice = range(first, first + tries)
        last = self._last_port()
        for port in [last, *choice] if last in choice else choice:
            try:
                site = web.TCPSite(runner, HOST, port, reuse_address=True)
                await site.start()
            except OSError as failure:
                if failure.errno != errno.EADDRINUSE:
                    raise
                continue
            return int(runner.addresses[0][1])
        span = f" to {first + tries - 1}" if tries > 1 else ""
        raise OSError(errno.EADDRINUSE, f"port {first}{span} is taken: give another with --port, or stop what uses it")

    def _last_port(self) -> int:
        """Where the page was before: a bookmark finds it there again when the port is free. 0: nowhere."""
        try:
            return int(json.loads((self._folder / "sandbox.json").read_text(encoding="utf-8"))["port"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _app(self) -> web.Application:
        space = self.space
        app = web.Application(middlewares=[self._guard.middleware()], client_max_size=methods_files.FILE_LIMIT)
        app.router.add_route("*", "/api/{method}", partial(api.serve, space))
        app.router.add_get("/link", space.sockets.serve)
        app.router.add_post("/response/{key}", partial(responses.serve, space))
        app.router.add_post("/upload/{id}/{key}", partial(methods_files.upload, space))
        for address in ("/files/{id}", "/files/{id}/{name}"):
            app.router.add_get(address, partial(methods_files.download, space))
        drive.add_routes(app, space)
        page_api.add_routes(app, space)
        return app

    def _write_address(self) -> None:
        """DATA/sandbox.json, readable by this user only, replaced as a whole."""
        told = {
            "url": self.address,
            "port": self.port,
            "token": self.token,
            "api_url": self.api_url,
            "pid": os.getpid(),
        }
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=".sandbox-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(told, file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(self._folder / "sandbox.json")
