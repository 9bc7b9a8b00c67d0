"""The front desk: the way every command and press takes. Ack, access, the handler, one answer; never silence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from slack_bolt.async_app import AsyncAck, AsyncRespond
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.access import Access, ClaimCode, line_to_add, reason
from bot.blocks import Rendered, compose
from bot.cards import labelled
from bot.charts import Drawing
from bot.ids import DEEDS
from bot.jobs import Jobs
from bot.render import Words, plain, short
from bot.slack_limits import fit
from engine import Desk
from engine.domain import Role
from engine.messages import Attempted, Message
from engine.outcomes import Outcome
from engine.records import Record
from engine.snapshot import Snapshot

log = logging.getLogger(__name__)

ANSWER_WITHIN = 2.0  # seconds of patience with the engine before the user is told to look at the card
Body: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks for what, and from where."""

    user: str
    role: Role
    text: str = ""
    value: str = ""
    channel: str = ""
    trigger: str = ""
    window: str = ""  # the id of the modal that was pressed or submitted
    body: Body = field(default_factory=dict)

    @property
    def words(self) -> list[str]:
        return self.text.split()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler says (None: it has opened a window itself). `replace` edits the message that was pressed; `then`
    runs after the words are out."""

    message: Rendered | None
    replace: bool = False
    then: Callable[[], Awaitable[None]] | None = None


class Report(Protocol):
    """A report in words, the picture to draw for it, and that picture in words."""

    @property
    def words(self) -> Rendered: ...
    @property
    def drawing(self) -> Drawing: ...
    @property
    def alt(self) -> str: ...


class Reports(Protocol):
    """Makes reports. Both calls may block for a moment: give them a thread."""

    def now(self, name: str) -> Report:
        """`daily` or `weekly`, up to this minute."""
        ...

    def due(self, data: Mapping[str, Any]) -> Report:
        """The report of one slot, from the data of its post."""
        ...


Handler: TypeAlias = Callable[["Front", Ask], Awaitable[Rendered | Answer]]
Need: TypeAlias = Role | Callable[[str], Role]


@dataclass(frozen=True)
class Front:
    """Everything a handler may use."""

    desk: Desk
    client: AsyncWebClient
    words: Words
    access: Access
    claim: ClaimCode | None = None
    reports: Reports | None = None
    config: Mapping[str, str] = field(default_factory=dict)
    jobs: Jobs | None = None

    def snapshot(self) -> Snapshot:
        return self.desk.snapshot()

    def say(self, template: str, *, buttons: list[dict[str, Any]] | None = None, **data: Any) -> Rendered:
        """A template as an answer, with the market's label on it."""
        made = compose(self.words, template, buttons or (), **data)
        return labelled(made, self.snapshot().label)

    def sentence(self, text_part: str, **data: Any) -> Rendered:
        """One sentence of `templates/answers.j2`."""
        text = self.words.line("answers", text_part, **data)
        return labelled(
            Rendered(text, [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]), self.snapshot().label
        )

    async def submit(self, message: Message) -> Record | None:
        """The record of a message once it is durable; None when the engine has not answered in time."""
        waiting = asyncio.wrap_future(self.desk.submit(message))
        done, _ = await asyncio.wait({waiting}, timeout=ANSWER_WITHIN)
        if not done:  # the message stays in the inbox: only our patience ends
            waiting.add_done_callback(_late)
            return None
        return waiting.result()

    def audit(self, user: str, what: str, allowed: bool, detail: str = "") -> None:
        """Put into the ledger who asked for what; nobody waits for it."""
        self.desk.submit(Attempted(self.desk.clock.now(), user, what, allowed, detail))


def _late(waiting: asyncio.Future[Record]) -> None:
    if not waiting.cancelled() and (error := waiting.exception()) is not None:
        log.error("a message that answered late had failed: %s", error)


def outcomes(record: Record, kind: type[Any]) -> list[Any]:
    """The outcomes of one kind in a record."""
    return [item for item in record.outcomes if isinstance(item, kind)]


def first(record: Record, kind: type[Any]) -> Outcome | None:
    return next(iter(outcomes(record, kind)), None)


# ------------------------------------------------------------ the one way in


def ask_of(body: Body, role: Role) -> Ask:
    """A command's or a press's body as an `Ask`."""
    action = (body.get("actions") or [{}])[0]
    channel = body.get("channel_id") or (body.get("channel") or {}).get("id", "")
    view = body.get("view") or {}
    return Ask(
        user=user_of(body),
        role=role,
        text=plain(body.get("text") or ""),
        value=action.get("value") or "",
        channel=channel,
        trigger=body.get("trigger_id") or "",
        window=str(view.get("id", "")) if view.get("type") == "modal" else "",
        body=body,
    )


def user_of(body: Body) -> str:
    return str(body.get("user_id") or (body.get("user") or {}).get("id", ""))


def team_of(body: Body) -> str | None:
    return (body.get("user") or {}).get("team_id") or body.get("team_id") or None


async def attend(front: Front, body: Body, what: str, need: Need, handler: Handler, respond: AsyncRespond) -> None:
    """Access first, then the handler, then its answer."""
    role = await front.access.role_of(user_of(body), team_of(body))
    ask = ask_of(body, role)
    needed = need if isinstance(need, Role) else need(ask.text)
    if role.rank < needed.rank:
        answer = Answer(_refusal(front, ask, what, needed))
        front.audit(ask.user, what, False, f"has {role}, needs {needed}")
    else:
        front.audit(ask.user, what, True, _audited(ask))
        given = await handler(front, ask)
        answer = given if isinstance(given, Answer) else Answer(given)
    await deliver(front, ask, answer, respond)
    if answer.then is not None:
        await answer.then()


def _audited(ask: Ask) -> str:
    """What was asked, without a claim code."""
    if ask.words[:1] == ["claim"]:
        return "claim"
    return short(ask.text or ask.value, 200)


def _refusal(front: Front, ask: Ask, what: str, needed: Role) -> Rendered:
    line = line_to_add(needed, ask.user)
    unclaimed = front.claim is not None and not front.access.has_admin()
    return front.sentence(
        "refused",
        what=DEEDS.get(what, what),
        user=ask.user,
        role=str(ask.role),
        need=str(needed),
        line=line,
        unclaimed=unclaimed,
    )


async def deliver(front: Front, ask: Ask, answer: Answer, respond: AsyncRespond) -> None:
    """The answer where the question came from: ephemeral, in place, or as a small window over the home tab."""
    if answer.message is None:
        return
    message = fit(answer.message)
    if respond.response_url:
        await respond(
            text=message.text,
            blocks=message.blocks,
            response_type="ephemeral",
            replace_original=answer.replace,
            unfurl_links=False,
            unfurl_media=False,
        )
        return
    try:
        if ask.window:
            await front.client.views_update(view_id=ask.window, view=window(message))
        else:
            await front.client.views_open(trigger_id=ask.trigger, view=window(message))
    except SlackApiError as error:  # the trigger lives 3 s
        log.info("a window could not be opened (%s); the answer goes as a direct message", reason(error))
        await front.client.chat_postMessage(channel=ask.user, text=message.text, blocks=message.blocks)


def window(message: Rendered) -> dict[str, Any]:
    """A message as a modal that only informs."""
    return {
        "type": "modal",
        "title": {"type": "plain_text", "text": "Nightdesk"},
        "close": {"type": "plain_text", "text": "Done"},
        "blocks": message.blocks,
    }


def listener(front: Front, what: str, need: Need, handler: Handler) -> Callable[..., Awaitable[None]]:
    """A Bolt listener that acks before anything else."""

    async def listen(ack: AsyncAck, body: dict[str, Any], respond: AsyncRespond) -> None:
        await ack()
        await attend(front, body, what, need, handler, respond)

    return listen
