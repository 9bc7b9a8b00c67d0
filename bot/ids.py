"""Every id that travels through Slack and back, by name."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, NamedTuple


class ActionId(StrEnum):
    """What a button asks for."""

    PROPOSAL_APPROVE = "proposal_approve"
    PROPOSAL_REJECT = "proposal_reject"
    PROPOSAL_HALF = "proposal_half"
    PROPOSAL_WHY = "proposal_why"
    POSITION_CLOSE = "position_close"
    POSITION_HALF = "position_half"
    POSITION_MOVE_STOP = "position_move_stop"
    POSITION_WHY = "position_why"
    HOLD_RESUME = "hold_resume"
    RESUME_CONFIRM = "resume_confirm"
    PANIC_CONFIRM = "panic_confirm"
    CONFIRM_CANCEL = "confirm_cancel"
    HOME_PAUSE = "home_pause"
    HOME_RESUME = "home_resume"
    HOME_PANIC = "home_panic"
    HOME_REFRESH = "home_refresh"
    JOB_CANCEL = "job_cancel"
    MODEL_PROMOTE = "model_promote"
    MODEL_REJECT = "model_reject"
    MODEL_ROLLBACK = "model_rollback"
    MODEL_TRAIN = "model_train"


class ViewId(StrEnum):
    """What a modal is called when it is submitted."""

    PAUSE = "pause_view"
    PANIC = "panic_view"
    STOP = "stop_view"


DEEDS: dict[str, str] = {
    ActionId.PROPOSAL_APPROVE: "approving a proposal",
    ActionId.PROPOSAL_REJECT: "rejecting a proposal",
    ActionId.PROPOSAL_HALF: "approving half a proposal",
    ActionId.PROPOSAL_WHY: "asking why",
    ActionId.POSITION_CLOSE: "closing a position",
    ActionId.POSITION_HALF: "closing half a position",
    ActionId.POSITION_MOVE_STOP: "moving a stop",
    ActionId.POSITION_WHY: "asking why",
    ActionId.HOLD_RESUME: "lifting a hold",
    ActionId.RESUME_CONFIRM: "resuming after a panic",
    ActionId.PANIC_CONFIRM: "panic",
    ActionId.HOME_PAUSE: "pausing",
    ActionId.HOME_RESUME: "resuming",
    ActionId.HOME_PANIC: "panic",
    ActionId.JOB_CANCEL: "cancelling a job",
    ActionId.MODEL_PROMOTE: "promoting a model",
    ActionId.MODEL_REJECT: "rejecting a model",
    ActionId.MODEL_ROLLBACK: "rolling a model back",
    ActionId.MODEL_TRAIN: "training a model",
    ViewId.PAUSE: "pausing",
    ViewId.PANIC: "panic",
    ViewId.STOP: "moving a stop",
}
"""What a press or a submitted window asks for, in words."""


class Pressed(NamedTuple):
    """The value of a button: an opaque id and, for proposals, the revision that was on the card."""

    id: str
    rev: int = 0


def value(id: str, rev: int = 0) -> str:
    """A button's value; prices and sizes never travel through Slack."""
    return json.dumps({"id": id, "rev": rev}, separators=(",", ":"))


def pressed(raw: Any) -> Pressed | None:
    """The value of a button as it came back; None when it is none of ours."""
    try:
        body = json.loads(raw)
        return Pressed(str(body["id"]), int(body.get("rev", 0)))
    except (TypeError, ValueError, KeyError, AttributeError):
        return None
