"""Models in Slack: what /ml-status and /desk models say in every state, and whose press does what."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.blocks import actions, button
from bot.cards import render_post
from bot.ids import ActionId
from bot.model_trend import trend_alt, trend_drawing, trend_picture
from bot.posts import announce
from bot.render import Words
from bot.slack_limits import check_message
from engine.analyst import Analyst
from engine.domain import GateStep, Refusal, Role
from engine.forecasts import Explanation, Part
from engine.messages import ModelPressed, ModelTrained
from engine.outcomes import ModelChanged, ModelOffered, Refused
from engine.serving import Serving
from engine.snapshot import Snapshot
from tests.days.desk import NOW, snapshot
from tests.desk.kit import BTC, ETH, Floor
from tests.models.forged import COINS, playbook, saved
from tests.models.made import forecast, minute_with, press, promoted, trained, with_model
from tests.slack.conftest import Room
from tests.slack.test_commands import ask, everything


def at_the_desk(room: Room, floor: Floor, folder: Path) -> None:
    """The room's desk knows the models that the floor's Trader knows, and serves them from this folder."""
    room.desk.shot = replace(room.desk.shot, models=floor.view.models, model="direction")
    room.desk.playbook = playbook()
    forecaster = Analyst(playbook(), COINS).forecaster
    assert forecaster is not None
    room.desk.serving = Serving(folder, forecaster, room.desk.clock, room.desk.submit, room.desk.snapshot)
    room.desk.terms.timezone = "America/Los_Angeles"


def with_artefact(room: Room, artefact: str) -> None:
    """The champion is the very one that lies in the folder."""
    state = room.desk.shot.models["direction"]
    assert state.champion is not None
    known = replace(state, champion=replace(state.champion, artefact=artefact))
    room.desk.shot = replace(room.desk.shot, models={"direction": known})


def settled(version: str = "v1", right: bool = True, minutes: int = 60) -> Floor:
    """A market that goes up and down by turns, longer than the horizon, and a model that knows when, or never does."""
    floor = promoted(version, fewest=1000)
    price, steps = 100.0, [0.001 if number // 17 % 2 else -0.0009 for number in range(minutes + 11)]
    for number in range(minutes):
        price *= 1 + steps[number]
        up = (sum(steps[number + 1 : number + 11]) > 0) == right
        minute_with(floor, (BTC, 0.7 if up else 0.3), (ETH, 0.62 if up else 0.38), prices=price)
    return floor


async def test_without_any_version_ml_status_offers_to_train(room: Room, tmp_path: Path) -> None:
    at_the_desk(room, Floor(with_model()), tmp_path)
    told = everything(await ask(room, "/ml-status"))
    assert "No version of direction is promoted yet" in told
    assert "/desk train" in told
    assert "model_train" in told
    assert "Model direction: no model yet" in told
    assert "not proven" not in told
    assert "Next training" in told


async def test_ml_status_tells_the_live_record_with_its_interval_and_calibration(room: Room, tmp_path: Path) -> None:
    artefact = saved(tmp_path, "v1")
    at_the_desk(room, settled(), tmp_path)
    with_artefact(room, artefact)
    told = everything(await ask(room, "/ml-status", "direction"))
    assert "95 %" in told
    assert "worth" in told
    assert "Calibration, live" in told
    assert "70–75" in told
    assert "Model direction: live: not proven (the test said edge)" in told
    assert re.search(
        r"Ahead of the best rule.{0,80} points .{0,60}in the [\d,]+ forecasts? that \w+[ \w]* answers too", told
    )
    assert "*Top features*" in told


@pytest.mark.parametrize(("right", "word"), [(True, "edge"), (False, "no edge")])
async def test_the_verdict_follows_the_live_record(room: Room, tmp_path: Path, right: bool, word: str) -> None:
    artefact = saved(tmp_path, "v1")
    at_the_desk(room, settled(right=right, minutes=400), tmp_path)
    with_artefact(room, artefact)
    room.desk.serving.look()
    told = everything(await ask(room, "/ml-status"))
    assert f"*Verdict: {word}*" in told
    assert "Simple rules, live" in told
    assert "learnt from" in told


async def test_an_unknown_model_is_answered_with_those_that_there_are(room: Room, tmp_path: Path) -> None:
    at_the_desk(room, Floor(with_model()), tmp_path)
    assert "this desk has direction" in everything(await ask(room, "/ml-status", "trend"))


async def test_desk_models_lists_every_version_with_buttons_for_those_who_may(room: Room, tmp_path: Path) -> None:
    floor = promoted("v1")
    trained(floor, "v2")
    trained(floor, "v3", promotable=False)
    at_the_desk(room, floor, tmp_path)
    told = everything(await ask(room, "/desk", "models"))
    assert "champion" in told
    assert "below the 55" in told
    assert "model_reject" in told
    viewer = everything(await ask(room, "/desk", "models", user="U_VIEWER"))
    assert "model_reject" not in viewer


async def test_desk_models_says_what_became_of_those_that_forecast_no_more(room: Room, tmp_path: Path) -> None:
    floor = promoted("v1")
    for number in range(2, 8):
        trained(floor, f"v{number}", promotable=False)
    press(floor, "reject", "v7", by="U_RISK")
    at_the_desk(room, floor, tmp_path)
    told = everything(await ask(room, "/desk", "models"))
    assert "7 versions trained so far" in told
    assert all(f"v{number}" in told for number in range(1, 8))
    assert "v7 · no edge · forecasts no more: rejected by <@U_RISK>" in told
    assert "v2 · no edge · forecasts no more: newer versions took its place" in told


async def test_a_playbook_by_rules_has_no_models_and_nothing_to_train(room: Room) -> None:
    assert "trades by rules" in everything(await ask(room, "/desk", "models"))
    assert "trades by rules" in everything(await ask(room, "/desk", "train"))


def posts_of(floor: Floor) -> list[Any]:
    shot: Snapshot = snapshot(models=floor.view.models)
    return [post for message, outcomes in floor.told for post in announce(message, outcomes, shot)]


@pytest.mark.parametrize("promotable", [True, False])
def test_every_step_of_a_version_is_said_and_fits_into_slack(words: Words, promotable: bool) -> None:
    floor = Floor(with_model())
    nasty = "x" * 4000 + " <!channel>"
    trained(floor, "v1", promotable=promotable, sentence=nasty, picture="/nowhere/card.png")
    press(floor, "promote")
    trained(floor, "v2")
    press(floor, "promote", "v2")
    press(floor, "rollback", "v2")
    press(floor, "reject", "v2")
    standing: dict[str, dict[str, Any]] = {}
    for post in posts_of(floor):
        if not post.template.startswith("model_"):
            continue
        data = standing[post.subject] = {**standing.get(post.subject, {}), **post.data}
        message = render_post(words, post.template, data)
        assert check_message({"text": message.text, "blocks": message.blocks}) == []
        assert "<!channel>" not in message.text
    states = {subject: data.get("state") for subject, data in standing.items() if subject.startswith("model:")}
    assert states["model:direction:v2"] == ("replaced" if promotable else "champion")
    buttons = str(render_post(words, "model_offered", standing["model:direction:v1"]).blocks)
    assert ("model_promote" in buttons) is False


async def test_a_press_goes_to_the_engine_and_its_answer_to_the_person(room: Room) -> None:
    def answers(message: Any) -> tuple[Any, ...]:
        if isinstance(message, ModelPressed):
            return (ModelChanged(NOW, "direction", "promoted", "v1", "v1", "", "", message.by),)
        return ()

    room.desk.answers = answers
    reply = await pressed(room, "model_promote", "direction v1", "U_ADMIN")
    assert "champion of direction now" in reply
    order = next(one for one in room.desk.submitted if isinstance(one, ModelPressed))
    assert (order.action, order.model, order.version, order.role) == ("promote", "direction", "v1", Role.ADMIN)


async def test_what_the_engine_refuses_is_said_in_its_own_words(room: Room) -> None:
    no = Refusal("NOT_PROMOTABLE", NOW, "the gate refuses v1: too few cases")
    room.desk.answers = lambda message: (Refused(no),) if isinstance(message, ModelPressed) else ()
    assert "too few cases" in await pressed(room, "model_promote", "direction v1", "U_ADMIN")


async def pressed(room: Room, action: str, value: str, user: str) -> str:
    """Press a button of a card that stands in the channel."""
    posted = await room.front.client.chat_postMessage(
        channel="#ml-signals", text="card", blocks=[actions(button("Promote", ActionId(action), value))]
    )
    answer = await room.drive.press({"channel": posted["channel"], "ts": posted["ts"]}, action, user)
    return str(answer["replies"])


def test_the_trend_is_drawn_from_the_days_and_told_in_words() -> None:
    days = settled().view.models["direction"].live["v1"]
    drawing = trend_drawing(days, "direction v1", "simulated", ZoneInfo("UTC"))
    assert "100" in trend_alt(drawing)
    assert trend_picture(drawing).startswith(b"\x89PNG")


async def test_on_the_first_day_words_stand_for_the_chart_and_say_when_it_comes(room: Room, tmp_path: Path) -> None:
    artefact = saved(tmp_path, "v1")
    at_the_desk(room, settled(), tmp_path)
    with_artefact(room, artefact)
    answer = await ask(room, "/ml-status")
    assert "comes once two days have settled forecasts" in everything(answer)
    assert "chart" not in str(answer["text"])
    one = room.desk.shot.models["direction"]
    days = one.live["v1"]
    later = replace(days[0], day=days[0].day + 1)
    room.desk.shot = replace(room.desk.shot, models={"direction": replace(one, live={"v1": (*days, later)})})
    assert "comes once two days" not in everything(await ask(room, "/ml-status"))


def test_trained_and_offered_are_one_post_however_often_a_version_is_seen() -> None:
    floor = Floor(with_model())
    trained(floor)
    trained(floor)
    offers = [one for _, outcomes in floor.told for one in outcomes if isinstance(one, ModelOffered)]
    assert len(offers) == 1
    assert sum(isinstance(message, ModelTrained) for message, _ in floor.told) == 2


def test_why_reads_what_weighed_in_words(words: Words) -> None:
    floor = promoted()
    told = Explanation(
        forecast(floor, BTC), (Part("support_distance", 0.012, -0.041, "price 1.20 % above support"),), 0.1
    )
    at = told.forecast.at
    said = words.line("why", "row_forecast", at=at, bias=told.bias, parts=told.parts, towards="up")
    assert "• price 1.20 % above support: −0.041 away from up" in said
    assert "support_distance" not in said
    nothing = words.line("why", "row_forecast", at=at, bias=-0.001, parts=(), towards="up")
    assert "constant of +0.00 add up" in nothing
    assert "constant of −0.10 add up" in words.line("why", "row_forecast", at=at, bias=-0.1, parts=(), towards="up")


def test_the_gate_at_which_a_card_waits_is_not_called_not_reached(words: Words) -> None:
    def row(*told: Any) -> str:
        return words.line("why", "row_step", step=GateStep(*told), numbers=[])

    assert row("consent", None, "P1 waits for a person").startswith("… waiting")
    assert row("consent", None, "not reached").startswith("– not reached")
    assert row("risk", None, "not reached").startswith("– not reached")
