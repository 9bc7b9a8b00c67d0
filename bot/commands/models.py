"""/ml-status and /desk models: how each model does live, what it is, and the buttons that decide about it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from bot.blocks import Block, Rendered, actions, assemble, button, section, stacked
from bot.cards import labelled
from bot.commands.asking import lines
from bot.files import send_picture
from bot.front import Answer, Ask, Front, Handler, outcomes
from bot.ids import ActionId, pressed
from bot.model_news import offer_buttons, rollback_button
from bot.model_trend import FEWEST_DAYS, trend_alt, trend_drawing, trend_png
from bot.retraining import begin_training, next_training
from engine import LiveRecord, ServingStatus, live_record, live_verdict
from engine.domain import Role
from engine.forecasts import ModelState, ModelVersion
from engine.messages import ModelPressed
from engine.outcomes import ModelChanged, Refused

TOP = 5  # features that are named


async def ml_status(front: Front, ask: Ask) -> Rendered | Answer:
    """[model]: the champion's live record, what it is judged by, and what forecasts beside it."""
    snapshot, serving = front.snapshot(), front.desk.serving
    if serving is None or (ask.text and ask.text != serving.name):
        known = [serving.name] if serving is not None else []
        if ask.text:
            return front.sentence("no_model", name=ask.text, known=known)
        return _by_rule(front)
    state = snapshot.models.get(serving.name) or ModelState(serving.name)
    status = await asyncio.to_thread(serving.status)
    record = live_record(state.live.get(state.champion.version, ())) if state.champion else None
    passport = await asyncio.to_thread(serving.passport, state.champion.version) if state.champion else None
    top = passport.importances[:TOP] if passport else ()
    data = {
        "model": serving.name,
        "state": state,
        "status": status,
        "record": record,
        "now": snapshot.at,
        "verdict": verdict_of(state, record, status, serving.forecaster.terms.watch.fewest_settled),
        "top": top,
        "coins": sum(passport.covers(one) for one in snapshot.symbols) if passport else None,
        "symbols": len(snapshot.symbols),
        "others": serving.forecaster.terms.forecasts_others,
        "shadows": [(one, live_record(state.live.get(one.version, ()))) for one in _others(state)],
        "next_training": next_training(front.desk),
        "playbook": snapshot.playbook,
        "watch": serving.forecaster.terms.watch,
        "charted": state.champion is None or len(state.live.get(state.champion.version, ())) >= FEWEST_DAYS,
    }
    made = assemble(front.words.parts("ml_status_model", data), _buttons(state, ask.role))
    words = labelled(made, snapshot.label)
    days = state.live.get(state.champion.version, ()) if state.champion else ()
    if len(days) < FEWEST_DAYS:
        return words
    title = f"{serving.name} {state.champion.version if state.champion else ''}"

    async def chart() -> None:
        drawing = trend_drawing(days, title, snapshot.label, front.words.zone)
        await send_picture(front, ask, lambda: trend_png(drawing), "hit-rate.png", title, trend_alt(drawing))

    return Answer(words, then=chart)


def verdict_of(state: ModelState, record: LiveRecord | None, status: ServingStatus, fewest: int) -> tuple[str, str]:
    """(verdict, why): what the live record says so far; the test alone proves nothing about today."""
    champion = state.champion
    if champion is None:
        return "no model yet", "no version is promoted"
    if state.stopped:
        return "stopped", state.stopped
    if status.idle:
        return "stopped", status.idle
    found, why = live_verdict(record, champion.figures.get("accuracy_low", 0.0), fewest)
    return found.value, why


def _others(state: ModelState) -> list[ModelVersion]:
    return [one for one in state.versions() if one is not state.champion][:4]


def _buttons(state: ModelState, role: Role) -> list[Block]:
    """What this person may do about the model now."""
    found: list[Block] = []
    if state.challenger is not None and role.rank >= Role.RISK.rank:
        found += offer_buttons(f"{state.model} {state.challenger.version}", state.challenger.promotable)
    if state.champion is not None and state.previous and role.rank >= Role.RISK.rank:
        found.append(rollback_button(f"{state.model} {state.champion.version}"))
    if role.rank >= Role.ADMIN.rank:
        found.append(button("Train", ActionId.MODEL_TRAIN, state.model))
    return found


def _by_rule(front: Front) -> Rendered:
    snapshot = front.snapshot()
    wins = sum(trade.pnl > 0 for trade in snapshot.trades)
    pnl = sum(trade.pnl for trade in snapshot.trades)
    tiers = [f"{name}: {tier}" for name, tier in snapshot.tiers.items()]
    return front.say("ml_status", playbook=snapshot.playbook, n=len(snapshot.trades), wins=wins, pnl=pnl, tiers=tiers)


async def models(front: Front, ask: Ask) -> Rendered:
    """/desk models: every version that may still forecast, with its buttons; below them what became of the others."""
    snapshot, serving = front.snapshot(), front.desk.serving
    if serving is None:
        return front.sentence("no_models_here", playbook=snapshot.playbook)
    state = snapshot.models.get(serving.name) or ModelState(serving.name)
    if not state.versions():
        return front.sentence("no_versions", model=serving.name, playbook=snapshot.playbook)
    heading = front.words.line("models", "heading", model=serving.name, n=len(state.known))
    rows = [Rendered(heading, [section(heading)])]
    for one in state.versions():
        record = live_record(state.live.get(one.version, ()))
        role = _role_of(state, one)
        text = front.words.line("models", "line", one=one, role=role, record=record, now=snapshot.at)
        buttons = _version_buttons(state, one, ask.role)
        rows.append(
            Rendered(text, [*(section(part) for part in lines([text])), *([actions(*buttons)] if buttons else [])])
        )
    ended = [front.words.line("models", "row_gone", one=one, why=why) for one, why in state.gone]
    if unsaid := len(state.known) - len(state.versions()) - len(state.gone):
        ended.append(front.words.line("models", "row_unsaid", n=unsaid))
    rows.append(Rendered("\n".join(ended), [section(part) for part in lines(ended)]))
    return labelled(stacked(*rows), snapshot.label)


def _role_of(state: ModelState, one: ModelVersion) -> str:
    if one is state.champion:
        return "champion"
    return "challenger" if one in state.challengers else "earlier champion"


def _version_buttons(state: ModelState, one: ModelVersion, role: Role) -> list[Block]:
    if role.rank < Role.RISK.rank:
        return []
    name = f"{state.model} {one.version}"
    if one is state.champion:
        return [rollback_button(name)] if state.previous else []
    return offer_buttons(name, one.promotable)


# ------------------------------------------------------------ presses


def pressing(action: str) -> Handler:
    """Promote, reject or roll back the version that the button names; the engine decides by the state of now."""

    async def handle(front: Front, ask: Ask) -> Rendered:
        at = pressed(ask.value)
        model, _, version = at.id.partition(" ") if at else ("", "", "")
        if not version:
            return front.sentence("old_button")
        order = ModelPressed(front.desk.clock.now(), ask.user, ask.role, action, model, version)
        record = await front.submit(order)
        if record is None:
            return front.sentence("slow")
        refusals: Sequence[Any] = [item.refusal for item in outcomes(record, Refused)]
        if refusals:
            return front.sentence("refusals", refusals=refusals)
        done = outcomes(record, ModelChanged)
        return front.sentence("model_done", change=done[0]) if done else front.sentence("old_button")

    return handle


async def train_pressed(front: Front, ask: Ask) -> Rendered:
    """The Train button: the same as /desk train."""
    return await begin_training(front, ask)
