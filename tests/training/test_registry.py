"""Models on disk: whole or not there, unchanged or refused, the same after a load."""

import json
from dataclasses import replace

import numpy as np
import pytest

from engine.forecasting.model import Model, row_hash
from engine.forecasting.registry import PASSPORT, TREES, ModelError, ModelFolder
from tests.training.made import market, trained


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    return trained(folder, market()), folder / "models"


@pytest.fixture
def kept(made, tmp_path):
    """A folder of our own with the model in it, its passport, and its hash."""
    done, home = made
    model = ModelFolder(home).load("direction", done.passport.version, done.artefact)
    folder = ModelFolder(tmp_path / "models")
    return folder, model, folder.save(model.passport, model.booster, b"a picture")


def refused(call, *given):
    with pytest.raises(ModelError) as caught:
        call(*given)
    return caught.value.code


def test_what_is_loaded_says_the_same_as_what_was_trained(made):
    done, home = made
    model = ModelFolder(home).load("direction", done.passport.version, done.artefact)
    assert model.passport == done.passport
    rows = done.data.rows[:500]
    again = ModelFolder(home).load("direction", done.passport.version)
    assert np.array_equal(model.predict(rows), again.predict(rows))
    assert np.allclose(model.predict(rows).sum(axis=1), 1)


def test_contributions_add_up_to_the_margin_of_the_trees(made):
    done, home = made
    model = ModelFolder(home).load("direction", done.passport.version)
    rows = done.data.rows[:300]
    raw = model.raw(rows)[:, 1]
    margin = np.log(raw / (1 - raw))
    assert np.allclose(model.contributions(rows).sum(axis=1), margin, atol=1e-4)


def test_the_edge_is_what_the_classes_have_brought_weighed_by_their_probabilities(made):
    done, home = made
    model = ModelFolder(home).load("direction", done.passport.version)
    down, up = model.passport.moves
    assert model.edge(np.array([[0.25, 0.75]])) == pytest.approx([0.25 * down + 0.75 * up])


@pytest.mark.parametrize("file", [TREES, PASSPORT])
def test_one_changed_byte_is_noticed_before_anything_is_loaded(kept, file):
    folder, model, artefact = kept
    path = folder.path("direction", model.passport.version) / file
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))
    assert refused(folder.load, "direction", model.passport.version, artefact) == "CORRUPT"


def test_a_passport_that_was_edited_is_refused_by_its_hash_and_nonsense_without_one(kept):
    folder, model, artefact = kept
    path = folder.path("direction", model.passport.version) / PASSPORT
    told = json.loads(path.read_text())
    told["passport"]["promotable"] = True
    path.write_text(json.dumps(told))
    assert refused(folder.passport, "direction", model.passport.version, artefact) == "CORRUPT"
    path.write_text("{}")
    assert refused(folder.passport, "direction", model.passport.version) == "CORRUPT"
    path.write_text(json.dumps(told | {"schema": 99}))
    assert refused(folder.passport, "direction", model.passport.version) == "SCHEMA"


def test_trees_of_other_features_than_the_passport_names_are_refused(kept):
    folder, model, _ = kept
    fewer = replace(model.passport, version="other", features=model.passport.features[:-1])
    folder.save(fewer, model.booster)
    assert refused(folder.load, "direction", "other") == "FEATURES"


def test_a_version_is_never_written_over_and_absent_ones_are_said(kept):
    folder, model, _ = kept
    assert refused(folder.save, model.passport, model.booster) == "EXISTS"
    assert refused(folder.load, "direction", "nothing") == "ABSENT"
    assert refused(folder.load, "direction", "../../etc") == "ABSENT"
    assert folder.versions("direction") == (model.passport.version,)
    assert folder.versions("unknown") == ()
    folder.remove("direction", model.passport.version)
    assert folder.versions("direction") == ()


def test_a_save_that_breaks_leaves_no_version(kept):
    folder, model, _ = kept

    class Broken:
        def save_raw(self, kind):
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        folder.save(replace(model.passport, version="half"), Broken())
    assert folder.versions("direction") == (model.passport.version,)
    assert {path.name for path in (folder.root / "direction").iterdir()} == {model.passport.version}


def test_a_feature_row_is_known_again_by_its_hash():
    row = np.array([0.1, 0.2])
    assert row_hash(("a", "b"), row) == row_hash(("a", "b"), row.astype(np.float64))
    assert len({row_hash(("a", "b"), row), row_hash(("a", "c"), row), row_hash(("a", "b"), row + 1e-12)}) == 3


def test_a_model_is_safe_to_hold_without_its_folder(kept):
    _, model, _ = kept
    assert Model(model.passport, model.booster).passport.words == ("down", "up")
