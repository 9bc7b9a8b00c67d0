"""The App Home tab: the desk at a glance, with the buttons that this person may press."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError

from bot.access import reason
from bot.blocks import Block, Rendered, actions, assemble, button, confirm, divider, header, note, section
from bot.cards import base, labelled, proposal_buttons
from bot.commands.safety import hold_card
from bot.commands.state import position_card
from bot.front import Front
from bot.ids import ActionId
from bot.slack_limits import VIEW_BLOCKS, fit_blocks
from engine import clock
from engine.domain import Proposal, Role

log = logging.getLogger(__name__)

LOOK_EVERY = 2.0  # seconds
CALM = 30.0  # seconds between refreshes when only numbers moved
SHOWN = 8  # positions, and proposals, on the tab
VIEW_TOTAL = 24_000


def home_view(front: Front, user: str, role: Role) -> dict[str, Any]:
    """The tab of one person. Who has no role sees how to get one, and nothing else."""
    if role.rank < Role.VIEWER.rank:
        unclaimed = front.claim is not None and not front.access.has_admin()
        stranger = assemble(front.words.parts("home_stranger", {"user": user, "unclaimed": unclaimed}))
        return _view(labelled(stranger, front.snapshot().label).blocks)
    return _view(labelled(Rendered("home", _blocks(front, role)), front.snapshot().label).blocks)


def _view(blocks: list[Block]) -> dict[str, Any]:
    return {"type": "home", "blocks": fit_blocks(blocks, VIEW_BLOCKS, VIEW_TOTAL)}


def _blocks(front: Front, role: Role) -> list[Block]:
    snapshot = front.snapshot()
    feed = front.desk.feed_status()
    blocks = assemble(front.words.parts("home", {"snapshot": snapshot, "feed": feed})).blocks
    if row := _controls(role, bool(snapshot.holds)):
        blocks.append(actions(*row))
    for hold in snapshot.holds:
        blocks += _for_role(hold_card(front, hold).blocks, role, Role.RISK)
    blocks += [divider(), header(f"Pending proposals: {len(snapshot.proposals)}")]
    for proposal in snapshot.proposals[:SHOWN]:
        blocks += _proposal(front, proposal, role)
    blocks += [divider(), header(f"Open positions: {len(snapshot.positions)}")]
    for position in snapshot.positions[:SHOWN]:
        blocks += _for_role(position_card(front, position).blocks, role, Role.TRADER)
    blocks += [divider(), header("Health"), section(_health(front))]
    return [*blocks, note(front.words.line("home_rows", "footer", snapshot=snapshot, role=str(role)))]


def _proposal(front: Front, proposal: Proposal, role: Role) -> list[Block]:
    data = {"proposal": proposal, "base": base(proposal.symbol)}
    blocks = assemble(front.words.parts("home_proposal", data)).blocks
    return _for_role([*blocks, actions(*proposal_buttons(proposal))], role, Role.TRADER)


def _for_role(blocks: list[Block], role: Role, need: Role) -> list[Block]:
    """Without the buttons that this person may not press; Why stays for everyone who reads."""
    if role.rank >= need.rank:
        return blocks
    reads = {ActionId.PROPOSAL_WHY, ActionId.POSITION_WHY}
    kept = []
    for block in blocks:
        if block["type"] != "actions":
            kept.append(block)
        elif left := [item for item in block["elements"] if item["action_id"] in reads]:
            kept.append({**block, "elements": left})
    return kept


def _controls(role: Role, held: bool) -> list[Block]:
    row: list[Block] = []
    if role.rank >= Role.TRADER.rank:
        row.append(button("Pause", ActionId.HOME_PAUSE, "home"))
    if role.rank >= Role.RISK.rank:
        if held:
            asked = confirm(
                "Allow new entries?", "Lifts the pause. A panic asks once more.", "Resume", "No", danger=False
            )
            row.append(button("Resume", ActionId.HOME_RESUME, "home", confirm=asked))
        row.append(button("Panic", ActionId.HOME_PANIC, "home", style="danger"))
    return [*row, button("Refresh", ActionId.HOME_REFRESH, "home")]


def _health(front: Front) -> str:
    bad = {item.name: item for item in front.desk.health() if str(item.status) != "ok"}
    told = [
        replace(alarm, sentence=bad.pop(alarm.key).sentence) if alarm.key in bad else alarm
        for alarm in front.snapshot().alarms
    ]  # an alarm keeps the number that raised it; here stands the one of now
    return front.words.line("home_rows", "health", bad=list(bad.values()), alarms=told)


# ------------------------------------------------------------ publishing


@dataclass(slots=True)
class _Open:
    """One person's tab as it was last published."""

    shown: str = ""
    key: tuple[object, ...] = ()
    at: float = -CALM
    hash: str | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class HomeTabs:
    """Publishes the tabs of everybody who has opened theirs, when something on them changes."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._open: dict[str, _Open] = {}

    async def opened(self, user: str) -> None:
        """Somebody looks: show them the desk of this moment."""
        await self._publish(user, self._open.setdefault(user, _Open()))

    async def watch(self) -> None:
        """Refresh until cancelled: at once when something happened, calmly when only numbers moved."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self._refresh()
            except Exception:  # a bug must not freeze every tab: it is logged and tried again
                log.exception("the home tabs could not be refreshed")

    async def _refresh(self) -> None:
        key = self._key()
        for user, tab in list(self._open.items()):
            if key != tab.key or clock.monotonic() - tab.at > CALM:
                await self._publish(user, tab)

    def _key(self) -> tuple[object, ...]:
        snapshot = self._front.snapshot()
        return (
            snapshot.state,
            tuple(hold.code for hold in snapshot.holds),
            tuple((item.id, item.revision) for item in snapshot.proposals),
            tuple((item.trade_id, item.quantity, item.stop) for item in snapshot.positions),
            tuple(alarm.key for alarm in snapshot.alarms),
            len(snapshot.roles),
        )

    async def _publish(self, user: str, tab: _Open) -> None:
        async with tab.lock:
            tab.key, tab.at = self._key(), clock.monotonic()
            view = home_view(self._front, user, await self._front.access.role_of(user))
            shown = json.dumps(view, sort_keys=True)
            if shown == tab.shown:
                return
            try:
                tab.hash = await self._send(user, view, tab.hash)
                tab.shown = shown
            except (SlackApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("the home tab of %s could not be published: %s", user, reason(error))

    async def _send(self, user: str, view: dict[str, Any], known: str | None) -> str | None:
        """Publish over the version that we know; when another publish was faster, ours is newer and wins."""
        client = self._front.client
        try:
            answer = await client.views_publish(user_id=user, view=view, **({"hash": known} if known else {}))
        except SlackApiError as error:
            if reason(error) != "hash_conflict":
                raise
            answer = await client.views_publish(user_id=user, view=view)
        return (answer.get("view") or {}).get("hash")
