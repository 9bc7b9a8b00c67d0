"""The workspace a desk works in: Slack itself when both tokens are set, else a sandbox on this machine."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from bot.cli.errors import fail
from bot.sandbox import SANDBOX_ROLES, Sandbox
from bot.settings import Settings
from engine import PLANTED_LABEL
from engine.domain import Role

HOST = "127.0.0.1"

BANNERS = {
    PLANTED_LABEL: "Planted edge: an invented market that can be forecast, paper trades",
    "simulated": "Simulated market: invented prices, paper trades",
    "replay": "Replay: recorded prices, paper trades",
}
"""What the page says above everything, by the market's label."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where Slack is and who may do what there. A real workspace has no `sandbox` and no `page`."""

    bot_token: str
    app_token: str
    api_url: str
    settings: Settings
    sandbox: Sandbox | None
    page: str = ""

    @classmethod
    async def open(cls, settings: Settings, data: Path, label: str, port: int | None, out: TextIO) -> Workspace:
        """Join by tokens, or start the sandbox and print its address. Raises `CliError` on a taken port."""
        if settings.slack_bot_token is not None and settings.slack_app_token is not None:
            bot, app = settings.slack_bot_token.get_secret_value(), settings.slack_app_token.get_secret_value()
            return cls(bot, app, settings.slack_api_url, settings, None)
        sandbox = Sandbox(data, port)
        try:
            address = await sandbox.start()
        except OSError as error:
            fail(error.strerror or str(error))
        sandbox.label = BANNERS.get(label, label) or None
        print(f"open this page: {address}", file=out, flush=True)
        return cls(
            sandbox.bot_token, sandbox.app_token, sandbox.api_url, with_sandbox_roles(settings), sandbox, address
        )

    async def close(self) -> None:
        if self.sandbox is not None:
            await self.sandbox.stop()


def require_free(port: int) -> None:
    """Raise `CliError` where a port asked for is taken, before anything is made."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        fail(f"port {port} is taken: give another with --port, or stop what uses it" if taken else str(error))


def require_both_tokens(settings: Settings) -> None:
    """One token alone cannot join a workspace: name the missing one."""
    tokens = {"SLACK_BOT_TOKEN": settings.slack_bot_token, "SLACK_APP_TOKEN": settings.slack_app_token}
    missing = [name for name, value in tokens.items() if value is None]
    if len(missing) == 1:
        fail(f"{missing[0]} is not set; set both tokens to join Slack, or neither to open the sandbox", code=2)


def with_sandbox_roles(settings: Settings) -> Settings:
    """The sandbox's people in their roles, unless the settings name somebody."""
    if settings.desk_admins or settings.desk_risk or settings.desk_traders or settings.desk_viewers:
        return settings
    people: dict[Role, tuple[str, ...]] = {}
    for user, role in SANDBOX_ROLES.items():
        people[Role(role)] = (*people.get(Role(role), ()), user)
    return settings.model_copy(
        update={
            "desk_admins": people.get(Role.ADMIN, ()),
            "desk_risk": people.get(Role.RISK, ()),
            "desk_traders": people.get(Role.TRADER, ()),
            "desk_viewers": people.get(Role.VIEWER, ()),
        }
    )
