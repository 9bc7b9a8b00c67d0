"""One post to Slack: words, a message or an edit, a picture; and finding out what became of a lost one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.access import reason
from bot.blocks import Rendered
from bot.cards import render_post
from bot.charts import ChartError, Drawing, render
from bot.connection import NETWORK
from bot.files import Picture, upload
from bot.front import Reports
from bot.lookup import Refused, TryLater, Unsayable, Unsure, find
from bot.outbox_store import OutboxStore, Standing, Waiting
from bot.render import Words
from bot.slack_limits import fit
from bot.wire import load

log = logging.getLogger(__name__)

EVENT = "nightdesk_post"
TEXT_ONLY = {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "invalid_attachments"}
UNKNOWN_END = {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
GONE = {"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"}
# What Slack says of the message itself; no waiting mends that. Everything else is about the token, the app, the channel
# or Slack, which people mend: the post waits for them.
FAULTY = GONE | TEXT_ONLY | {"no_text", "cannot_reply_to_message"}
FAULTY_KINDS = (
    "msg_",
    "metadata_",
    "invalid_metadata",
    "invalid_arg",
    "too_many_",
    "markdown_text",
    "file_",
    "malware_",
)


class Courier:
    """Delivers one post at a time. Raises `TryLater`, `Unsure`, `Refused` or `Unsayable`; returns when it is out."""

    def __init__(
        self,
        client: AsyncWebClient,
        store: OutboxStore,
        words: Words,
        channels: Mapping[str, str],
        now: Callable[[], float],
        reports: Reports | None = None,
        reported: Callable[[], None] = lambda: None,
    ) -> None:
        """`channels`: role → channel id; `now`: real seconds since the epoch; `reported`: a report stands in Slack."""
        self._client = client
        self._store = store
        self._words = words
        self._channels = channels
        self._reports = reports
        self._reported = reported
        self.now = now

    async def deliver(self, post: Waiting) -> None:
        """Post or edit, whichever the subject needs by now."""
        upto = await asyncio.to_thread(self._store.last_seq, post.subject)  # before the data: those are at least as new
        standing = await asyncio.to_thread(self._store.standing, post.subject)
        if standing is None:
            raise Refused(f"subject {post.subject} has no data")
        edits = standing.ts is not None and post.op == "update"
        if post.template in ("report_chart", "job_chart"):
            await self._picture(post, standing, upto)
        elif edits:
            await self._edit(post, standing, upto)
        else:
            await self._post(post, standing, upto)

    # -------------------------------------------------------- messages

    async def _post(self, post: Waiting, standing: Standing, upto: tuple[int, int]) -> None:
        channel, root = self._channels[post.channel], await self._root(post)
        if post.sent_at is not None:
            found = await find(self._client, post.key, channel, root, post.sent_at)
            if found is None:
                await asyncio.to_thread(self._store.not_sent, post.key, "")
                raise TryLater("it never arrived", 0.01)
            await self._done(post, channel, found, root, (post.seq, post.place))  # newer words follow as an edit
            return
        over = standing.data.get("cleared") or standing.data.get("lifted_by")  # nobody is called for what is over
        message = await self._message(standing, post.mention and not over)
        await asyncio.to_thread(self._store.begin, post.key, self.now())
        metadata = {"event_type": EVENT, "event_payload": {"id": post.key}}
        about = {
            "channel": channel,
            "thread_ts": root,
            "metadata": metadata,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        answer = await self._said(post, self._client.chat_postMessage, message, about)
        await self._done(post, channel, str(answer["ts"]), root, upto)

    async def _edit(self, post: Waiting, standing: Standing, upto: tuple[int, int]) -> None:
        message = await self._message(standing, mention=False)
        about = {"channel": standing.channel, "ts": standing.ts}
        await asyncio.to_thread(self._store.begin, post.key, self.now())
        try:
            await self._said(post, self._client.chat_update, message, about)
        except Refused as no:
            if str(no) not in GONE:
                raise
            log.warning("the message of %s is gone from Slack (%s); its update has nowhere to go", post.subject, no)
        await asyncio.to_thread(
            self._store.delivered, post, str(standing.channel), str(standing.ts), str(standing.root), upto
        )

    async def _said(self, post: Waiting, call: Callable[..., Any], message: Rendered, about: Mapping[str, Any]) -> Any:
        """Call Slack; once more with text only when it will not have the blocks."""
        try:
            try:
                return await call(**about, text=message.text, blocks=message.blocks)
            except SlackApiError as error:
                if reason(error) not in TEXT_ONLY:
                    raise
                log.error("Slack refused the blocks of %s (%s); sending the text", post.key, reason(error))
                return await call(**about, text=message.text, blocks=[])
        except SlackApiError as error:
            await self._explain(post, error)
        except NETWORK as error:
            await asyncio.to_thread(self._store.unsure, post.key, reason(error))
            raise Unsure(reason(error)) from error

    async def _explain(self, post: Waiting, error: SlackApiError) -> None:
        """What Slack's error means for the post; always raises."""
        code = reason(error)
        if code in UNKNOWN_END or code.startswith("HTTP 5"):
            await asyncio.to_thread(self._store.unsure, post.key, code)
            raise Unsure(code) from error
        await asyncio.to_thread(self._store.not_sent, post.key, code)
        if code == "ratelimited":
            headers = getattr(error.response, "headers", {})
            raise TryLater(code, float(headers.get("Retry-After", 30))) from error
        if code in FAULTY or code.startswith(FAULTY_KINDS):
            raise Refused(code) from error
        log.error("Slack does not take posts for %s: %s", post.channel, code)
        raise TryLater(code) from error

    async def _message(self, standing: Standing, mention: bool) -> Rendered:
        message = await self._words_of(standing)
        if mention:
            blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "<!channel>"}}, *message.blocks]
            message = Rendered(f"<!channel> {message.text}", blocks)
        return fit(message)

    async def _words_of(self, standing: Standing) -> Rendered:
        if standing.template == "report":
            if self._reports is None:
                raise Refused("this desk makes no reports")
            made = await asyncio.to_thread(self._reports.due, load(standing.data))
            return made.words
        try:
            return render_post(self._words, standing.template, standing.data)
        except (KeyError, TypeError, ValueError, TemplateError) as error:
            raise Unsayable(f"template {standing.template}: {error}") from error

    async def _root(self, post: Waiting) -> str | None:
        """The ts of the thread's head; replies to a reply go under the same head."""
        if post.thread is None:
            return None
        head = await asyncio.to_thread(self._store.standing, post.thread)
        return (head.root or head.ts) if head is not None else None

    async def _done(self, post: Waiting, channel: str, ts: str, root: str | None, upto: tuple[int, int]) -> None:
        await asyncio.to_thread(self._store.delivered, post, channel, ts, root or ts, upto)
        if post.template == "report":
            self._reported()

    # -------------------------------------------------------- pictures

    async def _picture(self, post: Waiting, standing: Standing, upto: tuple[int, int]) -> None:
        """A chart under its message. Its file name is its id: that is how a lost upload is found."""
        channel, root = self._channels[post.channel], await self._root(post)
        name = f"{post.subject.replace(':', '-')}.png"
        if root is None:
            await asyncio.to_thread(self._store.give_up, post.key, "dropped", "no message to hang it under")
            return
        if post.sent_at is not None and (found := await find(self._client, name, channel, root, post.sent_at)):
            await self._done(post, channel, found, root, upto)
            return
        picture = await (self._of_job if post.template == "job_chart" else self._of_report)(standing, name)
        if picture is None:
            await asyncio.to_thread(self._store.give_up, post.key, "dropped", "there is nothing to show")
            return
        await asyncio.to_thread(self._store.begin, post.key, self.now())
        try:
            await upload(self._client, picture, channel, root)
        except SlackApiError as error:
            await self._explain(post, error)
        except NETWORK as error:
            raise Unsure(reason(error)) from error
        await self._done(post, channel, root, root, upto)

    async def _of_report(self, standing: Standing, name: str) -> Picture | None:
        """A report's chart; None while there is no curve."""
        if self._reports is None:
            return None
        made = await asyncio.to_thread(self._reports.due, load(standing.data))
        if not made.drawing.equity:
            return None
        return Picture(await self._drawn(made.drawing), name, made.drawing.title, made.alt)

    async def _of_job(self, standing: Standing, name: str) -> Picture | None:
        """The file that a job left behind; None when somebody removed it."""
        try:
            png = await asyncio.to_thread(Path(standing.data["picture"]).read_bytes)
        except OSError as error:
            log.warning("the chart of %s cannot be read (%s)", standing.subject, error)
            return None
        title = str(standing.data["title"])
        return Picture(png, name, title, f"Equity curve and drawdown of {title}")

    async def _drawn(self, drawing: Drawing) -> bytes:
        try:
            return await render(drawing)
        except ChartError as error:
            raise Refused(str(error)) from error
