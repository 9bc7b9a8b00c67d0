"""What a desk says of the model it trades on: at its start, in /desk playbook, in /desk config."""

import logging
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import yaml

from bot import folders, market_choice
from bot.blocks import compose
from bot.cards import render_post
from bot.posts import FELL_BACK, PROMOTED_ELSEWHERE, announce
from bot.render import Words
from engine.domain import MarketKind, Role
from engine.messages import Born, ModelPressed, ModelTrained
from engine.outcomes import DeskStarted
from engine.playbook import load
from engine.store.ledger import SqliteLedger
from engine.trader import Trader
from tests.desk import kit
from tests.desk.kit import of
from tests.playbooks.floor import Shipped


@pytest.fixture(scope="module")
def words():
    return Words(ZoneInfo("UTC"))


def greeting(words, floor, **settings):
    message = kit.started(floor.told[1][0].playbook_yaml, at=floor.later(seconds=1), **settings)
    started = of(DeskStarted, floor.tell(message))
    (post,) = announce(message, started, floor.view)
    return str(render_post(words, post.template, post.data).blocks)


def offered(floor):
    until = floor.at + timedelta(days=1)
    floor.tell(ModelTrained(floor.at, "U", "direction", "v1", "hash", "edge", True, True, floor.at, until))


def test_without_a_promoted_model_the_greeting_says_that_nothing_is_entered_and_offers_to_train(words):
    floor = Shipped("direction")
    said = greeting(words, floor)
    assert "No model is promoted yet" in said
    assert "/desk train" in said
    offered(floor)
    assert "v1 waits for its *Promote* button" in greeting(words, floor)


def test_with_a_promoted_model_the_greeting_names_it(words):
    floor = Shipped("direction")
    offered(floor)
    floor.tell(ModelPressed(floor.at, "U_ADMIN", Role.ADMIN, "promote", "direction", "v1"))
    said = greeting(words, floor)
    assert "Forecasts come from *direction* v1" in said
    assert "No model" not in said


def test_a_desk_by_rule_speaks_of_models_only_where_another_desk_has_one(words):
    floor = kit.Floor()
    assert "odel" not in greeting(words, floor)
    said = greeting(words, floor, **{PROMOTED_ELSEWHERE: "direction"})
    assert "`nightdesk --playbook direction`" in said


def test_a_desk_that_fell_back_says_why_and_what_to_do_when_the_network_is_back(words):
    floor = kit.Floor()
    assert "could not be reached" not in greeting(words, floor)
    said = greeting(words, floor, **{FELL_BACK: "kraken"})
    assert "*Kraken could not be reached*, so these prices are invented" in said
    assert "`nightdesk --feed kraken`" in said


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setattr(folders, "home", lambda: tmp_path)
    return tmp_path


def desk_of(data, playbook, promoted):
    """A data folder whose desk has promoted a model, or has only been offered one."""
    ledger, trader = SqliteLedger(data / "ledger.sqlite"), Trader()
    at = kit.START
    told = [Born(at, "desk-1", MarketKind.LIVE, playbook, "0" * 64), kit.started(load(playbook).text)]
    told.append(ModelTrained(at, "U", playbook, "v1", "hash", "edge", True, False, at, at + timedelta(days=1)))
    if promoted:
        told.append(ModelPressed(at, "U", Role.ADMIN, "promote", playbook, "v1"))
    for message in told:
        judged = trader.judge(message)
        trader.recorded(ledger.append(message, judged.outcomes, (), judged.judged_until))
    ledger.close()


def test_a_promoted_model_is_found_in_the_folder_of_its_own_desk(home):
    assert market_choice.promoted_elsewhere(MarketKind.LIVE) == ""
    desk_of(home / "trend-live", "trend", promoted=False)
    assert market_choice.promoted_elsewhere(MarketKind.LIVE) == ""
    desk_of(home / "direction-live", "direction", promoted=True)
    assert market_choice.promoted_elsewhere(MarketKind.LIVE) == "direction"
    assert market_choice.promoted_elsewhere(MarketKind.SIMULATED) == ""


def test_a_ledger_that_cannot_be_read_keeps_no_other_desk_from_starting(home, caplog):
    (home / "direction-live").mkdir()
    (home / "direction-live" / "ledger.sqlite").write_text("no database")
    with caplog.at_level(logging.WARNING):
        assert market_choice.promoted_elsewhere(MarketKind.LIVE) == ""
    assert "whether a model of direction is promoted is not known" in caplog.text


@pytest.mark.parametrize("name", ["ema", "direction", "trend"])
def test_the_playbook_in_two_parts_is_the_whole_but_for_its_coins(name):
    playbook = load(name)
    rules, model = playbook.sections
    whole = yaml.safe_load(playbook.text)
    assert yaml.safe_load(rules) == {key: value for key, value in whole.items() if key not in ("universe", "model")}
    assert (yaml.safe_load(model) if model else None) == whole["model"]
    assert max(len(rules), len(model)) < 2_600, "nothing is cut in Slack"


def test_desk_playbook_shows_the_model_and_config_its_terms(words):
    rules, model = load("direction").sections
    floor = Shipped("direction")
    made = compose(words, "playbook", (), snapshot=floor.view, yaml=rules, model=model)
    assert "horizon: 2h" in str(made.blocks)
    plain = compose(words, "playbook", (), snapshot=floor.view, yaml=load("ema").sections[0], model="")
    assert "Its model" not in str(plain.blocks)
    terms = dict(floor.view.terms)
    assert terms["model: forecast"] == "up or down in 2 h, every 1 min, from core6"
    assert "at least 55 %" in terms["model: may trade"]
    assert "at least 100 trades" in terms["model: may trade"]
    data = {"run": {}, "config": {}, "model": {name: told for name, told in terms.items() if name.startswith("model")}}
    assert "right at least 55 %" in words.parts("config", data)["model"]
    assert not words.parts("config", {**data, "model": {}}).get("model")


def test_the_snapshot_of_a_desk_by_rule_has_no_model():
    assert (kit.Floor().view.model, Shipped("trend").view.model) == ("", "trend")
