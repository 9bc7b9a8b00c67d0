"""Slack misbehaves in every way the sandbox knows while the desk runs: each post arrives once, in order, afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine import feed_named
from engine.clock import ScaledClock, SystemClock
from engine.domain import MarketKind, Role
from engine.messages import Pause, Resume
from tests.e2e.desk import Driver
from tests.e2e.house import HouseThread

FAULTS = ("slack_down", "rate_limit", "lost_response", "invalid_blocks", "refresh", "half_open", "stale_ticket")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseThread]:
    clock = ScaledClock(SystemClock().now(), 60)
    feed = feed_named("simulated", clock=clock)
    with HouseThread(tmp_path_factory.mktemp("away") / "desk", feed, MarketKind.SIMULATED) as house:
        house.wait(house.messages, 15, "greeting")
        yield house


def say_something(desk: HouseThread, what: str) -> None:
    """A pause and its end: a new message, and an edit of it."""
    engine = desk.house.desk
    engine.submit(Pause(engine.clock.now(), "console", Role.ADMIN, what)).result(10)
    engine.submit(Resume(engine.clock.now(), "console", Role.ADMIN)).result(10)


def heads(desk: Driver) -> list[str]:
    """Ids of the channel's posts about holds, in the order in which they stand there."""
    found = [((m.get("metadata") or {}).get("event_payload") or {}).get("id") for m in desk.messages()]
    return [post for post in found if post in meant(desk)]


def meant(desk: Driver) -> list[str]:
    """Ids of the posts about holds that the ledger holds, in its order."""
    posts = [post for row in desk.rows() for post in row["posts"]]
    return [p["key"] for p in posts if p["template"] == "hold" and p["op"] == "post" and p["channel"] == "signals"]


@pytest.mark.parametrize("fault", FAULTS)
def test_every_post_arrives_once_and_in_order(desk, fault: str) -> None:
    rows = len(desk.rows())
    desk.fault(fault, 2)
    say_something(desk, fault)
    say_something(desk, f"{fault} again")
    assert len(desk.rows()) >= rows + 4, "the desk goes on"
    desk.wait(lambda: len(heads(desk)) >= len(meant(desk)), 30, "delivery of everything")
    assert heads(desk) == meant(desk)
    desk.wait(lambda: "open position" in desk.run("/positions").lower(), 30, "answer")
