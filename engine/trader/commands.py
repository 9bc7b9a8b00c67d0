"""What people order: close, pause, resume, panic, move a stop, roles and tiers. Roles are checked here once more."""

from __future__ import annotations

from datetime import datetime

from engine.domain import ExitReason, ProposalStatus, Role, State, Tier, micros
from engine.messages import Attempted, ClosePosition, Guarded, MoveStop, Panic, Pause, Resume, RoleClaimed, TierChanged
from engine.outcomes import Audited, RoleGranted, TierSet
from engine.trader import holds, models, stops
from engine.trader.cards import drop_card, withdraw_all
from engine.trader.errors import forgiven
from engine.trader.events import apply, relevel
from engine.trader.memory import Cell, Memory
from engine.trader.refusing import allowed, refuse
from engine.trader.sentences import who

_LATER = (Tier.AUTO_SMALL, Tier.AUTO)


def _cells(desk: Memory, symbol: str, strategy: str | None) -> list[Cell]:
    held = desk.book.positions()
    return [(p.strategy, p.symbol) for p in held if p.symbol == symbol and strategy in (None, p.strategy)]


def on_close(desk: Memory, message: ClosePosition) -> None:
    """A person closes a position, or a part of it, at the next price."""
    if not allowed(desk, "close positions", Role.TRADER, message.by, message.role, message.at):
        return
    if not 0 < message.fraction <= 1:
        refuse(desk, "BAD_FRACTION", message.at, f"{message.fraction:g} is no part of a position", message.symbol)
        return
    cells = _cells(desk, message.symbol, message.strategy)
    if not cells:
        refuse(desk, "NO_POSITION", message.at, f"there is no open position in {message.symbol}", message.symbol)
    for cell in cells:
        _close(desk, cell, message.fraction, message.at)


def _close(desk: Memory, cell: Cell, fraction: float, at: datetime) -> None:
    on_the_way = desk.exits.get(cell)
    if on_the_way is not None:
        words = f"{cell[1]} is being closed already ({on_the_way.order.purpose}); it fills at the next price"
        refuse(desk, "DUPLICATE", at, words, cell[1])
        return
    apply(desk, desk.book.exit(cell[0], cell[1], fraction, ExitReason.MANUAL, micros(at)))


def on_move_stop(desk: Memory, message: MoveStop) -> None:
    """A stop moves: closer to the price, or with the risk role also away from it."""
    if not allowed(desk, "move stops", Role.TRADER, message.by, message.role, message.at):
        return
    cells = _cells(desk, message.symbol, message.strategy)
    if not cells:
        refuse(desk, "NO_POSITION", message.at, f"there is no open position in {message.symbol}", message.symbol)
    for cell in cells:
        stops.move(desk, cell, message)


def on_pause(desk: Memory, message: Pause) -> None:
    """Stop new entries until a person resumes."""
    if not allowed(desk, "pause", Role.TRADER, message.by, message.role, message.at):
        return
    if not holds.impose(desk, holds.PAUSE, State.REDUCING, message.by, message.at, note=message.reason):
        standing = desk.holds[holds.PAUSE]
        refuse(
            desk, "DUPLICATE", message.at, f"already paused by {who(standing.by)} at {desk.plan.clock(standing.since)}"
        )
        return
    withdraw_all(desk, f"paused by {who(message.by)}", message.at)
    relevel(desk, micros(message.at))


def on_panic(desk: Memory, message: Panic) -> None:
    """Cancel all, flatten all, HALTED."""
    if not allowed(desk, "panic", Role.RISK, message.by, message.role, message.at):
        return
    if not holds.impose(desk, holds.PANIC, State.HALTED, message.by, message.at, note=message.reason):
        standing = desk.holds[holds.PANIC]
        called = f"panic was called already by {who(standing.by)} at {desk.plan.clock(standing.since)}"
        words = f"{called}; what is left is closed again"
        refuse(desk, "DUPLICATE", message.at, words)
    withdraw_all(desk, f"panic by {who(message.by)}", message.at)
    relevel(desk, micros(message.at))
    for position in desk.book.positions():
        apply(desk, desk.book.exit(position.strategy, position.symbol, 1.0, ExitReason.MANUAL, micros(message.at)))


def on_resume(desk: Memory, message: Resume) -> None:
    """Lift a person's pause, a confirmed panic, a breaker after its cool-down, or a hold of the desk's machinery.

    A daily loss ends at midnight, and a lost lease with the next start: neither is lifted by hand.
    """
    if not allowed(desk, "resume", Role.RISK, message.by, message.role, message.at):
        return
    code = message.code or holds.PAUSE
    hold = desk.holds.get(code)
    if hold is None:
        standing = ", ".join(desk.holds) or "none"
        refuse(desk, "NO_HOLD", message.at, f"there is no hold {code} to lift; holds in force: {standing}")
    elif code == holds.DAILY_LOSS:
        refuse(desk, "HOLD_UNTIL", message.at, "a daily-loss hold ends at local midnight, not by hand")
    elif code == holds.LEASE:
        words = "another desk has this desk's database; stop one of the two, then start this one again"
        refuse(desk, "LEASE", message.at, words)
    elif hold.until is not None and hold.until > message.at:
        refuse(desk, "COOL_DOWN", message.at, f"{code} cools down until {desk.plan.moment(hold.until)}")
    else:
        holds.lift(desk, code, message.by)
        if code == holds.ERRORS:
            forgiven(desk)
        if code == models.ACCURACY:
            models.resumed(desk, message.by, message.at)
        if holds.is_cores_own(code):
            apply(desk, desk.book.lift(code, micros(message.at)))
        relevel(desk, micros(message.at))


def on_guarded(desk: Memory, message: Guarded) -> None:
    """The desk's own machinery holds entries, or lets go."""
    if message.active:
        holds.impose(desk, message.code, message.level, "desk", message.at, note=message.note)
    else:
        holds.lift(desk, message.code, "desk")
    relevel(desk, micros(message.at))


def on_role_claimed(desk: Memory, message: RoleClaimed) -> None:
    """The first admin; there is only one first."""
    if message.role in desk.roles.values():
        refuse(desk, "CLAIMED", message.at, f"the role {message.role} was claimed already")
        return
    desk.roles[message.by] = message.role
    desk.say(RoleGranted(message.by, message.role))


def on_tier_changed(desk: Memory, message: TierChanged) -> None:
    """Another tier for a strategy, or for all."""
    if message.tier in _LATER:
        words = f"the tier {message.tier} comes later; today the desk knows observe and propose"
        refuse(desk, "LATER", message.at, words)
        return
    known = desk.plan.tiers()
    if message.strategy is not None and message.strategy not in known:
        refuse(desk, "UNKNOWN_STRATEGY", message.at, f"{message.strategy} is none of {', '.join(known)}")
        return
    desk.own_tiers[message.strategy or ""] = message.tier
    desk.say(TierSet(message.strategy, message.tier, message.by))
    if message.tier is Tier.OBSERVE:
        for card in list(desk.cards.values()):
            if message.strategy in (None, card.proposal.strategy):
                why = f"{who(message.by)} set the tier to observe"
                drop_card(desk, card, ProposalStatus.WITHDRAWN, "desk", message.at, why)


def on_attempted(desk: Memory, message: Attempted) -> None:
    desk.say(Audited(message.by, message.what, message.allowed, message.detail))
