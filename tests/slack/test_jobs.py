"""Long work from Slack: one message that moves, one button that ends it, and a result that is said once."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot import jobs as room
from bot.cards import render_post
from bot.commands.jobs import plan_of
from bot.job_card import bar, job_values
from bot.jobs import Jobs, Plan
from bot.posts import announce, job_subject
from bot.render import Words
from bot.slack_limits import check_message
from engine.messages import JobEnded, JobStarted, Message
from engine.outcomes import JobClosed, JobOpened, Outcome
from tests.days.desk import NOW
from tests.slack.box import Box
from tests.slack.conftest import Room
from tests.slack.desk import FakeDesk

SOURCES = {"kraken", "ccxt", "files"}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
LOOP = """
import json, signal, sys, threading, time
stopped = threading.Event()
signal.signal(signal.SIGINT, lambda *_: stopped.set())
threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
for number in range(1, 600):
    share = min(number / 100, 0.99)
    part = {"share": share, "rows": number, "failed": 0}
    print(json.dumps({"progress": {"stage": "fetching", "share": share, "pieces": 100, "done": number, "failed": 0,
        "rows": number, "rows_per_second": 20, "eta": 5, "checked": 0, "symbols": {"BTC/USD": part}}}), flush=True)
    if stopped.wait(0.02):
        open(sys.argv[1], "w").write("ended in order")
        sys.exit(130)
"""
DONE = """
import json
print("no JSON at all")
print(json.dumps({"result": {"fate": "done", "why": "", "rows": 5, "new": 5}}))
"""
BROKEN = "import sys; print('nightdesk: there is no such source', file=sys.stderr); sys.exit(1)"


class Shown:
    """What a job showed of itself."""

    def __init__(self) -> None:
        self.data: list[tuple[str, Mapping[str, Any]]] = []

    def __call__(self, subject: str, data: Mapping[str, Any]) -> None:
        self.data.append((subject, data))


def script(code: str, *arguments: str) -> Plan:
    return Plan("backfill", "kraken BTC/USD", ("-c", code, *arguments))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SHOW_EVERY", 0.1)


@pytest.fixture
def shown() -> Shown:
    return Shown()


@pytest.fixture
async def jobs(desk: FakeDesk, shown: Shown) -> AsyncIterator[Jobs]:
    jobs = Jobs(desk, shown, command=(sys.executable,))
    yield jobs
    await jobs.close()


def ends(desk: FakeDesk) -> list[JobEnded]:
    return [message for message in desk.submitted if isinstance(message, JobEnded)]


async def until(question: Callable[[], Any], within: float = 10.0) -> Any:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if answer := question():
            return answer
        await asyncio.sleep(0.02)
    raise AssertionError(f"nothing within {within:g} s")


async def test_a_job_is_recorded_at_its_beginning_and_its_end(jobs: Jobs, desk: FakeDesk) -> None:
    started = await jobs.start(script(DONE), "U_ADMIN")

    await until(lambda: ends(desk))
    begun, over = desk.submitted
    assert started is not None
    assert begun == JobStarted(NOW, "U_ADMIN", started.job, "backfill", "kraken BTC/USD")
    assert over == JobEnded(NOW, "desk", started.job, "done", "", {"fate": "done", "why": "", "rows": 5, "new": 5})
    assert jobs.running is None


async def test_a_job_that_breaks_says_why_in_its_own_words(jobs: Jobs, desk: FakeDesk) -> None:
    await jobs.start(script(BROKEN), "U_ADMIN")

    (over,) = await until(lambda: ends(desk))
    assert (over.fate, over.sentence) == ("failed", "there is no such source")


async def test_what_to_do_is_said_as_it_is_typed_in_slack(jobs: Jobs, desk: FakeDesk) -> None:
    await jobs.start(script("import sys; sys.exit('nightdesk: nothing is stored; `nightdesk backfill`')"), "U_ADMIN")

    (over,) = await until(lambda: ends(desk))
    assert over.sentence == "nothing is stored; `/desk backfill`"
    result = {"result": {"fate": "refused", "why": "no bars; `nightdesk backfill` gets some (NO_BARS)"}}
    await jobs.start(script(f"print({json.dumps(json.dumps(result))})"), "U_ADMIN")
    over = (await until(lambda: ends(desk)[1:]))[0]
    assert (over.fate, over.sentence) == ("refused", "no bars; `/desk backfill` gets some (NO_BARS)")


async def test_one_job_runs_at_a_time_and_cancel_ends_it_in_order(
    jobs: Jobs, desk: FakeDesk, shown: Shown, tmp_path: Path
) -> None:
    started = await jobs.start(script(LOOP, str(tmp_path / "end")), "U_ADMIN")
    assert started is not None
    assert await jobs.start(script(DONE), "U_ADMIN") is None
    await until(lambda: len(shown.data) > 2)

    assert not jobs.cancel("another", "U_RISK")
    assert jobs.cancel(started.job, "U_RISK")
    assert jobs.cancel(started.job, "U_ADMIN")  # pressed twice

    (over,) = await until(lambda: ends(desk))
    assert (over.fate, over.by) == ("cancelled", "U_RISK")
    assert (tmp_path / "end").read_text() == "ended in order"
    progress = [data["progress"]["share"] for _, data in shown.data if "progress" in data]
    assert progress == sorted(progress)
    assert (job_subject(started.job), {"stopping": True}) in shown.data


async def test_a_desk_that_stops_takes_its_job_along(jobs: Jobs, desk: FakeDesk, tmp_path: Path) -> None:
    await jobs.start(script(LOOP, str(tmp_path / "end")), "U_ADMIN")
    await asyncio.sleep(0.5)

    await jobs.close()

    assert [one.fate for one in ends(desk)] == ["interrupted"]
    assert (tmp_path / "end").exists()


async def test_a_job_ends_with_the_process_that_holds_its_input(tmp_path: Path) -> None:
    """As a kill of the desk would: nobody sends a signal, the pipe just ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LOOP, str(tmp_path / "end")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    await asyncio.sleep(0.3)
    assert process.stdin is not None
    process.stdin.close()

    assert await asyncio.wait_for(process.wait(), 10) == 130


# ------------------------------------------------------------ the message


PROGRESS = {
    "stage": "fetching",
    "share": 0.5,
    "pieces": 10,
    "done": 5,
    "failed": 1,
    "rows": 7200,
    "rows_per_second": 800,
    "eta": 90,
    "checked": 0,
    "symbols": {f"C{n}/USD": {"share": n / 20, "rows": 1440 * n, "failed": 0} for n in range(20)},
}
RESULT = {
    **{"source": "kraken", "market": "live", "interval": "1m", "fate": "incomplete", "why": "", "checked": True},
    **{"absent": {"XYZ/USD": "not on Kraken"}, "failed": {"k": "it cannot be read"}},
    **{"pieces": {"all": 10, "before": 4, "now": 5, "failed": 1}, "rows": 12960, "new": 12000, "revised": 1},
    **{
        "same": 959,
        "earlier": 5760,
        "seconds": 12.0,
        "duplicates": 3,
        "kept_of_other_sources": 7,
        "gaps_only_counted": 0,
    },
    "gaps": {"venue outage": {"stretches": 2, "bars": 30}, "no trades": {"stretches": 0, "bars": 0}},
    "rejected": {"FUTURE": 4},
    "rejected_rows": [{"symbol": "A/USD", "code": "FUTURE", "rows": 4, "first": "A/USD <2031> & more"}],
    "outliers": {"count": 1, "first": [{"symbol": "A/USD", "at": "2024-03-01T00:00:00", "kind": "spike"}]},
    "differences": [{"symbol": "A/USD", "source": "feed", "median_bp": 0.2, "worst_bp": 3.0}],
    "notes": ["a file is cut short"],
}
OPENED = JobOpened("ab12", "backfill", "kraken BTC/USD 2024-03-01 2024-04-01", "U_ADMIN", NOW)


def card(words: Words, *outcomes: Outcome, **data: Any) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for outcome in outcomes:
        (post,) = announce(begun(), [outcome], FakeDesk().snapshot())
        told.update(post.data)
    made = render_post(words, "job", {**told, **data})
    shown = {"text": made.text, "blocks": made.blocks}
    assert check_message(shown) == []
    return shown


def begun() -> Message:
    return JobStarted(NOW, "U_ADMIN", "ab12", "backfill", "kraken")


def test_while_it_runs_the_message_has_bars_and_a_cancel_button(words: Words) -> None:
    first = json.dumps(card(words, OPENED), ensure_ascii=False)
    moved = json.dumps(card(words, OPENED, progress=PROGRESS), ensure_ascii=False)

    assert "job_cancel" in first
    assert "job_cancel" in moved
    assert "████████░░░░░░░░ 50 %" in moved
    assert "and 8 more symbols" in moved
    assert "1 failed" in moved
    assert "90 s left" in moved
    assert "job_cancel" not in json.dumps(card(words, OPENED, progress=PROGRESS, stopping=True))


def test_the_message_says_when_it_was_asked_for_however_late_it_is_renewed(words: Words) -> None:
    later = NOW + timedelta(hours=2)
    moved = json.dumps(card(words, OPENED, progress=PROGRESS, at=later), ensure_ascii=False)
    assert words.clock(NOW) in moved
    assert words.clock(later) not in moved


@pytest.mark.parametrize("fate", ["done", "incomplete", "cancelled", "interrupted", "failed", "stopped"])
def test_when_it_is_over_the_message_says_how_and_has_no_button(words: Words, fate: str) -> None:
    closed = JobClosed(OPENED, NOW, "U_RISK", fate, "it said why", RESULT)

    shown = json.dumps(card(words, OPENED, closed, progress=PROGRESS), ensure_ascii=False)

    assert "job_cancel" not in shown
    assert "12,960" in shown
    assert "5,760" in shown
    assert ("goes on from there" in shown) is (fate != "done")
    assert "&lt;2031&gt; &amp; more" in shown
    assert "venue outage" in shown
    assert "not on Kraken" in shown


def test_a_job_that_repeating_cannot_help_is_not_advised_to_be_repeated(words: Words) -> None:
    for found, says in ([], "brings nothing more"), (["BTC/USDT"], "It has BTC/USDT"):
        closed = JobClosed(OPENED, NOW, "desk", "stopped", "why", {**RESULT, "repeats": False, "instead": found})
        shown = json.dumps(card(words, OPENED, closed))
        assert says in shown
        assert "goes on from there" not in shown


def test_a_job_without_a_result_still_has_an_end(words: Words) -> None:
    assert "kraken" in card(words, OPENED, JobClosed(OPENED, NOW, "desk", "interrupted"))["text"]


@pytest.mark.parametrize(
    ("share", "drawn"), [(0.0, "░░░░"), (0.5, "██░░"), (1.0, "████"), (0.3, "█▏░░"), (7.0, "████")]
)
def test_a_bar_is_as_long_as_it_should_be(share: float, drawn: str) -> None:
    assert bar(share, 4) == drawn


def test_of_many_symbols_those_in_work_are_shown() -> None:
    parts = {f"C{n}": {"share": 1.0, "rows": 1} for n in range(30)} | {"X": {"share": 0.5, "rows": 1}}

    values = job_values({"kind": "backfill", "fate": "running", "progress": {"share": 0.9, "symbols": parts}})

    assert values["rows"][0][0] == "X"
    assert values["unshown"] == 19


BACKTEST = {
    **{
        "playbook": "ema",
        "symbols": ["BTC/USD"],
        "from": "2024-03-01T00:00:00+00:00",
        "to": "2024-03-08T00:00:00+00:00",
    },
    **{"bars": 10_080, "trades": 3, "pnl": -12.5, "equity_return": -0.0125, "benchmark_return": 0.02, "fate": "done"},
    **{"total": {"win_rate": 1 / 3}, "costs": {"total": 8.0}, "drawdown": {"depth": 0.03}, "ratios": {"sharpe": -1.2}},
}
TRIED = JobOpened("cd34", "backtest", "BTC/USD 2024-03-01 2024-03-08", "U_ADMIN", NOW)


def test_a_backtests_card_has_its_figures_and_promises_no_going_on(words: Words) -> None:
    moving = json.dumps(card(words, TRIED, progress={"stage": "trading", "share": 0.25, "symbols": {}}))
    done = json.dumps(card(words, TRIED, JobClosed(TRIED, NOW, "desk", "done", "", BACKTEST)), ensure_ascii=False)
    ended = card(words, TRIED, JobClosed(TRIED, NOW, "U_ADMIN", "cancelled"))
    bare = {**BACKTEST, "drawdown": None, "ratios": None, "benchmark_return": None, "total": {"win_rate": None}}
    nothing = json.dumps(card(words, TRIED, JobClosed(TRIED, NOW, "desk", "done", "", bare)))

    assert "25 %" in moving
    for figure in ("−$12.50", "−1.25 %", "+2.00 %", "33 %", "$8.00", "3.00 %", "−1.20", "10,080", "no spread"):
        assert figure in done
    assert "goes on from there" not in json.dumps(ended)
    assert "n/a" in nothing


FIGURES = {"accuracy": 0.523, "accuracy_low": 0.511, "accuracy_high": 0.535, "pnl": -31.4, "trades": 41.0}
TRAINED = {"fate": "done", "model": "direction", "version": "v7", "verdict": "no edge", "figures": FIGURES}
LEARNING = JobOpened("ef56", "train", "direction; try 2 of 3; history checked: no bar missing", "rule:retrain", NOW)


def test_a_trainings_message_says_what_it_is_doing_then_what_the_new_version_is_worth(words: Words) -> None:
    moving = json.dumps(card(words, LEARNING, progress={"stage": "fitting trees", "share": 0.5}), ensure_ascii=False)
    closed = JobClosed(LEARNING, NOW, "desk", "done", "Accuracy 52.3 %: no edge.", TRAINED)
    done = json.dumps(card(words, LEARNING, closed), ensure_ascii=False)
    refused = card(words, LEARNING, JobClosed(LEARNING, NOW, "desk", "refused", "too few rows (TOO_FEW)"))

    assert "50 %, fitting trees" in moving
    for figure in ("direction v7", "no edge", "52.3 %", "51.1 % to 53.5 %", "Backtest", "−$31.40", "41 trades"):
        assert figure in done
    assert "try 2 of 3" in done
    assert "too few rows" in json.dumps(refused)


# ------------------------------------------------------------ delivery


async def test_the_message_moves_without_a_ledger_row_and_ends_with_one(
    box: Box, client: AsyncWebClient, room: Room
) -> None:
    await box.say(OPENED)
    (post,) = await room.drive.messages()
    rows = len(box.desk.rows)

    for share in (0.2, 0.4, 0.6):
        assert box.store.retouch(job_subject("ab12"), {"progress": {**PROGRESS, "share": share}}, time.time())
    box.outbox.wake()
    assert await box.outbox.flush(5)

    (moved,) = await room.drive.messages()
    assert moved["ts"] == post["ts"]
    assert "60 %" in json.dumps(moved["blocks"], ensure_ascii=False)
    assert len(box.desk.rows) == rows
    box.store.retouch(job_subject("ab12"), {"progress": PROGRESS}, time.time())
    await box.say(JobClosed(OPENED, NOW, "desk", "done", "", RESULT))
    (last,) = await room.drive.messages()
    assert last["ts"] == post["ts"]
    assert "Backfill done" in json.dumps(last["blocks"])
    assert not box.store.retouch("job:unknown", {}, time.time())


async def test_a_jobs_chart_comes_under_its_message_and_a_lost_file_holds_nothing_up(
    box: Box, room: Room, tmp_path: Path
) -> None:
    picture = tmp_path / "equity.png"
    picture.write_bytes(base64.b64decode(PNG))
    lost = replace(TRIED, job="ef56")

    await box.say(TRIED, lost)
    await box.say(JobClosed(TRIED, NOW, "desk", "done", "", {**BACKTEST, "picture": str(picture)}))
    await box.say(JobClosed(lost, NOW, "desk", "done", "", {**BACKTEST, "picture": str(tmp_path / "gone.png")}))

    heads = await room.drive.messages()
    threads = [await room.drive.messages(thread_ts=head["ts"]) for head in heads]
    files = [[file["title"] for reply in thread for file in reply.get("files") or ()] for thread in threads]
    assert sorted(files) == [[], ["backtest BTC/USD 2024-03-01 2024-03-08"]]


# ------------------------------------------------------------ the command


async def wired(room: Room, jobs: Jobs) -> None:
    object.__setattr__(room.front, "jobs", jobs)


async def test_an_admin_starts_and_cancels_from_slack_and_others_do_not(
    room: Room, desk: FakeDesk, shown: Shown, tmp_path: Path
) -> None:
    jobs = Jobs(desk, shown, command=(sys.executable, "-c", LOOP, str(tmp_path / "end")))
    await wired(room, jobs)

    refused = await room.drive.command("/desk", "backfill kraken BTC/USD", "U_RISK")
    assert "needs the role *admin*" in refused["replies"][0]["text"]
    answer = await room.drive.command("/desk", "backfill kraken BTC/USD 2024-03-01 2024-03-05", "U_ADMIN")
    assert "Started: backfill kraken BTC/USD 2024-03-01 2024-03-05" in answer["replies"][0]["text"]
    again = await room.drive.command("/desk", "backfill kraken", "U_ADMIN")
    assert "is running" in again["replies"][0]["text"]
    assert jobs.running is not None
    made = render_post(room.front.words, "job", card_data(jobs.running.job))
    await room.front.client.chat_postMessage(channel="C0SIGNALS01", text="job", blocks=made.blocks)
    (message,) = await room.drive.messages()
    for user, says in (("U_RISK", "needs the role"), ("U_ADMIN", "Cancelling")):
        pressed = await room.drive.press(message, "job_cancel", user)
        assert says in pressed["replies"][0]["text"]
    (over,) = await until(lambda: ends(desk))
    assert (over.fate, over.by) == ("cancelled", "U_ADMIN")
    late = await room.drive.press(message, "job_cancel", "U_ADMIN")
    assert "over already" in late["replies"][0]["text"]


def card_data(job: str) -> dict[str, Any]:
    opened = replace(OPENED, job=job)
    (post,) = announce(begun(), [opened], FakeDesk().snapshot())
    return dict(post.data)


async def test_what_was_typed_becomes_a_whole_command_line(room: Room) -> None:
    plan = plan_of(room.front, ["ccxt:binance", "btc/usdt,ETH/USDT", "2024-01-01", "2024-02-01"], SOURCES)
    given = dict(zip(plan.arguments[1:], plan.arguments[2:], strict=False))

    assert plan.text == "ccxt:binance BTC/USDT,ETH/USDT 2024-01-01 2024-02-01"
    assert (given["--source"], given["--symbols"]) == ("ccxt:binance", "BTC/USDT,ETH/USDT")
    assert (given["--from"], given["--to"], given["--data-dir"]) == ("2024-01-01", "2024-02-01", "desk")
    whole = plan_of(room.front, ["files:/bars"], SOURCES)
    assert whole.text == "files:/bars"
    assert not {"--symbols", "--from", "--to"} & set(whole.arguments)
    since = plan_of(room.front, ["files:/bars", "BTC/USD", "2024-01-01"], SOURCES)
    assert since.text == "files:/bars BTC/USD 2024-01-01"
    usual = plan_of(room.front, ["kraken"], SOURCES)
    assert ",".join(room.desk.shot.symbols) in usual.arguments
    for words in (["nowhere"], ["kraken", "BTC/USD", "ETH/USD"], ["kraken", "2024-01-01", "2024-01-02", "2024-01-03"]):
        with pytest.raises(ValueError, match=words[0] if len(words) == 1 else words[1]):
            plan_of(room.front, words, SOURCES)


async def test_a_backtest_tries_the_playbook_that_is_in_force(
    room: Room, desk: FakeDesk, shown: Shown, tmp_path: Path
) -> None:
    desk.terms.data = tmp_path / "desk"
    jobs = Jobs(
        desk,
        shown,
        command=(sys.executable, "-c", "import json, sys; print(json.dumps({'result': {'argv': sys.argv}}))"),
    )
    await wired(room, jobs)

    answer = await room.drive.command("/desk", "backtest btc/usd 2024-03-01 2024-03-08", "U_ADMIN")
    wrong = await room.drive.command("/desk", "backtest BTC/USD ETH/USD", "U_ADMIN")

    assert "Started: backtest BTC/USD 2024-03-01 2024-03-08" in answer["replies"][0]["text"]
    assert "I did not understand" in wrong["replies"][0]["text"]
    (over,) = await until(lambda: ends(desk))
    argv = over.result["argv"]
    given = dict(pairwise(argv))
    assert (given["--symbols"], given["--from"], given["--to"]) == ("BTC/USD", "2024-03-01", "2024-03-08")
    assert Path(given["--playbook"]).read_text() == desk.playbook.text
    assert Path(given["--out"]).parent == tmp_path / "desk" / "backtests"
