"""A model on a whole desk: offered, promoted by a button, traded on, settled, and still there after a power cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.e2e.desk import RunningDesk
from tests.models.forged import DIRECTION, saved

FAR = datetime(2099, 1, 1, tzinfo=UTC)


def playbook_file(folder: Path) -> Path:
    path = folder / "direction.yaml"
    path.write_text(DIRECTION.replace("name: kit", "name: direction"))
    return path


def model_card(desk: RunningDesk, action: str) -> dict[str, Any] | None:
    """The card of a model that shows this button."""
    return next((one for one in desk.messages() if action in json.dumps(one["blocks"])), None)


def test_a_model_is_promoted_by_its_button_and_its_forecasts_are_traded_on(
    start: Callable[..., RunningDesk], tmp_path: Path
) -> None:
    saved(tmp_path / "desk" / "models", "v1", expires=FAR, moves=(-40.0, 40.0))
    options = ("--feed", "simulated", "--speed", "60", "--playbook", str(playbook_file(tmp_path)))
    desk = start(*options).ready()

    assert "No version of direction is promoted" in desk.run("/ml-status")
    card = desk.wait(lambda: model_card(desk, "model_promote"), 60, "the card of a new version")
    assert "needs the role *admin*" in desk.press(card, "model_promote", "U_TRADER")
    assert "champion of direction now" in desk.press(card, "model_promote", "U_ADMIN")
    desk.wait(lambda: model_card(desk, "model_promote") is None, 20, "the card without its buttons")
    assert "Champion" in json.dumps(next(one["blocks"] for one in desk.messages() if one["ts"] == card["ts"]))

    proposal = desk.card(120)
    assert "mostly by" in json.dumps(proposal["blocks"], ensure_ascii=False)
    why = desk.run("/why", "BTC")
    assert "What weighed in the forecast" in why
    settled = desk.wait(lambda: desk.outcomes("ForecastsSettled"), 60, "settled forecasts")
    assert settled[0]["version"] == "v1"
    told = desk.run("/ml-status")
    assert "Live hit rate" in told
    assert "v1" in desk.run("/desk", "models")
    assert "promote direction v1" in desk.run("/desk", "audit 20")

    desk.kill()
    again = start(*options).ready()
    before = len(again.outcomes("ForecastsSettled"))
    again.wait(lambda: len(again.outcomes("ForecastsSettled")) > before + 3, 90, "forecasts after the power cut")
    offers = again.outcomes("ModelOffered")
    assert [one["offered"]["version"] for one in offers] == ["v1"], "it is offered once, ever"
    assert again.stop() == 0
