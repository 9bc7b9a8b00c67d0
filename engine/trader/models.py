"""Which version of a model forecasts: offered, promoted, rejected, rolled back, and stopped when it is wrong too often.

Nothing here loads a model: analyses bring forecasts, minutes settle them, and both are in the ledger.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from engine.domain import Role, State, micros
from engine.forecasts import ModelState, ModelVersion
from engine.messages import ModelPressed, ModelTrained
from engine.outcomes import ModelChanged, ModelOffered
from engine.playbook.model_terms import ModelTerms
from engine.trader import holds
from engine.trader.events import relevel
from engine.trader.memory import Memory
from engine.trader.refusing import allowed, refuse
from engine.trader.sentences import who

ACCURACY = "ACCURACY"
PREVIOUS_KEPT = 5
PASSING_KEPT, FAILING_KEPT = 2, 1  # challengers at a time: each forecasts every coin in the shadow
GONE_KEPT = 12  # of those that forecast no more
_NEEDED = {"promote": Role.ADMIN, "reject": Role.RISK, "rollback": Role.RISK}
_DOES = {"promote": "promote a model", "reject": "reject a model", "rollback": "roll a model back"}


def terms_of(desk: Memory) -> ModelTerms | None:
    return desk.plan.playbook.model if desk.plan_ is not None else None


def state_of(desk: Memory, model: str) -> ModelState:
    return desk.models.get(model) or ModelState(model)


def on_model_trained(desk: Memory, message: ModelTrained) -> None:
    """A version is there: it becomes a challenger and is offered; the playbook's rule may promote it at once."""
    state = state_of(desk, message.model)
    if message.version in state.known:
        return
    offered = ModelVersion(
        message.version,
        message.artefact,
        message.verdict,
        message.promotable,
        message.by_rule,
        message.trained,
        message.expires,
        message.sentence,
        message.failing,
        message.figures,
        message.label,
    )
    champion = state.champion.version if state.champion else ""
    state = _challenged(state, _kept((offered, *state.challengers), message.at))
    _keep(desk, replace(state, known=(*state.known, message.version)))
    names = _names(state.challengers)
    desk.say(ModelOffered(message.model, offered, champion, message.by, message.picture, message.about, names))
    terms = terms_of(desk)
    if terms is not None and terms.name == message.model and terms.promotion == "rule" and message.by_rule:
        _promote(desk, message.model, offered, "rule:promotion", message.at, "every step of the gate is passed")


def _kept(challengers: tuple[ModelVersion, ...], at: datetime) -> tuple[ModelVersion, ...]:
    """Of challengers, newest first, those that go on: what may not be promoted never displaces what may."""
    passing = tuple(one for one in challengers if one.promotable and one.expires > at)
    return passing[:PASSING_KEPT] + tuple(one for one in challengers if not one.promotable)[:FAILING_KEPT]


def _challenged(state: ModelState, challengers: tuple[ModelVersion, ...]) -> ModelState:
    return replace(state, challenger=challengers[0] if challengers else None, others=challengers[1:])


def on_model_pressed(desk: Memory, message: ModelPressed) -> None:
    """A person decides about a version; the gate decides with them."""
    needed, deed = _NEEDED[message.action], _DOES[message.action]
    if not allowed(desk, deed, needed, message.by, message.role, message.at):
        return
    state = state_of(desk, message.model)
    if message.action == "rollback":
        _roll_back(desk, state, message)
        return
    found = state.find(message.version)
    if found is None:
        words = f"{message.model} {message.version} is no longer on offer; /desk models shows what is"
        refuse(desk, "NO_MODEL", message.at, words)
    elif state.champion is found:
        refuse(desk, "DUPLICATE", message.at, f"{message.model} {message.version} is the champion already")
    elif message.action == "reject":
        _reject(desk, state, found, message)
    elif (no := _not_promotable(found, message.at)) is not None:
        refuse(desk, "NOT_PROMOTABLE", message.at, no)
    else:
        _promote(desk, message.model, found, message.by, message.at, message.reason)


def _not_promotable(found: ModelVersion, at: datetime) -> str | None:
    if not found.promotable:
        why = " ".join(found.failing) or found.sentence or f"its verdict is {found.verdict}"
        return f"the gate refuses {found.version}: {why}"
    if found.expires <= at:
        return f"{found.version} expired on {found.expires:%Y-%m-%d}; train anew"
    return None


def _promote(desk: Memory, model: str, found: ModelVersion, by: str, at: datetime, why: str) -> None:
    state = state_of(desk, model)
    before = tuple(one for one in (state.champion, *state.previous) if one not in (None, found))
    kept = tuple(one for one in before if one is not None)[:PREVIOUS_KEPT]
    state = _challenged(state, tuple(one for one in state.challengers if one is not found))
    _enthrone(desk, replace(state, champion=found, previous=kept), "promoted", by, at, why)


def _roll_back(desk: Memory, state: ModelState, message: ModelPressed) -> None:
    """The champion before takes over. Only the champion that the button was shown for goes."""
    champion = state.champion
    if champion is None or champion.version != message.version:
        refuse(desk, "NO_MODEL", message.at, f"{message.version} is not the champion of {message.model}")
        return
    usable = [one for one in state.previous if one.expires > message.at]
    if not usable:
        words = f"there is no earlier champion of {message.model} that has not expired; /pause stops entries"
        refuse(desk, "NO_MODEL", message.at, words)
        return
    rest = tuple(one for one in state.previous if one is not usable[0])
    now = replace(state, champion=usable[0], previous=rest)
    why = message.reason or f"instead of {champion.version}"
    _enthrone(desk, now, "rolled_back", message.by, message.at, why)


def _enthrone(desk: Memory, state: ModelState, what: str, by: str, at: datetime, why: str) -> None:
    """The state's champion begins: what its predecessor was stopped for is over."""
    before = state_of(desk, state.model).champion
    _keep(desk, replace(state, since=at, by=by, stopped="", last_forecast=None))
    if holds.lift(desk, ACCURACY, by):
        relevel(desk, micros(at))
    assert state.champion is not None
    _changed(desk, state.model, what, state.champion.version, by, at, why, before.version if before else "")


def _reject(desk: Memory, state: ModelState, found: ModelVersion, message: ModelPressed) -> None:
    previous = tuple(one for one in state.previous if one is not found)
    state = _challenged(state, tuple(one for one in state.challengers if one is not found))
    _keep(desk, replace(state, previous=previous), f"rejected by {who(message.by)}")
    _changed(desk, state.model, "rejected", found.version, message.by, message.at, message.reason)


def _changed(
    desk: Memory, model: str, what: str, version: str, by: str, at: datetime, why: str, replaced: str = ""
) -> None:
    state = state_of(desk, model)
    names = [one.version if one else "" for one in (state.champion, state.challenger, *state.previous[:1])]
    champion, challenger, previous = (*names, "")[:3]
    shadow = _names(state.challengers)
    desk.say(ModelChanged(at, model, what, version, champion, challenger, previous, by, why, replaced, shadow))


def _names(versions: tuple[ModelVersion, ...]) -> tuple[str, ...]:
    return tuple(one.version for one in versions)


def stop(desk: Memory, model: str, at: datetime, why: str, numbers: dict[str, float]) -> None:
    """The champion is wrong too often: no entries until a person resumes, or another version is promoted."""
    state = state_of(desk, model)
    if state.champion is None or state.stopped:
        return
    _keep(desk, replace(state, stopped=why))
    holds.impose(desk, ACCURACY, State.REDUCING, "rule:accuracy", at, note=why, numbers=numbers)
    relevel(desk, micros(at))
    _changed(desk, model, "stopped", state.champion.version, "rule:accuracy", at, why)


def resumed(desk: Memory, by: str, at: datetime) -> None:
    """A person lifted the hold: the champion's live record begins anew, or it would stop again at once."""
    for state in list(desk.models.values()):
        if state.stopped and state.champion is not None:
            live = {version: days for version, days in state.live.items() if version != state.champion.version}
            _keep(desk, replace(state, stopped="", live=live))
            _changed(desk, state.model, "resumed", state.champion.version, by, at, f"by {who(by)}")


def _keep(desk: Memory, state: ModelState, why: str = "") -> None:
    """Remember the state, with the live days of those versions only that may still forecast; `why` others went."""
    versions = {one.version for one in state.versions()}
    live = {version: days for version, days in state.live.items() if version in versions}
    before = state_of(desk, state.model).versions()
    left = tuple((one, why or _why_gone(one, desk.now)) for one in before if one.version not in versions)
    desk.models = {**desk.models, state.model: replace(state, live=live, gone=(left + state.gone)[:GONE_KEPT])}
    alive = {one.version for kept in desk.models.values() for one in kept.versions()}
    desk.covered = {key: until for key, until in desk.covered.items() if key[0] in alive}


def _why_gone(one: ModelVersion, at: datetime) -> str:
    """Why a version forecasts no more that nobody sent away. One that fails goes for a newer one, expired or not."""
    return "it expired" if one.promotable and one.expires <= at else "newer versions took its place"
