"""/pause, /resume, /panic, /risk: what stops the desk and what lets it go on."""

from __future__ import annotations

from bot.blocks import Block, Rendered, actions, assemble, button, section, stacked
from bot.cards import is_liftable, labelled
from bot.commands.asking import lines
from bot.front import Ask, Front, outcomes
from bot.ids import ActionId
from engine.domain import Hold, LimitUse, State
from engine.messages import Message, Panic, Pause, Resume
from engine.outcomes import HoldLifted, HoldPlaced, Refused

PANIC = "PANIC"


async def pause(front: Front, ask: Ask) -> Rendered:
    """A REDUCING hold of this person."""
    note = ask.text[:500]
    return await ordered(front, Pause(front.desk.clock.now(), ask.user, ask.role, note), "paused")


async def resume(front: Front, ask: Ask) -> Rendered:
    """Lift the persons' pauses; a panic asks once more; a breaker names itself."""
    holds = front.snapshot().holds
    panics = [hold for hold in holds if hold.code == PANIC]
    if panics:
        return resume_question(front, panics[0])
    if not holds:
        return front.sentence("nothing_held", state=str(front.snapshot().state))
    return await lift(front, ask, None)


async def lift(front: Front, ask: Ask, code: str | None) -> Rendered:
    """Lift one hold by its code, or the persons' pauses."""
    return await ordered(front, Resume(front.desk.clock.now(), ask.user, ask.role, code), "resumed")


def resume_question(front: Front, hold: Hold) -> Rendered:
    """The second step before a panic is over."""
    buttons = [
        button("Yes, trade again", ActionId.RESUME_CONFIRM, hold.code, style="primary"),
        button("No, stay halted", ActionId.CONFIRM_CANCEL, "resume"),
    ]
    return front.say("resume_question", buttons=buttons, hold=hold)


async def panic(front: Front, ask: Ask) -> Rendered:
    """The first of two steps: what would happen, and a button."""
    snapshot = front.snapshot()
    asked = f"{int(front.desk.clock.now().timestamp())} {ask.text[:300]}"
    buttons = [
        button("Yes, close everything", ActionId.PANIC_CONFIRM, asked, style="danger"),
        button("No, keep trading", ActionId.CONFIRM_CANCEL, "panic"),
    ]
    held = [position.symbol for position in snapshot.positions]
    return front.say("panic_question", buttons=buttons, held=held, pending=len(snapshot.proposals), reason=ask.text)


async def panic_now(front: Front, ask: Ask, reason: str = "") -> Rendered:
    """The second step: cancel all, flatten all, HALTED."""
    return await ordered(front, Panic(front.desk.clock.now(), ask.user, ask.role, reason), "panicked")


async def ordered(front: Front, message: Message, done: str) -> Rendered:
    """Give a person's order to the engine and say what came of it."""
    record = await front.submit(message)
    if record is None:
        return front.sentence("slow")
    refused = [item.refusal for item in outcomes(record, Refused)]
    if refused:
        return front.sentence("refusals", refusals=refused)
    snapshot = front.snapshot()
    placed = [item.hold.code for item in outcomes(record, HoldPlaced)]
    lifted = [item.hold.code for item in outcomes(record, HoldLifted)]
    left = [hold.code for hold in snapshot.holds if hold.code not in lifted]
    still = str(snapshot.state if left or not lifted else State.ACTIVE)
    held = [position.symbol for position in snapshot.positions]
    return front.sentence(done, placed=placed, lifted=lifted, left=left, state=still, held=held)


# ------------------------------------------------------------ /risk


async def risk(front: Front, ask: Ask) -> Rendered:
    """Every limit with its use and headroom, and every hold with its formula and inputs."""
    snapshot = front.snapshot()
    head = assemble(front.words.parts("risk", {"snapshot": snapshot, "count": len(snapshot.limits)}))
    rows = [front.words.line("risk", "row_limit", **limit_words(limit)) for limit in snapshot.limits]
    rows += [front.words.line("risk", "row_term", name=name, value=value) for name, value in snapshot.terms]
    limits = Rendered("\n".join(rows), [section(text) for text in lines(rows)])
    return labelled(stacked(head, limits, *(hold_card(front, hold) for hold in snapshot.holds)), snapshot.label)


def limit_words(limit: LimitUse) -> dict[str, object]:
    """A limit in its own unit."""
    return {"limit": limit, "left": max(0.0, limit.limit - limit.used), "unit": limit.unit}


def hold_card(front: Front, hold: Hold) -> Rendered:
    made = assemble(front.words.parts("hold_detail", {"hold": hold}))
    button_row = [actions(resume_button(hold))] if is_liftable(hold) else []
    return Rendered(made.text, [*made.blocks, *button_row])


def resume_button(hold: Hold) -> Block:
    return button("Resume", ActionId.HOLD_RESUME, hold.code)
