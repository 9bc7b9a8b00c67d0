"""Logs: daily files, lines for people, and no secret anywhere, tracebacks included."""

import json
import logging
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from freezegun import freeze_time

from bot import logs, narration
from engine.domain import Refusal, Side, Signal
from engine.messages import Analysis, Timer
from engine.outcomes import PositionClosed, ProposalOpened, Refused, ReportDue, SignalSeen
from tests.days.desk import NOW, proposal, record, trade

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
SECRETS = ("s3cr3t/value+1", 'quo"ted-key', "abc")


@pytest.fixture
def start(tmp_path):
    """Sets the logs up; called inside a test because the console is the standard error of that moment."""
    handlers = []

    def begin():
        handlers.extend(logs.set_up(tmp_path / "logs", "INFO", LOS_ANGELES, SECRETS))
        return tmp_path / "logs"

    yield begin
    logs.take_down(handlers)


@pytest.mark.parametrize(
    "text",
    [
        "token xoxb-12345-67890-AbCdEf",
        "app xapp-1-A1-22-deadbeef",
        "postgresql://desk:hunter2@db.example/x",
        "https://hooks.slack.com/services/T0/B0/hunter2",
        "Authorization: Bearer hunter2hunter2",
        "wss://wss.example/link/?ticket=hunter2&app_id=1",
        '{"api_key": "hunter2", "x": 1}',
        "s3cr3t/value+1 and s3cr3t%2Fvalue%2B1",
        'quo"ted-key and quo\\"ted-key',
    ],
)
def test_a_secret_becomes_stars(text):
    shown = logs.Redactor(SECRETS)(text)
    assert logs.STARS in shown
    for secret in ("12345", "deadbeef", "hunter2", "s3cr3t", "ted-key"):
        assert secret not in shown


def test_ordinary_words_stay():
    text = "BUY 0.0123 BTC/USD @ 67450.0 (EMA20 67200) https://example.com:8080/x?page=2 abc"
    assert logs.Redactor(SECRETS)(text) == text


def test_tracebacks_are_redacted_in_the_files_and_on_the_console(start, capsys):
    folder = start()
    try:
        raise ValueError("cannot reach postgresql://desk:hunter2@db/x with s3cr3t/value+1")
    except ValueError:
        logging.getLogger("engine.store").exception("the database failed for %s", "xoxb-1-2")
    written = "".join(path.read_text() for path in folder.iterdir()) + capsys.readouterr().err
    assert "ValueError" in written
    for secret in ("hunter2", "s3cr3t", "xoxb-1"):
        assert secret not in written


def test_errors_have_a_file_of_their_own_and_every_line_is_json(start):
    folder = start()
    logging.getLogger("desk").info("BUY")
    logging.getLogger("desk").warning("careful")
    trading, errors = sorted(folder.iterdir(), reverse=True)
    assert (trading.name.split("_")[0], errors.name.split("_")[0]) == ("trading", "errors")
    assert [json.loads(line)["text"] for line in trading.read_text().splitlines()] == ["BUY", "careful"]
    assert [json.loads(line)["text"] for line in errors.read_text().splitlines()] == ["careful"]


def test_a_new_day_is_a_new_file_and_old_ones_go(start):
    folder = start()
    for day in (1, 2):
        with freeze_time(f"2026-11-0{day} 12:00:00"):
            logging.getLogger("desk").info("day %d", day)
    (folder / "trading_notes.log").write_text("a person's own file")
    now = NOW.replace(month=11, day=4)
    assert [path.name for path in logs.tidy(folder, now, keep_days=2)] == ["trading_2026-11-01.log"]
    assert {path.name for path in folder.iterdir()} == {"trading_2026-11-02.log", "trading_notes.log"}


def test_the_console_speaks_the_desk_s_time_without_tracebacks(start, capsys):
    start()
    with freeze_time("2026-11-20 22:32:15"):
        logging.getLogger("desk").info("BUY 0.0123 BTC/USD")
        try:
            raise OSError("disk full")
        except OSError:
            logging.getLogger("desk").exception("not written")
    assert capsys.readouterr().err.splitlines() == [
        "14:32:15 BUY 0.0123 BTC/USD",
        "14:32:15 ERROR not written (OSError: disk full)",
    ]


def test_one_line_per_decision():
    report = ReportDue("evening", "evening:2026-11-20", NOW - timedelta(days=1), NOW, True)
    row = record(
        1, Timer(NOW, "report", "x", NOW), ProposalOpened(proposal()), PositionClosed(trade(4.2), None, 4.2), report
    )
    proposed, closed, reported = narration.lines(row)
    assert proposed.startswith("PROPOSED long 0.05 ETH/USD @ 3,000.00, stop 2,900.00: EMA 20 crossed")
    assert closed == "CLOSED BTC/USD +$4.20 (+4.20 %), target"
    assert reported == "REPORT evening:2026-11-20 (late)"


def test_minutes_without_an_analysis_are_said_once_and_then_counted(caplog):
    caplog.set_level(logging.INFO, logger="desk")
    narrator = narration.Narrator()
    no = Refused(Refusal("NO_ANALYSIS", NOW, "the analyst did not answer"))
    narrator.tell(record(0, Analysis(NOW, NOW, ())))
    for seq in range(1, 26):
        narrator.tell(record(seq, Timer(NOW, "analysis", "x", NOW), no))
    narrator.tell(record(26, Analysis(NOW, NOW, ())))
    assert [line.getMessage() for line in caplog.records] == [
        "REFUSED desk NO_ANALYSIS: the analyst did not answer",
        "NO_ANALYSIS for 10 minutes now",
        "ANALYST answers again after 25 minutes without signals",
    ]


def test_the_first_minutes_of_a_start_are_told_as_such(caplog):
    caplog.set_level(logging.INFO, logger="desk")
    narrator = narration.Narrator()
    no = Refused(Refusal("NO_ANALYSIS", NOW, "the analyst did not answer"))
    narrator.tell(record(1, Timer(NOW, "analysis", "x", NOW), no))
    narrator.tell(record(2, Analysis(NOW, NOW, ())))
    assert [line.getMessage() for line in caplog.records] == [
        "WARMING UP: the analyst has not answered since the start, so this minute has no entries",
        "ANALYST answers after 1 minute without signals",
    ]


def test_a_wish_that_comes_every_minute_is_said_at_the_first_and_the_tenth_time(caplog):
    caplog.set_level(logging.INFO, logger="desk")
    narrator = narration.Narrator()
    again = SignalSeen(Signal("ema", "BTC/USD", NOW, "enter", Side.LONG, 100.0), "refreshed")
    for seq in range(1, 26):
        narrator.tell(record(seq, Analysis(NOW, NOW, ()), again))
    assert [line.getMessage() for line in caplog.records] == [
        "SIGNAL enter BTC/USD @ 100.00 refreshed",
        "SIGNAL enter BTC/USD @ 100.00 refreshed, for the 10th time",
    ]


def test_a_line_that_cannot_be_written_is_not_shown_unredacted(start, capsys):
    folder = start()
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file where the folder should be")
    logging.getLogger("desk").warning("key %s", "xoxb-1-2")
    told = capsys.readouterr().err
    assert "could not be written: FileExistsError" in told
    assert "xoxb-1" not in told
