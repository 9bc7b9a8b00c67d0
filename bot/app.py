"""Builds the Bolt app: every listener from its table, access before each, one handler for what breaks."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import SecretStr
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from bot.access import Access, ClaimCode
from bot.actions import ACTIONS, unknown
from bot.commands import COMMANDS
from bot.commands.safety import resume
from bot.front import (
    Answer,
    Ask,
    Body,
    Front,
    Handler,
    Reports,
    ask_of,
    attend,
    deliver,
    listener,
    team_of,
    user_of,
)
from bot.home import HomeTabs
from bot.ids import ActionId
from bot.jobs import Jobs
from bot.render import Words, slack
from bot.settings import Settings
from bot.views import VIEWS, Window, ask_panic, ask_pause
from bot.windows import plain_text, typed_in
from engine import Desk, clock
from engine.domain import MarketKind, Role

log = logging.getLogger(__name__)


def slack_client(token: str, url: str) -> AsyncWebClient:
    """A client that waits when Slack says so and never sends twice: a lost answer is looked up."""
    return AsyncWebClient(
        token=token, base_url=url, retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=3)]
    )


def front_desk(
    desk: Desk,
    settings: Settings,
    client: AsyncWebClient,
    *,
    claim: ClaimCode | None = None,
    reports: Reports | None = None,
    jobs: Jobs | None = None,
) -> Front:
    """What every listener works with."""
    access = Access(settings, client, lambda: desk.snapshot().roles, clock.monotonic)
    words = Words(settings.zone, invented=desk.snapshot().kind is not MarketKind.LIVE)
    return Front(desk, client, words, access, claim, reports, shown_settings(settings), jobs)


def shown_settings(settings: Settings) -> dict[str, str]:
    """Every setting for /desk config; of a secret only whether it is set."""
    shown = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        secret = isinstance(value, SecretStr)
        text = ", ".join(value) if isinstance(value, tuple) else str(value)
        shown[name.upper()] = "set" if secret else "not set" if value in (None, ()) else text
    return shown


def build_app(front: Front, tabs: HomeTabs) -> AsyncApp:
    """The app, ready for a Socket Mode handler."""
    app = AsyncApp(client=front.client, name="nightdesk", logger=logging.getLogger("bolt"))
    for command in COMMANDS:
        app.command(command.name)(listener(front, command.name, command.need, command.handler))
    for action, (need, handler) in {**ACTIONS, **_home_actions(tabs)}.items():
        app.action(str(action))(listener(front, str(action), need, handler))
    app.action(re.compile(".*"))(listener(front, "an old button", Role.NONE, unknown))
    for view, window in VIEWS.items():
        app.view(str(view))(_submission(front, str(view), window))
    app.event("app_home_opened")(_home_opened(tabs))
    app.error(_on_error(front))
    return app


def _home_actions(tabs: HomeTabs) -> Mapping[ActionId, tuple[Role, Handler]]:
    async def refresh(front: Front, ask: Ask) -> Answer:
        await tabs.opened(ask.user)
        return Answer(None)

    return {
        ActionId.HOME_PAUSE: (Role.TRADER, ask_pause),
        ActionId.HOME_RESUME: (Role.RISK, resume),
        ActionId.HOME_PANIC: (Role.RISK, ask_panic),
        ActionId.HOME_REFRESH: (Role.VIEWER, refresh),
    }


def _home_opened(tabs: HomeTabs) -> Callable[..., Awaitable[None]]:
    async def opened(event: dict[str, Any]) -> None:
        if event.get("tab", "home") == "home":
            await tabs.opened(event["user"])

    return opened


def _submission(front: Front, what: str, window: Window) -> Callable[..., Awaitable[None]]:
    """A submitted window stays with what is wrong in it, or turns into a waiting one at once and then the answer."""

    async def listen(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], respond: AsyncRespond) -> None:
        if window.faults is not None:
            role = await front.access.role_of(user_of(body), team_of(body))
            if faults := window.faults(front, view, role):
                front.audit(user_of(body), what, False, " ".join(faults.values()))
                await ack(response_action="errors", errors=faults)
                return
        waiting = {
            "type": "modal",
            "title": plain_text("Nightdesk"),
            "close": plain_text("Done"),
            "blocks": [{"type": "section", "text": plain_text("One moment …")}],
        }
        await ack(response_action="update", view=waiting)
        typed = slack(typed_in(view))  # escaped as Slack escapes a command's text
        await attend(front, {**body, "text": typed}, what, window.need, window.handler, respond)

    return listen


def _on_error(front: Front) -> Callable[..., Awaitable[None]]:
    """The one handler of what breaks: a sentence with a short id for the user, the details under that id in the log."""

    async def on_error(error: Exception, body: Body, respond: AsyncRespond) -> None:
        name = secrets.token_hex(3)
        what = asked(body)
        log.error("error %s in %s by %s", name, what, user_of(body), exc_info=error)
        if user_of(body):
            await deliver(front, ask_of(body, Role.NONE), Answer(front.sentence("failed", what=what, id=name)), respond)

    return on_error


def asked(body: Body) -> str:
    """What a body is about, in a word."""
    action = (body.get("actions") or [{}])[0].get("action_id")
    return str(body.get("command") or action or (body.get("view") or {}).get("callback_id") or "an event")
