"""From the model folder into service: offered once, loaded beside the desk, refused with a reason when damaged."""

import subprocess
import sys
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.analyst import Analyst
from engine.analyst.forecaster import Lineup
from engine.clock import ManualClock
from engine.domain import Role
from engine.forecasting.model import Model
from engine.messages import Analysis, ModelPressed, ModelTrained
from engine.serving import Serving
from tests.desk.kit import Floor
from tests.models.forged import COINS, DIRECTION, bars, minute_of, playbook, saved, until
from tests.models.made import forecast

WARM = 600


class House:
    """A Trader and a Serving that share one ledger, without threads."""

    def __init__(self, root):
        self.root = root
        self.floor = Floor(DIRECTION)
        self.analyst = Analyst(playbook(), COINS)
        self.clock = ManualClock(self.floor.at)
        self.serving = Serving(root, self.analyst.forecaster, self.clock, self.submit, lambda: self.floor.view)

    def submit(self, message):
        self.floor.tell(message)
        done = Future()
        done.set_result(None)
        return done

    def press(self, action, version):
        self.floor.tell(ModelPressed(self.floor.at, "U_ADMIN", Role.ADMIN, action, "direction", version))

    @property
    def told(self):
        return [message.version for message, _ in self.floor.told if isinstance(message, ModelTrained)]

    @property
    def at_work(self):
        return self.serving.status().serving


@pytest.fixture
def house(tmp_path):
    return House(tmp_path / "models")


def test_a_version_in_the_folder_is_offered_once_and_promoting_it_puts_it_to_work(house):
    house.serving.look()
    assert house.told == []
    artefact = saved(house.root, "v1")
    house.serving.look()
    house.serving.look()
    assert house.told == ["v1"]
    assert house.floor.view.models["direction"].challenger.artefact == artefact
    assert house.at_work == ""
    assert house.serving.status().shadows == ("v1",)
    house.press("promote", "v1")
    house.serving.look()
    assert house.at_work == "v1"


def test_a_new_process_offers_only_what_the_ledger_does_not_know(house):
    saved(house.root, "v1")
    house.serving.look()
    saved(house.root, "v2")
    again = Serving(house.root, house.analyst.forecaster, house.clock, house.submit, lambda: house.floor.view)
    again.look()
    assert house.told == ["v1", "v2"]


def test_what_a_killed_training_left_is_never_offered(house):
    saved(house.root, "v1")
    half = house.root / "direction" / ".new-x7" / "version"
    half.mkdir(parents=True)
    (half / "model.json").write_text("{")
    (house.root / "direction" / "20261121T020000-aaaaaa").mkdir()
    house.serving.look()
    assert house.told == ["v1"]


def test_a_damaged_version_is_not_offered(house, caplog):
    saved(house.root, "v1")
    (house.root / "direction" / "v1" / "trees.ubj").write_bytes(b"nonsense")
    house.serving.look()
    assert house.told == []
    assert "not those that were trained" in caplog.text


def test_a_champion_whose_files_change_later_is_not_loaded_and_the_desk_says_so(house):
    saved(house.root, "v1")
    house.serving.look()
    house.press("promote", "v1")
    path = house.root / "direction" / "v1" / "model.json"
    path.write_bytes(path.read_bytes().replace(b'"verdict"', b'"verdict "'))
    house.serving.restart()
    house.serving.look()
    assert house.at_work == ""
    assert "was changed since it was trained" in house.serving.status().idle


def test_a_version_that_this_desk_cannot_serve_is_offered_with_the_reason_and_cannot_be_promoted(house):
    saved(house.root, "v1", horizon=timedelta(hours=2))
    house.serving.look()
    offered = house.floor.view.models["direction"].challenger
    assert not offered.promotable
    assert "another label" in offered.failing[-1]
    house.press("promote", "v1")
    assert house.floor.view.models["direction"].champion is None


def test_a_new_champion_that_cannot_be_loaded_leaves_nothing_at_work_rather_than_a_wrong_one(house):
    for version in ("v1", "v2"):
        saved(house.root, version)
        house.serving.look()
        house.press("promote", version)
    house.serving.look()
    assert house.at_work == "v2"
    house.press("rollback", "v2")
    house.serving.look()
    assert house.at_work == "v1"


def minutes(house, count):
    """Minutes come, and the clock goes with them; what the analyst at work says of each reaches the desk."""
    for _ in range(count):
        house.floor.minute(analysed=False)
        house.clock.advance(house.floor.at - house.clock.now())
        house.floor.analysis(house.floor.at)


def at_work(house, version="v1"):
    saved(house.root, version)
    house.serving.look()
    house.press("promote", version)
    house.serving.look()


def test_a_champion_that_falls_silent_is_loaded_anew_until_it_forecasts(house, monkeypatch):
    monkeypatch.setattr("engine.serving.RELOAD_PAUSE", -1.0)
    at_work(house)
    before = house.serving.forecaster.lineup.champion
    minutes(house, 29)
    house.serving.look()
    assert not house.serving.status().silent
    minutes(house, 3)
    assert house.serving.status().silent
    house.serving.look()
    assert house.serving.status().reloads == 1
    assert house.serving.forecaster.lineup.champion is not before
    assert house.serving.status().silent, "nothing was forecast yet"
    house.floor.minute(analysed=False)
    house.floor.tell(Analysis(house.floor.at, house.floor.at, (), {}, (forecast(house.floor, COINS[0]),)))
    assert not house.serving.status().silent


def test_where_no_minutes_come_the_model_is_not_to_blame(house):
    at_work(house)
    minutes(house, 5)
    house.clock.advance(timedelta(hours=5))
    assert not house.serving.status().silent


def test_between_two_reloads_there_is_a_pause(house, monkeypatch):
    monkeypatch.setattr("engine.serving.RELOAD_PAUSE", -1.0)
    at_work(house)
    minutes(house, 40)
    house.serving.look()
    monkeypatch.setattr("engine.serving.RELOAD_PAUSE", 300.0)
    house.serving.look()
    assert house.serving.status().reloads == 1


class Broken:
    """Trees that failed once."""

    def set_param(self, _settings):
        pass

    def inplace_predict(self, _rows):
        raise ValueError("the trees are damaged")


def test_a_model_that_broke_once_is_loaded_again_and_forecasts(house, monkeypatch):
    monkeypatch.setattr("engine.serving.RELOAD_PAUSE", -1.0)
    at_work(house)
    whole = house.serving.forecaster.lineup.champion
    house.serving.forecaster.use(Lineup(Model(whole.passport, Broken())))
    market = [bars(symbol) for symbol in COINS]
    for one in market:
        house.analyst.warm(one.symbol, until(one, WARM))
    assert house.analyst.on(minute_of(market, WARM)).forecasts == ()
    house.serving.look()
    assert "broke" in house.serving.status().idle
    minutes(house, 40)
    house.serving.look()
    assert house.at_work == "v1"
    assert len(house.analyst.on(minute_of(market, WARM + 1)).forecasts) == 3


def test_a_champion_that_could_not_be_loaded_is_tried_again(house, monkeypatch):
    monkeypatch.setattr("engine.serving.RELOAD_PAUSE", -1.0)
    at_work(house)
    path = house.root / "direction" / "v1" / "model.json"
    whole = path.read_bytes()
    path.write_bytes(b"{}")
    house.serving.restart()
    house.serving.look()
    assert house.at_work == ""
    path.write_bytes(whole)
    minutes(house, 40)
    house.serving.look()
    assert house.at_work == "v1"


def test_every_challenger_that_goes_on_forecasts_in_the_shadow(house):
    for version, promotable in (("v1", True), ("v2", False)):
        saved(house.root, version, promotable=promotable)
        house.serving.look()
    house.serving.look()
    assert house.serving.status().shadows == ("v1", "v2")


def test_the_champion_of_the_ledger_forecasts_for_the_analyst(house):
    saved(house.root, "v1")
    house.serving.look()
    house.press("promote", "v1")
    house.serving.look()
    market = [bars(symbol) for symbol in COINS]
    for one in market:
        house.analyst.warm(one.symbol, until(one, WARM))
    told = house.analyst.on(minute_of(market, WARM)).forecasts
    assert [(one.version, one.shadow) for one in told] == [("v1", False)] * 3
    house.floor.tell(replace(house.analyst.on(minute_of(market, WARM + 1)), at=house.floor.at))
    assert house.floor.view.models["direction"].last_forecast is not None


def test_a_forecaster_that_takes_over_while_another_is_lined_up_gets_the_models_at_the_next_look(house, monkeypatch):
    saved(house.root, "v1")
    house.serving.look()
    house.press("promote", "v1")
    fresh, use = Analyst(playbook(), COINS).forecaster, house.analyst.forecaster.use

    def meanwhile(lineup):
        use(lineup)
        house.serving.take_over(fresh)

    monkeypatch.setattr(house.analyst.forecaster, "use", meanwhile)
    house.serving.look()
    assert house.at_work == ""
    house.serving.look()
    assert house.at_work == "v1"
    assert fresh.lineup.champion.passport.version == "v1"


ASKING = """
import sys
from pathlib import Path
import numpy as np
from engine.forecasting.registry import ModelFolder

model = ModelFolder(Path(sys.argv[1])).load("direction", "v1")
rows = np.zeros((2, 6), np.float32)
model.predict(rows), model.contributions(rows)
print([name for name in ("pandas", "pyarrow", "sklearn") if name in sys.modules])
"""


def test_a_desk_that_asks_its_model_loads_none_of_what_only_trainings_use(tmp_path):
    saved(tmp_path, "v1")
    told = subprocess.run([sys.executable, "-c", ASKING, str(tmp_path)], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
