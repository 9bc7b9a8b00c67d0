"""The page about the sets says what the tables say."""

from __future__ import annotations

from pathlib import Path

from engine.features.docs import page
from engine.features.sets import find_set

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_page_is_what_the_tables_make_of_it() -> None:
    assert PAGE.read_text() == page(), "stale: python -m engine.features > docs/features.md"


def test_every_feature_is_on_the_page_with_its_formula() -> None:
    lines = page().splitlines()
    for name in ("core6", "trend52"):
        for entry in find_set(name).entries:
            assert any(f"`{entry.name}`" in line and entry.formula in line for line in lines), entry.name


def test_every_number_is_read_in_words() -> None:
    for name in ("core6", "trend52"):
        for entry in find_set(name).entries:
            for value in (0.0, 0.0123, -0.4, 23.4):
                said = entry.told(value)
                assert said, entry.name
                assert not {"_", "[", "{", "|"} & set(said), said
    told = {entry.name: entry.told for entry in find_set("core6").entries}
    assert told["support_distance"](0.012) == "price 1.20 % above support"
    assert told["support_distance"](-0.004) == "price 0.40 % below support"
    assert told["rsi14"](23.4) == "RSI(14) at 23"
