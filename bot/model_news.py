"""What the desk says of its models: a card for each version, from its offer to its end, and a line for each step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from bot.blocks import Block, button, confirm
from bot.ids import ActionId
from engine.forecasts import ModelVersion
from engine.outcomes import ModelChanged, ModelOffered
from engine.records import Post

OFFERED, CHAMPION, REJECTED, REPLACED, STOPPED = "offered", "champion", "rejected", "replaced", "stopped"
_STATES = {"promoted": CHAMPION, "rolled_back": CHAMPION, "resumed": CHAMPION, "rejected": REJECTED, "stopped": STOPPED}


class Scene(Protocol):
    """What `bot.posts` gives its speakers."""

    def post(self, event: str, channel: str, subject: str, template: str, **rest: Any) -> Post: ...


def model_subject(model: str, version: str) -> str:
    return f"model:{model}:{version}"


def offered(outcome: ModelOffered, scene: Scene) -> Iterator[Post]:
    """The card of a new version, with its picture below."""
    subject = model_subject(outcome.model, outcome.offered.version)
    data = {"model": outcome.model, "offered": outcome.offered, "champion": outcome.champion, "state": OFFERED}
    yield scene.post("offered", "signals", subject, "model_offered", priority=2, data=data)
    if outcome.picture:
        shown = {"picture": outcome.picture, "title": f"{outcome.model} {outcome.offered.version}"}
        yield scene.post("card", "signals", f"chart:{subject}", "job_chart", thread=subject, priority=2, data=shown)


def changed(outcome: ModelChanged, scene: Scene) -> Iterator[Post]:
    """The version's card as it now stands, a line below it, and the card of the one that had to go."""
    subject = model_subject(outcome.model, outcome.version)
    state = {"state": _STATES[outcome.what], "changed_by": outcome.by, "may_roll_back": bool(outcome.previous)}
    yield scene.post(outcome.what, "signals", subject, "model_offered", op="update", priority=0, data=state)
    line = {"model": outcome.model, "version": outcome.version, "what": outcome.what, "by": outcome.by}
    line |= {"why": outcome.why, "replaced": outcome.replaced}
    reply = f"{outcome.what}:{subject}"
    yield scene.post("said", "signals", reply, "model_changed", thread=subject, priority=0, data=line)
    if outcome.replaced:
        gone = model_subject(outcome.model, outcome.replaced)
        over = {"state": REPLACED, "changed_by": outcome.by, "replaced_by": outcome.version}
        yield scene.post("replaced", "signals", gone, "model_offered", op="update", priority=2, data=over)


def model_buttons(values: Mapping[str, Any]) -> list[Block]:
    """Promote and Reject while a version is on offer; Roll back while it is the champion and there is one before."""
    it: ModelVersion = values["offered"]
    name = f"{values['model']} {it.version}"
    if values["state"] == OFFERED:
        return offer_buttons(name, it.promotable)
    if values["state"] in (CHAMPION, STOPPED) and values.get("may_roll_back"):
        return [rollback_button(name)]
    return []


def offer_buttons(name: str, promotable: bool) -> list[Block]:
    """Promote only where the gate lets it; Reject always."""
    promote = button("Promote", ActionId.MODEL_PROMOTE, name, style="primary")
    return [*([promote] if promotable else []), button("Reject", ActionId.MODEL_REJECT, name, style="danger")]


def rollback_button(name: str) -> Block:
    asked = confirm("Roll back?", "The champion before this one forecasts from the next minute on.", "Roll back")
    return button("Roll back", ActionId.MODEL_ROLLBACK, name, style="danger", confirm=asked)


def offered_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the card's template asks for and an older post may lack."""
    return {"changed_by": values.get("changed_by", ""), "replaced_by": values.get("replaced_by", "")}
