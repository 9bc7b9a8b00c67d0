"""Pictures that follow words: shown where the question was asked, and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot import charts
from bot.access import reason
from bot.blocks import Rendered
from bot.front import Ask, Front
from engine.domain import EquityPoint

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG and what it shows, for people who cannot see it."""

    png: bytes
    name: str
    title: str
    alt: str


async def upload(
    client: AsyncWebClient, picture: Picture, channel: str | None = None, thread_ts: str | None = None
) -> dict[str, object]:
    """Put a picture into a channel (by id) or a thread, or nowhere yet; gives Slack's file object."""
    answer = await client.files_upload_v2(
        channel=channel,
        thread_ts=thread_ts,
        content=picture.png,
        filename=picture.name,
        title=picture.title,
        alt_txt=picture.alt[:1000],
    )
    return dict(answer.get("file") or {})


async def send_chart(front: Front, ask: Ask, points: Sequence[EquityPoint], title: str) -> None:
    """Draw the equity of a window and show it to the asker."""
    snapshot = front.snapshot()
    benchmark = [point for point in snapshot.benchmark if point.at >= points[0].at]
    subtitle = f"{front.words.moment(points[0].at)} to {front.words.moment(points[-1].at)}"
    drawing = charts.equity_drawing(points, benchmark, title, subtitle, snapshot.label, front.words.zone)
    await send_drawing(front, ask, drawing, charts.alt_text(points, benchmark, snapshot.label))


async def send_drawing(front: Front, ask: Ask, drawing: charts.Drawing, alt: str) -> None:
    """Draw an equity picture, upload, show."""
    await send_picture(front, ask, lambda: charts.render(drawing), "equity.png", drawing.title, alt)


async def send_picture(
    front: Front, ask: Ask, draw: Callable[[], Awaitable[bytes]], name: str, title: str, alt: str
) -> None:
    """Draw, upload, show; when that fails the words stand and a sentence says so."""
    try:
        await _show(front, ask, Picture(await draw(), name, title, alt))
    except (charts.ChartError, SlackApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
        log.warning("a chart for %s could not be delivered: %s", ask.user, error)
        why = str(error) if isinstance(error, charts.ChartError) else reason(error)
        await follow_up(ask, front.sentence("chart_failed", why=why))


async def _show(front: Front, ask: Ask, picture: Picture) -> None:
    """The picture as a second ephemeral; in the direct messages, with a link, when Slack will not show it there."""
    file = await upload(front.client, picture)
    image = {
        "type": "image",
        "slack_file": {"id": file.get("id")},
        "alt_text": picture.alt,
        "title": _plain(picture.title),
    }
    if await follow_up(ask, Rendered(f"{picture.title}: {picture.alt}", [image])):
        return
    opened = await front.client.conversations_open(users=ask.user)
    shared = await upload(front.client, picture, opened["channel"]["id"])
    await follow_up(ask, front.sentence("chart_sent", link=str(shared.get("permalink") or "")))


def _plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


async def follow_up(ask: Ask, message: Rendered) -> bool:
    """One more ephemeral to the same question; False when Slack did not take it."""
    url = ask.body.get("response_url")
    if not url:
        return False
    client = AsyncWebhookClient(url, retry_handlers=[])
    answer = await client.send(
        text=message.text, blocks=message.blocks, response_type="ephemeral", replace_original=False
    )
    return answer.status_code == 200
