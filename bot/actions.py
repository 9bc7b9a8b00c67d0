"""What a pressed button does. Each press is answered; none acts on anything but the engine's own state."""

from __future__ import annotations

from bot.blocks import Rendered
from bot.commands import models
from bot.commands.jobs import cancel_job
from bot.commands.safety import PANIC, lift, panic_now, resume_question
from bot.commands.why import explain
from bot.front import Answer, Ask, Front, Handler, outcomes
from bot.ids import ActionId, pressed
from bot.stops import ask_stop
from engine.domain import Position, Proposal, ProposalStatus, Role
from engine.messages import ClosePosition, Press
from engine.outcomes import ProposalChanged, ProposalClosed, Refused
from engine.records import Record

PANIC_GOOD_FOR = 120.0  # seconds


def _pressing(action: str) -> Handler:
    async def handle(front: Front, ask: Ask) -> Rendered:
        return await press(front, ask, action)

    return handle


async def press(front: Front, ask: Ask, action: str) -> Rendered:
    """Approve, reject or take half of a proposal; the engine decides by the state of this moment."""
    at = pressed(ask.value)
    if at is None:
        return front.sentence("old_button")
    record = await front.submit(Press(front.desk.clock.now(), action, at.id, at.rev, ask.user, ask.role))
    return front.sentence("slow") if record is None else answer_to_press(front, record, action, at.id)


def answer_to_press(front: Front, record: Record, action: str, card: str) -> Rendered:
    """The sentence that a press on `card` deserves, from what the engine recorded: others may have expired in it."""
    changed = next((item for item in outcomes(record, ProposalChanged) if item.proposal.id == card), None)
    closed = next((item for item in outcomes(record, ProposalClosed) if item.proposal.id == card), None)
    refusals = [item.refusal for item in outcomes(record, Refused)]
    if changed is not None:
        return front.sentence("requoted", proposal=changed.proposal)
    if refusals:
        return front.sentence("refusals", refusals=refusals)
    if closed is not None:
        return _closed(front, closed.proposal, action)
    return front.sentence("old_button")


def _closed(front: Front, proposal: Proposal, action: str) -> Rendered:
    if proposal.status is ProposalStatus.APPROVED:
        return front.sentence("approved", proposal=proposal, half=action == "half")
    if proposal.status is ProposalStatus.REJECTED:
        return front.sentence("rejected", proposal=proposal)
    return front.sentence("not_open", status=str(proposal.status))


async def why_proposal(front: Front, ask: Ask) -> Rendered:
    """The gate chain behind a card."""
    at = pressed(ask.value)
    symbols = {item.id: item.symbol for item in front.snapshot().proposals}
    symbol = symbols.get(at.id) if at else None
    return await explain(front, symbol) if symbol else front.sentence("old_button")


def _position(front: Front, ask: Ask) -> Position | None:
    at = pressed(ask.value)
    return next((item for item in front.snapshot().positions if at and item.trade_id == at.id), None)


def _closing(fraction: float) -> Handler:
    async def handle(front: Front, ask: Ask) -> Rendered:
        position = _position(front, ask)
        if position is None:
            return front.sentence("position_gone")
        at = front.desk.clock.now()
        order = ClosePosition(at, ask.user, ask.role, position.symbol, position.strategy, fraction)
        record = await front.submit(order)
        if record is None:
            return front.sentence("slow")
        refusals = [item.refusal for item in outcomes(record, Refused)]
        if refusals:
            return front.sentence("refusals", refusals=refusals)
        return front.sentence("closing", symbol=position.symbol, fraction=fraction)

    return handle


async def why_position(front: Front, ask: Ask) -> Rendered:
    position = _position(front, ask)
    return await explain(front, position.symbol) if position else front.sentence("position_gone")


async def resume_hold(front: Front, ask: Ask) -> Rendered:
    """Lift the hold whose button was pressed; a panic asks once more."""
    at = pressed(ask.value)
    hold = next((item for item in front.snapshot().holds if at and item.code == at.id), None)
    if hold is None:
        return front.sentence("hold_gone", state=str(front.snapshot().state))
    if hold.code == PANIC:
        return resume_question(front, hold)
    return await lift(front, ask, hold.code)


async def confirm_resume(front: Front, ask: Ask) -> Answer:
    at = pressed(ask.value)
    return Answer(await lift(front, ask, at.id if at else None), replace=True)


async def confirm_panic(front: Front, ask: Ask) -> Answer:
    """The second step of /panic, while its question is fresh."""
    at = pressed(ask.value)
    asked, _, why = at.id.partition(" ") if at else ("", "", "")
    since = float(asked) if asked.isdigit() else 0.0
    if front.desk.clock.now().timestamp() - since > PANIC_GOOD_FOR * front.desk.clock.speed:
        return Answer(front.sentence("panic_old"), replace=True)
    return Answer(await panic_now(front, ask, why), replace=True)


async def cancel(front: Front, ask: Ask) -> Answer:
    return Answer(front.sentence("cancelled"), replace=True)


async def unknown(front: Front, ask: Ask) -> Rendered:
    """A button of an older version: answered, never ignored."""
    return front.sentence("old_button")


ACTIONS: dict[ActionId, tuple[Role, Handler]] = {
    ActionId.PROPOSAL_APPROVE: (Role.TRADER, _pressing("approve")),
    ActionId.PROPOSAL_REJECT: (Role.TRADER, _pressing("reject")),
    ActionId.PROPOSAL_HALF: (Role.TRADER, _pressing("half")),
    ActionId.PROPOSAL_WHY: (Role.VIEWER, why_proposal),
    ActionId.POSITION_CLOSE: (Role.TRADER, _closing(1.0)),
    ActionId.POSITION_HALF: (Role.TRADER, _closing(0.5)),
    ActionId.POSITION_MOVE_STOP: (Role.TRADER, ask_stop),
    ActionId.POSITION_WHY: (Role.VIEWER, why_position),
    ActionId.HOLD_RESUME: (Role.RISK, resume_hold),
    ActionId.RESUME_CONFIRM: (Role.RISK, confirm_resume),
    ActionId.PANIC_CONFIRM: (Role.RISK, confirm_panic),
    ActionId.CONFIRM_CANCEL: (Role.VIEWER, cancel),
    ActionId.JOB_CANCEL: (Role.ADMIN, cancel_job),
    ActionId.MODEL_PROMOTE: (Role.ADMIN, models.pressing("promote")),
    ActionId.MODEL_REJECT: (Role.RISK, models.pressing("reject")),
    ActionId.MODEL_ROLLBACK: (Role.RISK, models.pressing("rollback")),
    ActionId.MODEL_TRAIN: (Role.ADMIN, models.train_pressed),
}
