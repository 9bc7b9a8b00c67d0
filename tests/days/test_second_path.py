"""The second path: a real webhook on this machine hears what is critical, once, and its recovery."""

import logging

import pytest
from aiohttp import web

from bot.checkup import halts
from bot.second_path import SecondPath
from engine.domain import Alarm, Hold, State
from tests.days.desk import NOW
from tests.slack.desk import busy

CRITICAL = Alarm("broker", "critical", "The broker does not answer.", NOW)
WARNING = Alarm("disk", "warning", "2 GB of disk are free.", NOW)


@pytest.fixture
async def webhook():
    heard, status = [], [200]

    async def take(request):
        heard.append((request.method, await request.json() if request.can_read_body else None))
        return web.Response(status=status[0])

    app = web.Application()
    app.router.add_route("*", "/hook/s3cr3tpath", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}/hook/s3cr3tpath", heard, status
    await runner.cleanup()


async def test_what_is_critical_is_sent_once_and_its_recovery_too(webhook):
    url, heard, _ = webhook
    path = SecondPath(webhook_url=url)
    for standing in ([WARNING], [WARNING, CRITICAL], [CRITICAL, WARNING], [WARNING]):
        path.alarms(standing)
        await path.close()
    assert [body["text"] for _, body in heard] == [
        "Nightdesk: CRITICAL: The broker does not answer.",
        "Nightdesk: Recovered: The broker does not answer.",
    ]


async def test_a_halt_is_told_and_its_end(webhook):
    url, heard, _ = webhook
    path = SecondPath(webhook_url=url)
    broken = Hold("FAULT", State.HALTED, "desk", NOW, note="fault E1: a minute could not be judged")
    for holds in ((Hold("PAUSE", State.REDUCING, "U1", NOW),), (broken,), (broken,), ()):
        path.alarms(halts(busy(holds=holds)))
        await path.close()
    said = "HALTED by desk (FAULT): fault E1: a minute could not be judged"
    assert [body["text"] for _, body in heard] == [f"Nightdesk: CRITICAL: {said}", f"Nightdesk: Recovered: {said}"]


async def test_a_posted_report_pings_the_dead_man(webhook):
    url, heard, _ = webhook
    path = SecondPath(dead_man_url=url)
    path.report_posted()
    await path.close()
    assert heard == [("GET", None)]


async def test_a_failure_shows_in_health_and_never_names_the_address(webhook, caplog):
    url, _, status = webhook
    status[0] = 500
    path = SecondPath(webhook_url=url)
    with caplog.at_level(logging.DEBUG):
        path.alarms([CRITICAL])
        await path.close()
    assert path.trouble == "the webhook answered 500"
    assert "s3cr3tpath" not in caplog.text
    status[0] = 200
    path.alarms([])
    await path.close()
    assert path.trouble == ""


async def test_an_unreachable_webhook_raises_nothing():
    path = SecondPath(webhook_url="http://127.0.0.1:1/hook")
    path.alarms([CRITICAL])
    await path.close()
    assert path.trouble.startswith("the webhook cannot be reached")


async def test_without_addresses_nothing_is_sent():
    path = SecondPath()
    path.alarms([CRITICAL])
    path.report_posted()
    await path.close()
    assert path.trouble == ""
