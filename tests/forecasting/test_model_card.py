"""The model card: one page of numbers, a picture and words that Slack takes, whatever is known of the model."""

import io
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from PIL import Image
from pydantic import TypeAdapter

from bot.blocks import compose
from bot.model_card import card_alt, card_drawing, card_png
from bot.model_card_picture import _BADGES, Page, _facts, card_picture
from bot.render import Words
from bot.slack_limits import check_message
from engine import ModelCard
from engine.forecasting.gate import Verdict
from tests.forecasting.carded import card

WORDS = Words(ZoneInfo("America/Los_Angeles"))


@pytest.fixture(scope="module")
def good():
    return card(0.57)


def size(png):
    with Image.open(io.BytesIO(png)) as picture:
        return picture.size


def bare(made):
    """A card of a model that was judged on one span, never traded, and whose features nobody weighed."""
    judgement = replace(made.judgement, folds=(), training=None)
    return replace(made, judgement=judgement, money=None, skill=None, importances=())


async def test_the_picture_is_drawn_in_a_process_of_its_own(good):
    png = await card_png(card_drawing(good, WORDS))
    assert size(png)[0] == 1200
    assert len(png) < 400_000


def test_a_card_with_half_of_it_unknown_is_drawn_too(good):
    assert size(card_picture(card_drawing(bare(good), WORDS)))[0] == 1200


def test_the_picture_grows_with_what_keeps_the_model_from_trading(good):
    passed = replace(good, gate=replace(good.gate, steps=()))
    broken = card_drawing(card(0.5, clean=False), WORDS)
    assert len(broken.reasons) == 4
    assert size(card_picture(broken))[1] > size(card_picture(card_drawing(passed, WORDS)))[1]


def test_the_picture_shows_the_model_beside_every_baseline(good):
    drawing = card_drawing(good, WORDS)
    assert [name for name, *_ in drawing.accuracies] == ["this model", *(one.name for one in good.judgement.beside)]
    assert drawing.verdict == str(good.gate.verdict)
    assert len(drawing.folds) == len(good.judgement.folds)
    assert len(drawing.tenths) == 10


def test_an_edge_that_costs_eat_is_not_called_one_in_green(good):
    gate, money = replace(good.gate, verdict=Verdict.EDGE), replace(good.money, pnl=-3.0)
    drawing = card_drawing(replace(good, gate=gate, money=money), WORDS)
    assert drawing.verdict == "edge, not after costs"
    assert _BADGES[drawing.verdict] != _BADGES["edge"]
    assert card_drawing(replace(good, gate=gate, money=replace(money, pnl=3.0)), WORDS).verdict == "edge"
    assert "edge, not after costs" in compose(WORDS, "model_card", card=replace(good, gate=gate, money=money)).text


def test_the_badge_leaves_the_version_room(good):
    """Name and badge share a line; the version, which is long, has one of its own."""
    drawing = card_drawing(replace(good, version="20261130T094245-9a1b2c"), WORDS)
    assert drawing.title == good.name
    assert drawing.span.startswith("20261130T094245-9a1b2c, judged once on ")


def test_words_and_picture_tell_the_same_facts(good):
    message = compose(WORDS, "model_card", card=good)
    for name, value in card_drawing(good, WORDS).facts:
        assert name in str(message.blocks)
        assert value in str(message.blocks)


def test_the_venues_own_fees_stand_on_the_card_beside_a_scenario(good):
    told = dict(card_drawing(good, WORDS).facts)["At the venue's fees"]
    assert told.endswith(f"in {good.money.trades:,} (0.40 %)")
    same = replace(good, fees=replace(good.fees, own=0.004))
    assert dict(card_drawing(same, WORDS).facts)["At the venue's fees"] == "the same (0.40 %)"


def test_no_value_is_printed_over_its_label_however_long(good):
    long = replace(good, fees=replace(good.fees, trades=123_456, equity_return=-0.98765), trials=123_456)
    page = Page(1_000)
    _facts(page, card_drawing(long, WORDS), 100)
    told = page.figure.texts
    assert len(told) > 30
    for label, value in zip(told[::2], told[1::2], strict=True):
        assert label.get_window_extent().x1 + 10 < value.get_window_extent().x0, value.get_text()


@pytest.mark.parametrize("change", [lambda made: made, bare])
def test_the_words_fit_slack(good, change):
    message = compose(WORDS, "model_card", card=change(good))
    assert check_message({"text": message.text, "blocks": message.blocks}) == []
    assert str(good.gate.verdict) in message.text


def test_every_reason_is_told_in_words():
    made = card(0.5, clean=False)
    message = compose(WORDS, "model_card", card=made)
    assert made.gate.failed[0].sentence in str(message.blocks)


def test_who_cannot_see_the_picture_hears_the_verdict_and_the_market(good):
    said = card_alt(replace(good, label="planted edge"))
    assert str(good.gate.verdict) in said
    assert "Planted edge market." in said
    assert "reversal" in said


def test_a_card_survives_the_ledger(good):
    kept = TypeAdapter(ModelCard)
    assert kept.validate_json(kept.dump_json(good)) == good
