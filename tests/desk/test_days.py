"""Market time, days, reports, alarms, beginnings and ends."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.domain import Alarm
from engine.messages import FeedChanged, HealthSeen, Minute, Stopped, Timer
from engine.outcomes import (
    AlarmCleared,
    AlarmRaised,
    AlarmRepeated,
    DayClosed,
    Decided,
    DeskStarted,
    DeskStopped,
    Filled,
    PositionClosed,
    ProposalOpened,
    Refused,
    ReportDue,
    SignalSeen,
)
from tests.desk.kit import BTC, ETH, MINUTE, SOL, SYMBOLS, Floor, codes, of, only, playbook, started


def report(floor, key, due, late=timedelta(0)):
    return floor.tell(Timer(due + late, "report", key, due))


def test_a_report_slot_is_due_exactly_once():
    floor = Floor()
    due = datetime(2026, 11, 21, 3, tzinfo=UTC)
    said = only(ReportDue, report(floor, "evening:2026-11-20", due))
    assert (said.report, said.slot, said.late) == ("evening", "evening:2026-11-20", False)
    assert (said.covers_from, said.covers_to) == (due - timedelta(days=1), due)
    assert not report(floor, "evening:2026-11-20", due, timedelta(minutes=1))


def test_a_report_that_was_missed_says_so():
    floor = Floor()
    due = datetime(2026, 11, 21, 3, tzinfo=UTC)
    assert only(ReportDue, report(floor, "evening:2026-11-20", due, timedelta(minutes=30))).late


def test_local_midnight_closes_the_day_once():
    floor = Floor()
    floor.at = datetime(2026, 11, 21, 7, 58, tzinfo=UTC)
    assert not of(DayClosed, floor.minute())
    assert only(DayClosed, floor.minute()).date == "2026-11-20"
    assert not of(DayClosed, floor.minute())


def test_the_desk_says_when_time_alone_will_change_something():
    floor = Floor()
    assert floor.trader.next_due().name == "day"
    assert floor.trader.next_due().at == datetime(2026, 11, 21, 8, tzinfo=UTC)
    floor.minute(analysed=False)
    due = floor.trader.next_due()
    assert (due.name, due.at) == ("analysis", floor.at + timedelta(seconds=5))


def test_no_analysis_in_time_means_no_entries_and_exits_are_still_decided():
    floor = Floor(playbook(exits=", max_hold: 3 min"))
    floor.hold()
    for _ in range(3):
        floor.minute()
    outcomes = floor.minute(analysed=False)
    due = floor.trader.next_due()
    late = floor.tell(Timer(due.at, due.name, due.key, due.at))
    assert codes(late) == ["NO_ANALYSIS"]
    floor.minute(analysed=False)
    assert only(PositionClosed, floor.said).trade.exit_reason == "time"
    assert not of(Refused, outcomes)


def test_an_analysis_that_comes_too_late_enters_nothing():
    floor = Floor()
    floor.minute(analysed=False)
    minute = floor.at
    wish = floor.enter()
    floor.later(seconds=6)
    outcomes = floor.analysis(minute, wish)
    assert not of(ProposalOpened, outcomes)
    assert only(SignalSeen, outcomes).refusal.code == "NO_ANALYSIS"


def test_an_analysis_that_comes_too_late_still_leaves_what_was_held():
    floor = Floor()
    floor.hold()
    wish = floor.leave()
    floor.minute(analysed=False)
    minute = floor.at
    floor.later(seconds=6)
    assert only(SignalSeen, floor.analysis(minute, wish)).fate == "exit"
    assert only(PositionClosed, floor.trade(99.0)).trade.exit_reason == "signal"


def test_a_late_exit_signal_spares_what_was_opened_after_it():
    floor = Floor()
    wish = floor.leave()
    floor.minute(analysed=False)
    minute = floor.at
    floor.hold()
    assert only(SignalSeen, floor.analysis(minute, wish)).fate == "refused"
    assert not of(PositionClosed, floor.trade(99.0))


@pytest.mark.parametrize(
    ("quality", "enters"), [("good", True), ("quiet", True), ("healed", False), ("doubtful", False)]
)
def test_only_bars_of_a_live_feed_may_be_entered_on(quality, enters):
    floor = Floor()
    outcomes = floor.minute(signals=[floor.enter()], quality=quality)
    assert bool(of(ProposalOpened, outcomes)) == enters


def test_no_entry_until_three_good_minutes_after_a_missing_one():
    floor = Floor(playbook().replace("good_minutes: 0", "good_minutes: 3"))
    for _ in range(5):
        floor.minute()
    floor.minute({ETH: 100.0, SOL: 100.0})
    fates = []
    for _ in range(3):
        outcomes = floor.minute(signals=[floor.enter(BTC)])
        fates.append(only(SignalSeen, outcomes).fate)
    assert fates == ["refused", "refused", "proposed"]


def test_a_quiet_minute_fills_nothing():
    floor = Floor()
    floor.ack(floor.press(floor.propose()))
    assert not of(Filled, floor.minute(quality="quiet"))
    assert of(Filled, floor.minute())


def test_while_the_feed_is_down_nothing_is_entered():
    floor = Floor()
    floor.tell(FeedChanged(floor.at, "kraken", False, "no heartbeat"))
    assert only(SignalSeen, floor.minute(signals=[floor.enter()])).refusal.code == "FEED_DOWN"
    assert not floor.view.feed_up
    floor.tell(FeedChanged(floor.at, "kraken", True))
    assert of(ProposalOpened, floor.minute(signals=[floor.enter()]))
    floor.tell(FeedChanged(floor.at, "kraken", False, "", (ETH,)))
    assert only(SignalSeen, floor.minute(signals=[floor.enter(ETH)])).refusal.code == "FEED_DOWN"


def test_a_held_symbol_without_prices_for_a_minute_raises_an_alarm_until_one_comes():
    floor = Floor()
    floor.hold()
    due = floor.trader.next_due()
    assert (due.name, due.key) == ("prices", BTC)
    alarm = only(AlarmRaised, floor.tell(Timer(due.at, due.name, due.key, due.at))).alarm
    assert (alarm.key, alarm.level, alarm.mention) == (f"prices:{BTC}", "critical", True)
    assert floor.trader.next_due().name != "prices", "said once"
    assert only(AlarmCleared, floor.trade(100.0)).alarm == alarm


def test_minutes_keep_a_held_symbol_from_being_called_silent():
    floor = Floor()
    floor.hold()
    floor.minute()
    due = floor.trader.next_due()
    assert due.at > floor.at + timedelta(seconds=62), "the next minute comes before the alarm"
    floor.minute()
    assert not floor.tell(Timer(due.at, "prices", BTC, due.at))


def test_a_minute_that_comes_twice_or_late_changes_nothing():
    floor = Floor()
    floor.hold()
    floor.minute(101.0)
    first = floor.told[-2][0]
    floor.minute(102.0)
    before = floor.view
    assert floor.tell(first) == ()
    assert floor.view == before


def test_health_alarms_are_raised_once_escalated_and_cleared():
    floor = Floor()
    warning = Alarm("feed", "warning", "slow", floor.at)
    critical = Alarm("feed", "critical", "no data for 10 min", floor.at, count=2, mention=True)
    assert only(AlarmRaised, floor.tell(HealthSeen(floor.at, (warning,)))).alarm == warning
    assert not floor.tell(HealthSeen(floor.at, (warning,)))
    assert only(AlarmRepeated, floor.tell(HealthSeen(floor.at, (critical,)))).escalated
    assert floor.view.alarms == (critical,)
    assert only(AlarmCleared, floor.tell(HealthSeen(floor.at, ()))).alarm == critical


def test_a_start_says_whether_it_is_the_first_and_what_is_open():
    floor = Floor()
    first = only(DeskStarted, floor.said)
    assert (first.first, first.positions, first.pending, first.equity) == (True, 0, 0, 1000.0)
    floor.hold(BTC)
    floor.propose(ETH)
    again = only(DeskStarted, floor.tell(started(at=floor.later(seconds=30))))
    assert (again.first, again.positions, again.pending) == (False, 1, 1)


def test_a_stop_names_what_stays_open_and_enters_nothing_more():
    floor = Floor()
    floor.hold()
    assert only(DeskStopped, floor.tell(Stopped(floor.at, "SIGTERM"))).positions == (BTC,)
    assert only(SignalSeen, floor.minute(signals=[floor.enter(ETH)])).refusal.code == "STOPPING"


def caught_up(floor, prices, **bars):
    floor.at += MINUTE
    rows = {s: bars.get(s[:3], (prices,) * 4) for s in SYMBOLS}
    columns = zip(*rows.values(), strict=True)
    return floor.tell(Minute(floor.at, SYMBOLS, *columns, (10.0,) * 3, ("healed",) * 3, (), True))


def test_a_stop_crossed_while_down_fills_at_the_first_live_price_as_stop_late():
    floor = Floor()
    floor.hold(price=100.0)
    floor.minute()
    floor.tell(started(at=floor.later(minutes=10)))
    outcomes = caught_up(floor, 100.0, BTC=(100.0, 100.0, 90.0, 99.0))
    assert not of(Filled, outcomes), "history fills nothing"
    trade = only(PositionClosed, floor.trade(97.0)).trade
    assert (trade.exit_reason, trade.exit_price) == ("stop_late", 97.0)


MIDNIGHT = datetime(2026, 11, 21, 8, tzinfo=UTC)  # in Los Angeles


@pytest.mark.parametrize("at_midnight", [True, False], ids=["a bar at midnight", "none at midnight"])
def test_a_midnight_missed_while_down_begins_the_day_at_the_equity_it_had(at_midnight):
    floor = Floor()
    floor.hold(price=100.0)
    floor.minute(100.0)
    quantity, cash = floor.view.positions[0].quantity, floor.view.cash
    floor.tell(started(at=MIDNIGHT + timedelta(minutes=30)))
    floor.at = MIDNIGHT - 2 * MINUTE
    caught_up(floor, 101.0)
    assert floor.view.equity == pytest.approx(cash + quantity * 101.0)
    if at_midnight:
        caught_up(floor, 98.0)
    else:
        floor.at = MIDNIGHT
    caught_up(floor, 103.0)
    floor.at = MIDNIGHT + timedelta(minutes=30)
    floor.minute(104.0)
    assert floor.view.day_start_equity == pytest.approx(cash + quantity * (98.0 if at_midnight else 101.0))
    assert floor.view.day_pnl == pytest.approx(quantity * (6.0 if at_midnight else 3.0))


def test_a_daily_loss_counts_from_the_midnight_that_was_missed():
    floor = Floor(playbook(limits=", daily_loss_amount: 3"))
    floor.hold(price=100.0)
    floor.minute(100.0)
    floor.tell(started(playbook(limits=", daily_loss_amount: 3"), at=MIDNIGHT + timedelta(minutes=30)))
    floor.at = MIDNIGHT - MINUTE
    caught_up(floor, 104.0)
    floor.at = MIDNIGHT + timedelta(minutes=30)
    floor.minute(100.5)
    assert [hold.code for hold in floor.view.holds] == ["DAILY_LOSS"]


def test_history_after_a_restart_opens_nothing():
    floor = Floor()
    floor.ack(floor.press(floor.propose()))
    assert not of(Filled, caught_up(floor, 100.0))


def test_changed_settings_keep_what_is_held():
    floor = Floor()
    floor.hold()
    before = floor.view
    floor.tell(started(playbook(limits=", max_positions: 1"), at=floor.later(seconds=1)))
    after = floor.view
    assert after.positions == before.positions
    assert (after.cash, after.equity) == (before.cash, before.equity)
    outcomes = floor.minute(signals=[floor.enter(ETH)])
    assert only(SignalSeen, outcomes).refusal.code == "NO_SLOT"


def test_why_is_answered_for_every_symbol_and_recorded_only_when_something_happened():
    floor = Floor()
    assert not of(Decided, floor.minute())
    quiet = floor.view.decisions[BTC]
    assert [step.gate for step in quiet.steps] == [
        "data",
        "model",
        "threshold",
        "strategy",
        "risk",
        "capital",
        "consent",
    ]
    assert quiet.verdict.startswith("no trade")
    outcomes = floor.minute(signals=[floor.enter(BTC)])
    card = only(ProposalOpened, outcomes).proposal
    decision = only(Decided, outcomes).decision
    assert decision.verdict == f"proposed as {card.id}"
    floor.press(card, by="U_TRADER")
    consent = floor.view.decisions[BTC].steps[-1]
    assert (consent.passed, consent.sentence) == (True, "approved by @U_TRADER")


def test_the_curve_and_its_benchmark_have_one_point_a_minute():
    floor = Floor()
    floor.minute(100.0)
    view = floor.view
    floor.minute({BTC: 110.0, ETH: 100.0, SOL: 100.0})
    assert len(view.equity_curve) == 1, "a snapshot never changes"
    assert [point.equity for point in floor.view.benchmark] == pytest.approx([1000.0, 1000.0 * (1 + 0.1 / 3)])
    assert [point.equity for point in floor.view.equity_curve] == [1000.0, 1000.0]
