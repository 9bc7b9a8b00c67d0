"""What became of a post whose answer was lost: Slack's own history knows, by the id that every message carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.access import reason
from bot.connection import NETWORK

LOOK_BACK = 120.0  # seconds before the first attempt that history is searched from


class TryLater(Exception):
    """Slack asks to wait `seconds` (None: it did not say); nothing was posted."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


class Unsure(Exception):
    """Nobody knows whether Slack has it."""


class Refused(Exception):
    """Slack said no to this post."""


class Unsayable(Exception):
    """The post's own data do not make a message; no further try will."""


async def find(client: AsyncWebClient, key: str, channel: str, root: str | None, since: float) -> str | None:
    """The ts of the message that carries this id (or this file) in a channel, or in the thread under `root`, since the
    real time `since`; None when Slack has none. Raises `TryLater`."""
    cursor = ""
    while True:
        page = await _page(client, channel, root, since, cursor)
        for message in page.get("messages") or ():
            if _carries(message, key):
                return str(message["ts"])
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            return None


async def _page(client: AsyncWebClient, channel: str, root: str | None, since: float, cursor: str) -> Any:
    oldest = f"{since - LOOK_BACK:.6f}"
    about: dict[str, Any] = {"channel": channel, "oldest": oldest, "limit": 200, "include_all_metadata": True}
    try:
        if root is not None:
            return await client.conversations_replies(ts=root, cursor=cursor, **about)
        return await client.conversations_history(cursor=cursor, **about)
    except SlackApiError as error:
        headers = getattr(error.response, "headers", {})
        seconds = float(headers["Retry-After"]) if "Retry-After" in headers else None
        raise TryLater(f"history could not be read: {reason(error)}", seconds) from error
    except NETWORK as error:
        raise TryLater(f"history could not be read: {reason(error)}") from error


def _carries(message: Mapping[str, Any], key: str) -> bool:
    metadata = message.get("metadata") or {}
    files = message.get("files") or ()
    return (metadata.get("event_payload") or {}).get("id") == key or any(one.get("name") == key for one in files)
