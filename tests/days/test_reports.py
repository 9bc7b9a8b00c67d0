"""Reports: the headline first, one honest answer, within Slack's limits, with an anchor at the end."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.annals import Annals
from bot.charts import ChartError, Drawing, equity_drawing, render
from bot.render import Words
from bot.reports import Reporter, Window, would_have_made
from bot.slack_limits import check_message
from engine.domain import Fill, Hold, LimitUse, Position, ProposalStatus, Role, Side, State
from engine.forecasts import Live, ModelState, ModelVersion
from engine.messages import FeedChanged, Minute, Press, Timer
from engine.outcomes import Filled, ProposalClosed, ReportDue
from tests.days.desk import NOW, FakeDesk, points, proposal, record, snapshot, trade

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
DAY = timedelta(days=1)
EVENING = Window("evening", "evening:2026-11-20", NOW - DAY, NOW)


def reporter(shot=None, rows=()):
    return Reporter(FakeDesk(shot, tuple(rows)), Words(LOS_ANGELES))


def everything(report):
    """All words of a report."""
    texts = [report.words.text]
    for block in report.words.blocks:
        texts += [
            item["text"] for item in [block.get("text"), *block.get("fields", []), *block.get("elements", [])] if item
        ]
    return "\n".join(texts)


def position(symbol="SOL/USD"):
    return Position(
        "T9", "ema", symbol, Side.LONG, 1.25, 150.2, NOW - DAY / 8, 152.0, 1.9, 0.01, 0.7, 140.0, None, None, None, None
    )


def test_the_first_thing_a_phone_shows_is_what_was_made():
    shot = snapshot(trades=(trade(4.0), trade(-2.0)), equity=1002.0, equity_curve=points(1000.0, 1002.0))
    report = reporter(shot).of(EVENING)
    assert report.words.blocks[0]["text"]["text"] == "Day: made $2.00 (+0.20 %)"
    assert report.words.text.startswith("Day: made $2.00 (+0.20 %). 2 closed trades, equity $1,002.00.")


def test_an_empty_day_says_so_and_proves_nothing():
    words = everything(reporter().of(EVENING))
    assert "Day: no minute has closed yet" in words
    assert "No trade was closed." in words
    assert "Not proven yet" in words
    assert "nan" not in words.lower().replace("finan", "")


def test_a_long_run_says_how_likely_its_edge_is_and_how_long_certainty_takes():
    climbing = [1000 * 1.0005**hour * (1.004 if hour % 2 else 1) for hour in range(60)]
    curve = points(*climbing, step=timedelta(hours=1))
    words = everything(reporter(snapshot(equity_curve=curve)).of(EVENING))
    assert "a year (59 hourly returns)" in words
    assert "likely to be above 0, 95 % takes" in words


def test_the_report_ends_with_the_anchor_of_the_ledger():
    last = reporter().of(EVENING).words.blocks[-1]
    assert last["elements"][0]["text"].endswith("ledger 4711:ab12cd34ef56")


def test_a_simulated_market_is_named_on_the_report_and_on_its_picture():
    report = reporter(snapshot(label="simulated")).of(EVENING)
    assert report.words.text.startswith("[simulated]")
    assert "simulated" in report.words.blocks[-1]["elements"][0]["text"]
    assert report.drawing.label == "simulated"


def test_a_late_report_says_so_and_names_those_that_never_came():
    earlier = ReportDue("evening", "evening:2026-11-17", NOW - 4 * DAY, NOW - 3 * DAY, False)
    rows = [record(1, Timer(NOW - 3 * DAY, "report", "evening:2026-11-17", NOW - 3 * DAY), earlier)]
    words = everything(reporter(rows=rows).of(replace(EVENING, late=True)))
    assert "*Late*: this report was due at 2026-11-20 19:00 PST" in words
    assert "Never sent: 2026-11-18, 2026-11-19." in words


def test_a_punctual_report_is_not_called_late():
    assert "late" not in everything(reporter().of(EVENING)).lower()


def forecasting(*days):
    """A desk whose champion's forecasts came true so often on these days."""
    version = ModelVersion("v3", "a" * 64, "edge", True, True, NOW - 9 * DAY, NOW + 9 * DAY)
    return snapshot(model="direction", models={"direction": ModelState("direction", version, live={"v3": days})})


def test_a_report_says_how_often_the_champions_forecasts_came_true_and_the_verdict_counts_it():
    bins = tuple((1000, 600, 620.0) if place == 12 else (0, 0, 0.0) for place in range(20))
    words = everything(reporter(forecasting(Live(1, 1000, 600, 1000, 1000.0, 240.0, bins))).of(EVENING))
    assert "*Hit rate*\n60 % (95 %: 57 % to 63 %), 1,000 forecasts of the champion" in words
    assert "*Calibration*\noff by 2.00 % on average" in words
    assert "forecast accuracy 60 % (above 55 %)" in words


@pytest.mark.parametrize(
    ("shot", "said"),
    [
        (snapshot(), "n/a, this playbook makes no forecasts"),
        (snapshot(model="direction"), "n/a, no forecast of direction is settled yet"),
        (forecasting(), "n/a, no forecast of direction is settled yet"),
    ],
)
def test_without_a_settled_forecast_there_is_no_hit_rate_and_the_report_says_why(shot, said):
    words = everything(reporter(shot).of(EVENING))
    assert f"*Hit rate*\n{said}" in words
    assert "forecast accuracy" not in words
    assert "Calibration" not in words


def test_a_veto_that_saved_money_is_told_from_one_that_cost_it():
    assert would_have_made(proposal(), 3_100.0) == pytest.approx(0.05 * 100 - 1.6)
    assert would_have_made(proposal(side=Side.SHORT), 3_100.0) == pytest.approx(-0.05 * 100 - 1.6)
    vetoed = proposal(status=ProposalStatus.REJECTED, decided_at=NOW - DAY / 4, decided_by="U1")
    rows = [record(1, Press(NOW, "reject", "P1", 1, "U1", Role.TRADER), ProposalClosed(vetoed))]
    fallen = snapshot(closes={"ETH/USD": (NOW, 2_900.0)})
    assert "*What was not approved* saved $6.60" in everything(reporter(fallen, rows).of(EVENING))
    risen = snapshot(closes={"ETH/USD": (NOW, 3_100.0)})
    assert "*What was not approved* cost $3.40" in everything(reporter(risen, rows).of(EVENING))
    yesterday = replace(EVENING, covers_from=NOW - 2 * DAY, covers_to=NOW - DAY)
    assert "not approved" not in everything(reporter(risen, rows).of(yesterday))


def test_the_ledger_tells_how_well_the_desk_ran():
    quality = ("good", "quiet", "doubtful")
    three = (1.0, 1.0, 1.0)
    start = NOW - timedelta(minutes=9)
    minutes = [
        Minute(start + timedelta(minutes=index), ("A", "B", "C"), three, three, three, three, three, quality, ("D",))
        for index in (0, 1, 2, 3, 9)
    ]
    down = FeedChanged(start + timedelta(minutes=3), "kraken", False)
    up = FeedChanged(start + timedelta(minutes=6), "kraken", True)
    rows = [record(index + 1, message) for index, message in enumerate([*minutes, down, up])]
    made = reporter(rows=rows)
    made.of(EVENING)
    made.of(EVENING)  # the second report counts nothing twice
    found = made.annals.operations()
    assert (found.uptime, found.data_quality) == (0.5, 0.5)
    assert found.feed_uptime == pytest.approx(1 - 3 / 9)
    assert found.mean_slippage is None


class Counting(FakeDesk):
    """Notes from which row on the ledger is read."""

    def __init__(self, rows):
        super().__init__(None, tuple(rows))
        self.read_after = []

    def records(self, after=0):
        self.read_after.append(after)
        return super().records(after)


def fills(first, count):
    return [
        replace(record(row, Timer(NOW, "report", str(row), NOW), filled(50.0 + row)), head=f"{row:064}")
        for row in range(first, first + count)
    ]


def filled(price):
    return Filled(Fill(f"c{price}", "T1", "ema", "A", "buy", NOW, price, 2.0, 0.1, price * 0.004, "entry"))


def test_after_a_restart_only_what_is_new_is_read_and_the_sums_are_those_of_all(tmp_path):
    rows = fills(1, 9)
    Annals(tmp_path / "annals.json").read(Counting(rows[:6]))
    desk, again, whole = Counting(rows), Annals(tmp_path / "annals.json"), Annals()
    again.read(desk)
    whole.read(Counting(rows))
    assert again.operations() == whole.operations()
    assert desk.read_after == [5, 6]


@pytest.mark.parametrize("spoilt", ["{", '{"seq": 6, "head": "other"}'])
def test_sums_that_are_not_this_ledger_s_are_counted_anew(tmp_path, spoilt):
    rows = fills(1, 9)
    (tmp_path / "annals.json").write_text(spoilt)
    again, whole = Annals(tmp_path / "annals.json"), Annals()
    again.read(Counting(rows))
    whole.read(Counting(rows))
    assert again.operations() == whole.operations()


def test_slippage_is_a_share_of_what_was_filled():
    fills = [
        Filled(Fill(f"c{price}", "T1", "ema", "A", "buy", NOW, price, 2.0, 0.1, price * 2 * 0.004, "entry"))
        for price in (50.0, 100.0)
    ]
    made = reporter(rows=[record(1, Timer(NOW, "report", "x", NOW), *fills)])
    made.of(EVENING)
    assert made.annals.operations().mean_slippage == pytest.approx(0.004)


def test_the_fullest_report_stays_within_slack_s_limits():
    long = "a sentence that nobody shortened " * 20
    shot = snapshot(
        trades=tuple(trade(index - 60.0, NOW - DAY * index / 200, symbol=f"COIN{index}/USD") for index in range(150)),
        positions=tuple(position(f"C{index}/USD") for index in range(40)),
        proposals=tuple(proposal(f"P{index}/USD") for index in range(40)),
        limits=tuple(LimitUse(f"limit_{index}", 100.0, 50.0, "USD") for index in range(40)),
        holds=tuple(Hold(f"HOLD_{index}", State.REDUCING, "desk", NOW, note=long) for index in range(20)),
        equity_curve=points(*range(1000, 2440)),
        label="simulated",
    )
    report = reporter(shot).of(EVENING)
    assert check_message({"text": report.words.text, "blocks": report.words.blocks}) == []
    assert "… and" in everything(report)


@pytest.mark.parametrize(("name", "hours"), [("daily", 24), ("weekly", 24 * 7)])
def test_a_report_can_be_asked_for_at_any_time(name, hours):
    shot = snapshot(trades=tuple(trade(1.0, NOW - timedelta(hours=age)) for age in (1, hours - 1, hours + 1)))
    words = everything(reporter(shot).now(name))
    assert "2, +$2.00 after $1.44 costs" in words


def test_a_post_s_data_makes_the_report_of_its_slot():
    data = {"report": "week", "slot": "week:2026-11-22", "covers_from": NOW - 7 * DAY, "covers_to": NOW, "late": False}
    assert reporter().due({**data, "at": NOW}).words.text.startswith("Week: ")


# ------------------------------------------------------------ the picture


async def test_a_picture_is_a_small_png_with_words_for_those_who_cannot_see_it():
    shot = snapshot(
        equity_curve=points(*[1000 + (index * 7919 % 97) / 10 for index in range(3000)]),
        benchmark=points(*[1000 + index / 100 for index in range(3000)]),
        label="simulated",
    )
    report = reporter(shot).of(replace(EVENING, covers_from=NOW - 3 * DAY))
    png = await render(report.drawing)
    assert png.startswith(b"\x89PNG")
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (1200, 900)
    assert 10_000 < len(png) < 120_000
    assert "buy and hold +3.00 %" in report.alt
    assert "simulated market" in report.alt


def test_buy_and_hold_is_drawn_from_the_same_start():
    drawing = equity_drawing(points(1000.0, 1010.0), points(500.0, 550.0), "", "", "", LOS_ANGELES)
    assert [value for _, value in drawing.benchmark] == pytest.approx([1000.0, 1100.0])


async def test_what_cannot_be_drawn_is_an_error_with_its_reason():
    with pytest.raises(ChartError, match="Nowhere"):
        await render(Drawing([(0.0, 1.0), (60.0, 2.0)], [], "x", "y", "", "Nowhere/Land"))
