"""Which version forecasts: offered, promoted, rejected, rolled back; by whom, and what the gate says to it."""

from contextlib import closing
from dataclasses import replace

import pytest

from engine.domain import Role
from engine.forecasting.live import live_rate
from engine.messages import Analysis
from engine.outcomes import ModelChanged, ModelOffered
from engine.replaying import replay_file
from engine.restoring import Restoring
from engine.store.ledger import SqliteLedger
from engine.trader import Trader
from tests.desk.kit import BTC, Floor, codes, of, only
from tests.models.made import forecast, press, promoted, trained, with_model


def state(floor):
    return floor.view.models["direction"]


def test_a_trained_version_is_offered_and_forecasts_in_the_shadow_until_a_person_promotes_it():
    floor = Floor(with_model())
    offered = only(ModelOffered, trained(floor))
    assert (offered.offered.version, offered.champion) == ("v1", "")
    assert state(floor).champion is None
    assert state(floor).challenger.version == "v1"
    changed = only(ModelChanged, press(floor, "promote"))
    assert (changed.what, changed.champion, changed.challenger, changed.by) == ("promoted", "v1", "", "U_ADMIN")
    assert state(floor).champion.artefact == "hash-v1"


def test_the_same_version_is_offered_once_however_often_it_is_found():
    floor = Floor(with_model())
    trained(floor)
    assert trained(floor) == ()


def test_what_the_gate_refuses_no_button_promotes_and_the_refusal_names_the_step():
    floor = Floor(with_model())
    trained(floor, promotable=False)
    outcomes = press(floor, "promote")
    assert codes(outcomes) == ["NOT_PROMOTABLE"]
    assert "below the 55 %" in outcomes[0].refusal.sentence
    assert state(floor).champion is None


@pytest.mark.parametrize(
    ("action", "enough", "less"),
    [("promote", Role.ADMIN, Role.RISK), ("reject", Role.RISK, Role.TRADER)],
)
def test_promoting_takes_an_admin_and_rejecting_the_risk_role(action, enough, less):
    floor = Floor(with_model())
    trained(floor)
    assert codes(press(floor, action, role=less)) == ["NOT_ALLOWED"]
    assert of(ModelChanged, press(floor, action, role=enough))


def test_an_expired_version_is_not_promoted():
    floor = Floor(with_model())
    trained(floor, days=1)
    floor.later(days=2)
    outcomes = press(floor, "promote")
    assert codes(outcomes) == ["NOT_PROMOTABLE"]
    assert "expired" in outcomes[-1].refusal.sentence


def test_a_rejected_version_forecasts_no_more_and_cannot_be_promoted():
    floor = Floor(with_model())
    trained(floor)
    press(floor, "reject")
    assert state(floor).versions() == ()
    assert codes(press(floor, "promote")) == ["NO_MODEL"]


def test_rolling_back_brings_the_champion_before_and_a_second_press_of_the_old_button_nothing():
    floor = promoted("v1")
    trained(floor, "v2")
    press(floor, "promote", "v2")
    changed = only(ModelChanged, press(floor, "rollback", "v2", role=Role.RISK))
    assert (changed.what, changed.champion) == ("rolled_back", "v1")
    assert codes(press(floor, "rollback", "v2")) == ["NO_MODEL"]
    assert state(floor).champion.version == "v1"


def test_without_an_earlier_champion_there_is_nothing_to_roll_back_to():
    floor = promoted("v1")
    assert codes(press(floor, "rollback", "v1")) == ["NO_MODEL"]
    assert state(floor).champion.version == "v1"


@pytest.mark.parametrize(("by_rule", "champion"), [(True, "v1"), (False, None)])
def test_a_playbook_that_promotes_by_rule_does_so_only_with_what_a_rule_may_believe(by_rule, champion):
    floor = Floor(with_model(promotion="rule"))
    trained(floor, by_rule=by_rule)
    now = state(floor).champion
    assert (now.version if now else None) == champion


def test_champions_survive_a_restart_from_the_checkpoint_and_from_the_ledger():
    floor = promoted("v1")
    trained(floor, "v2")
    saved = Trader.load(floor.trader.dump(), 0, "")
    assert saved.snapshot().models == floor.view.models
    again = Trader()
    for message, outcomes in floor.told:
        assert again.on(message) == outcomes
    assert again.snapshot().models == floor.view.models


def test_a_version_that_may_not_be_promoted_never_displaces_one_that_may():
    floor = Floor(with_model())
    trained(floor, "v1")
    for number in range(2, 6):
        trained(floor, f"v{number}", promotable=False)
    assert state(floor).challenger.version == "v1"
    assert [one.version for one in state(floor).others] == ["v5"], "of those that fail, the newest is looked at"
    assert only(ModelChanged, press(floor, "promote", "v1")).champion == "v1"
    assert state(floor).challenger.version == "v5"


def test_the_shadow_record_of_a_version_on_offer_goes_on_when_another_comes():
    floor = Floor(with_model())
    trained(floor, "v1")
    for number in range(30):
        if number == 15:
            trained(floor, "v2", promotable=False)
        floor.minute(100.0, analysed=False)
        told = tuple(forecast(floor, BTC, version=one.version, shadow=True) for one in state(floor).challengers)
        floor.tell(Analysis(floor.at, floor.at, (), {}, told))
    assert live_rate(state(floor).live["v1"]).n == 20
    assert live_rate(state(floor).live["v2"]).n == 5


def test_an_expired_version_on_offer_makes_room_and_that_is_why_it_went():
    floor = Floor(with_model())
    trained(floor, "v1", days=1)
    floor.later(days=2)
    trained(floor, "v2", promotable=False, days=1)
    assert [one.version for one in state(floor).challengers] == ["v2"]
    floor.later(days=2)
    trained(floor, "v3", promotable=False)
    assert [(one.version, why) for one, why in state(floor).gone] == [
        ("v2", "newer versions took its place"),
        ("v1", "it expired"),
    ]


def test_every_row_about_models_names_all_that_forecast_in_the_shadow():
    floor = Floor(with_model())
    trained(floor, "v1")
    assert only(ModelOffered, trained(floor, "v2", promotable=False)).challengers == ("v1", "v2")
    assert only(ModelChanged, press(floor, "promote", "v1")).challengers == ("v2",)
    assert only(ModelChanged, press(floor, "reject", "v2")).challengers == ()


def test_a_ledger_whose_rows_do_not_name_them_yet_replays_as_it_was(tmp_path):
    floor = promoted("v1")
    with closing(SqliteLedger(tmp_path / "ledger.sqlite")) as ledger:
        for message, outcomes in floor.told:
            told = (replace(one, challengers=None) if hasattr(one, "challengers") else one for one in outcomes)
            ledger.append(message, tuple(told), (), {})
        restored = Restoring(ledger, Trader, None)
        restored.trader()
    assert restored.difference() is None
    assert replay_file(tmp_path / "ledger.sqlite").difference is None


def test_a_row_that_names_others_than_there_were_is_seen_by_a_replay(tmp_path):
    floor = promoted("v1")
    with closing(SqliteLedger(tmp_path / "ledger.sqlite")) as ledger:
        for message, outcomes in floor.told:
            told = (replace(one, challengers=("v9",)) if hasattr(one, "challengers") else one for one in outcomes)
            ledger.append(message, tuple(told), (), {})
        restored = Restoring(ledger, Trader, None)
        restored.trader()
    assert restored.difference() is not None
    assert replay_file(tmp_path / "ledger.sqlite").difference is not None


def test_of_versions_that_may_be_promoted_the_newest_two_are_on_offer_and_each_can_be_rejected():
    floor = Floor(with_model())
    for number in range(1, 5):
        trained(floor, f"v{number}")
    assert [one.version for one in state(floor).challengers] == ["v4", "v3"]
    press(floor, "reject", "v4")
    assert state(floor).challenger.version == "v3"
    assert codes(press(floor, "promote", "v1")) == ["NO_MODEL"]
