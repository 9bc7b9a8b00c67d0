"""/desk …: the operator's umbrella."""

from __future__ import annotations

import asyncio
from collections import deque

from bot.blocks import Rendered, section
from bot.cards import labelled
from bot.commands.asking import count_of, lines, near
from bot.commands.jobs import backfill, backtest
from bot.commands.models import models
from bot.front import Answer, Ask, Front, Handler, outcomes
from bot.ids import DEEDS, ActionId, ViewId, pressed
from bot.render import price
from bot.retraining import begin_training
from bot.upkeep import begin_maintenance
from engine.domain import Role
from engine.messages import (
    Attempted,
    ClosePosition,
    JobEnded,
    JobStarted,
    Message,
    ModelPressed,
    ModelTrained,
    MoveStop,
    Panic,
    Pause,
    Press,
    Resume,
    RoleClaimed,
    Started,
    Stopped,
    TierChanged,
)
from engine.outcomes import Refused, RoleGranted
from engine.records import Record

LATER = {
    "autonomy": "Changing autonomy tiers from Slack",
}
AUDITED = (
    *(Press, ClosePosition, MoveStop, Pause, Resume, Panic, RoleClaimed, TierChanged),
    *(JobStarted, JobEnded, ModelPressed, ModelTrained, Attempted, Started, Stopped),
)
_ORDERS = frozenset(
    {
        "/pause",
        ActionId.PROPOSAL_APPROVE,
        ActionId.PROPOSAL_REJECT,
        ActionId.PROPOSAL_HALF,
        ActionId.POSITION_CLOSE,
        ActionId.POSITION_HALF,
        ActionId.MODEL_PROMOTE,
        ActionId.MODEL_REJECT,
        ActionId.MODEL_ROLLBACK,
        ActionId.RESUME_CONFIRM,
        ActionId.PANIC_CONFIRM,
        *ViewId,
    }
)
LOOK_BACK = 20_000  # rows of the ledger that one /desk audit reads


async def desk(front: Front, ask: Ask) -> Rendered | Answer:
    """Hand on to the word that follows; say what there is when it is none of them."""
    word = ask.words[0].lower() if ask.words else "help"
    if word in LATER:
        return front.sentence("later", what=LATER[word], word=word)
    handler = _WORDS.get(word)
    if handler is None:
        known = [*_WORDS, *LATER]
        usage, meant = f"one of {', '.join(known)}", near(word, known)
        return front.sentence("usage", command="/desk", usage=usage, given=ask.text, meant=meant)
    return await handler(front, ask)


def need(text: str) -> Role:
    """A stranger may claim; long work is the admins'; everything else under /desk is read by viewers."""
    word = next(iter(text.lower().split()), "")
    if word == "claim":
        return Role.NONE
    return Role.ADMIN if word in {"backfill", "backtest", "train", "maintain"} else Role.VIEWER


async def _help(front: Front, ask: Ask) -> Rendered:
    return front.say("help", role=str(ask.role), rank=ask.role.rank, claimed=front.access.has_admin())


async def _claim(front: Front, ask: Ask) -> Rendered:
    """The first admin, by the code that the first start printed."""
    if front.access.has_admin() or front.claim is None:
        return front.sentence("claim_taken", user=ask.user)
    if front.claim.locked:
        return front.sentence("claim_locked")
    if len(ask.words) != 2 or not front.claim.verify(ask.words[1]):
        front.audit(ask.user, "/desk claim", False, "wrong code")
        return front.sentence("claim_wrong", locked=front.claim.locked)
    record = await front.submit(RoleClaimed(front.desk.clock.now(), ask.user, Role.ADMIN))
    if record is None:
        return front.sentence("slow")
    refused = [item.refusal for item in outcomes(record, Refused)]
    if refused or not outcomes(record, RoleGranted):
        return front.sentence("refusals", refusals=refused) if refused else front.sentence("claim_taken", user=ask.user)
    return front.sentence("claimed", user=ask.user)


async def _playbook(front: Front, ask: Ask) -> Rendered:
    snapshot = front.snapshot()
    rules, model = (text[:2_600] for text in front.desk.playbook.sections)
    return front.say("playbook", snapshot=snapshot, yaml=rules, model=model)


async def _universe(front: Front, ask: Ask) -> Rendered:
    snapshot = front.snapshot()
    status = front.desk.feed_status()
    heading = front.words.line("universe", "heading", snapshot=snapshot, feed=status)
    rows = [
        front.words.line("universe", "line", symbol=item, close=snapshot.closes.get(item)) for item in snapshot.symbols
    ]
    gone = [front.words.line("universe", "gone", symbol=item, why=why) for item, why in status.refused_symbols.items()]
    return _listed(front, [heading, *rows, *gone])


async def _config(front: Front, ask: Ask) -> Rendered:
    """What is set, what this run and the playbook's overrides come to, and the names of what is not set."""
    snapshot = front.snapshot()
    run = {"playbook": snapshot.playbook, "market": snapshot.kind, "capital": f"{snapshot.capital:g}"}
    model = {name: words for name, words in snapshot.terms if name.startswith("model")}
    data = {"run": run | dict(snapshot.settings), "config": front.config, "model": model}
    parts = front.words.parts("config", data)
    asked = (parts.get(name) for name in ("heading", "run", "model", "set", "unset"))
    return _listed(front, [part for part in asked if part])


async def _version(front: Front, ask: Ask) -> Rendered:
    return front.sentence("version", snapshot=front.snapshot())


async def _audit(front: Front, ask: Ask) -> Rendered:
    """Who did what, newest first, from the ledger."""
    n = count_of(" ".join(ask.words[1:]), 15, 50)
    if n is None:
        return front.sentence("usage", command="/desk audit", usage="[number of lines, 1 to 50]", given=ask.text)
    start = max(0, front.snapshot().seq - LOOK_BACK)
    records = await asyncio.to_thread(_audited, front, start, n)
    rows = [_audit_line(front, record) for record in reversed(records)]
    return _listed(front, [front.words.line("audit", "heading", n=len(rows)), *rows])


def _audited(front: Front, start: int, n: int) -> deque[Record]:
    return deque((record for record in front.desk.records(start) if _tells(record.message)), maxlen=n)


def _tells(message: Message) -> bool:
    """Whether a row belongs in the list; of a press that ordered something the order itself is the line."""
    if isinstance(message, Attempted):
        return not (message.allowed and message.what in _ORDERS)
    return isinstance(message, AUDITED)


def _audit_line(front: Front, record: Record) -> str:
    message = record.message
    refusals = [item.refusal.code for item in outcomes(record, Refused)]
    allowed = getattr(message, "allowed", True) and not refusals
    data = {"at": record.at, "seq": record.seq, "by": getattr(message, "by", "desk"), "what": _what(message)}
    return front.words.line("audit", "line", **data, allowed=allowed, refusals=refusals)


def _what(message: Message) -> str:
    match message:
        case Press():
            return f"{message.action} proposal {message.proposal}"
        case ClosePosition():
            return f"close {message.symbol}" + ("" if message.fraction == 1 else f" ({message.fraction:.0%})")
        case MoveStop():
            return f"move the stop of {message.symbol} to {price(message.stop)}"
        case Attempted():
            return _attempted(message)
        case Resume():
            return f"resume {message.code or ''}".strip()
        case Pause() | Panic():
            return f"{type(message).__name__.lower()} {message.reason}".strip()
        case RoleClaimed():
            return f"claimed the {message.role} role"
        case JobStarted():
            return f"started {message.kind} {message.text}"
        case ModelPressed():
            return f"{message.action} {message.model} {message.version}"
        case ModelTrained():
            return f"trained {message.model} {message.version}: {message.verdict}"
        case JobEnded():
            return f"job {message.job} ended: {message.fate} {message.sentence}".strip()
        case TierChanged():
            return f"tier of {message.strategy or 'the desk'} to {message.tier}"
        case _:
            return type(message).__name__.lower()


def _attempted(message: Attempted) -> str:
    """`/why BTC`, `asking why (T3)`, `closing a position (has viewer, needs trader)`."""
    at = pressed(message.detail)
    detail = at.id if at else message.detail
    if message.what not in DEEDS:
        return f"{message.what} {f'({detail})' if not message.allowed and detail else detail}".strip()
    return f"{DEEDS[message.what]} ({detail})" if detail else DEEDS[message.what]


def _listed(front: Front, rows: list[str]) -> Rendered:
    texts = lines(rows)
    return labelled(Rendered("\n".join(rows), [section(text) for text in texts]), front.snapshot().label)


_WORDS: dict[str, Handler] = {
    "help": _help,
    "backfill": backfill,
    "backtest": backtest,
    "claim": _claim,
    "playbook": _playbook,
    "universe": _universe,
    "models": models,
    "train": begin_training,
    "maintain": begin_maintenance,
    "config": _config,
    "audit": _audit,
    "version": _version,
}
