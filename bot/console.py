"""The desk's local socket: what `nightdesk status | pause | resume | panic | close` speak to, as actor `console`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bot.render import money, percent
from engine import Desk
from engine.domain import Hold, MarketKind, Position, Refusal, Role, Symbol
from engine.messages import Analysis, ClosePosition, Message, Minute, Panic, Pause, Resume, Slice
from engine.outcomes import HoldLifted, HoldPlaced, Refused
from engine.records import Record
from engine.snapshot import Snapshot

log = logging.getLogger(__name__)

ACTOR = "console"
ANSWER_WITHIN = 10.0
MAX_LINE = 64_000
TIMED = (Minute, Slice, Analysis)
PERSONS = ("PAUSE", "PANIC")  # the holds that people place, and `resume` without a code lifts


class Unconfirmed(Exception):
    """What was asked for needs a person's word first; the sentence says for what."""


def status_lines(snapshot: Snapshot, feed: str) -> list[str]:
    """The desk in a few lines of text."""
    label = f" [{snapshot.label}]" if snapshot.label else ""
    own = "" if snapshot.kind is MarketKind.LIVE else f" of desk time, {_pace(snapshot)}"
    return [
        f"{snapshot.playbook} on a {snapshot.kind} market{label}: {snapshot.state}",
        f"as of {snapshot.at:%Y-%m-%d %H:%M:%S} UTC{own}, up since {snapshot.started:%Y-%m-%d %H:%M} UTC",
        f"equity {money(snapshot.equity)} (today {money(snapshot.day_pnl, signed=True)}), cash {money(snapshot.cash)}, "
        f"drawdown {percent(snapshot.drawdown)}",
        f"{len(snapshot.positions)} open, {len(snapshot.proposals)} pending, {len(snapshot.trades)} closed",
        f"feed: {feed}",
        f"ledger: {snapshot.seq} rows, head {snapshot.head[:12]}",
        *(_hold_line(hold) for hold in snapshot.holds),
        *(_position_line(position) for position in snapshot.positions),
    ]


def _pace(snapshot: Snapshot) -> str:
    speed = float(snapshot.settings.get("speed", "1"))
    return "as fast as yours" if speed == 1 else f"{speed:g}× as fast as yours"


def _hold_line(hold: Hold) -> str:
    return f"hold {hold.code} ({hold.level}) by {hold.by} since {hold.since:%Y-%m-%d %H:%M} UTC: {hold.note}"


def _position_line(position: Position) -> str:
    result = f"{money(position.pnl, signed=True)} ({percent(position.pnl_pct, signed=True)})"
    return (
        f"{position.symbol} {position.side} {position.quantity:g} from {position.entry_price:g}, "
        f"mark {position.mark:g}, {result}"
    )


def numbers(desk: Desk) -> dict[str, Any]:
    """How the desk keeps up, for machines: seconds to the durable record by kind of message, the database, the feed."""
    latencies = {kind.__name__: desk.latency(kind.__name__) for kind in TIMED}
    database, feed, ticks = desk.storage.status(), desk.feed_status(), desk.storage.tick_status()
    return {
        "latency_s": {name: found._asdict() for name, found in latencies.items() if found is not None},
        "inbox_waiting": desk.waiting(),
        "database": None if database is None else {"lag_rows": database.lag_rows, "p99_ms": database.p99_ms},
        "feed": {"prints": feed.prints, "late": feed.late_prints, "gaps": feed.gaps, "reconnects": feed.reconnects},
        "ticks": None if ticks is None else asdict(ticks),
    }


def answer_lines(record: Record) -> list[str]:
    """What a command came to, refusals first."""
    refusals: list[Refusal] = [o.refusal for o in record.outcomes if isinstance(o, Refused)]
    if refusals:
        return [f"refused ({refusal.code}): {refusal.sentence}" for refusal in refusals]
    lines = [f"hold {o.hold.code} placed: {o.hold.level}" for o in record.outcomes if isinstance(o, HoldPlaced)]
    lines += [f"hold {o.hold.code} lifted" for o in record.outcomes if isinstance(o, HoldLifted)]
    return [*lines, f"recorded as row {record.seq}"]


class Console:
    """Serves one JSON request a line on a Unix socket that only this user can reach."""

    def __init__(self, desk: Desk, path: Path) -> None:
        self.desk = desk
        self.path = path
        self._server: asyncio.Server | None = None
        self._commands: dict[str, Callable[[Mapping[str, Any]], Awaitable[list[str]]]] = {
            "status": self._status,
            "pause": lambda q: self._ask(Pause(self._now(), ACTOR, Role.ADMIN, str(q.get("reason", "")))),
            "resume": self._resume,
            "panic": lambda q: self._ask(Panic(self._now(), ACTOR, Role.ADMIN, str(q.get("reason", "")))),
            "close": self._close,
        }

    async def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, path=self.path, limit=MAX_LINE)
        self.path.chmod(0o600)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError):  # whoever asked has gone
                writer.write(json.dumps(await self._heard(reader)).encode() + b"\n")
                await writer.drain()
        finally:
            writer.close()

    async def _heard(self, reader: asyncio.StreamReader) -> dict[str, Any]:
        try:
            line = await asyncio.wait_for(reader.readline(), ANSWER_WITHIN)
        except TimeoutError:
            return _no(f"no request came within {ANSWER_WITHIN:.0f} s")
        except ValueError:
            return _no(f"a request is one line of at most {MAX_LINE} bytes")
        return await self._answer(line)

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            query = json.loads(line)
            command = self._commands[query["command"]]
        except (ValueError, KeyError, TypeError):
            return _no(f"request {line[:80]!r} is none of {', '.join(self._commands)}")
        try:
            lines = await command(query)
        except TimeoutError:
            return _no(f"the desk did not answer within {ANSWER_WITHIN:.0f} s; `nightdesk status` shows what it did")
        except Unconfirmed as why:
            return {**_no(f"refused (NOT_CONFIRMED): {why}"), "confirm": query["command"].upper()}
        except Exception as error:  # whatever broke, the client gets a sentence and the log the rest
            log.exception("the console's %s failed", query["command"])
            return _no(f"{query['command']} failed ({type(error).__name__}: {error}); the desk's log has the details")
        answer = {"ok": not any(text.startswith("refused") for text in lines), "lines": lines}
        return {**answer, "numbers": numbers(self.desk)} if command == self._status else answer

    async def _status(self, _query: Mapping[str, Any]) -> list[str]:
        feed = self.desk.feed_status()
        return status_lines(self.desk.snapshot(), f"{feed.name} {'up' if feed.up else 'down'}: {feed.detail}")

    async def _resume(self, query: Mapping[str, Any]) -> list[str]:
        """Lift the hold that is named, else what people placed: a pause, and a panic once that is confirmed."""
        held = {hold.code for hold in self.desk.snapshot().holds}
        codes: list[str | None] = [query["code"]] if query.get("code") else [*(one for one in PERSONS if one in held)]
        if "PANIC" in codes and "PANIC" in held and not query.get("confirmed"):
            raise Unconfirmed("this lifts the panic, and the desk may buy again")
        answers = [await self._ask(Resume(self._now(), ACTOR, Role.ADMIN, code)) for code in codes or [None]]
        return [*(line for lines in answers for line in lines), f"state is {self.desk.snapshot().state}"]

    async def _close(self, query: Mapping[str, Any]) -> list[str]:
        meant = _meant(str(query.get("symbol", "")), self.desk.snapshot())
        if len(meant) != 1:
            asked = query.get("symbol")
            why = f"{asked!r} means {' or '.join(meant)}; name one" if meant else f"no open position in {asked!r}"
            return [f"refused (UNKNOWN_SYMBOL): {why}"]
        fraction = float(query.get("fraction", 1.0))
        return await self._ask(ClosePosition(self._now(), ACTOR, Role.ADMIN, meant[0], fraction=fraction))

    async def _ask(self, message: Message) -> list[str]:
        record = await asyncio.wait_for(asyncio.wrap_future(self.desk.submit(message)), ANSWER_WITHIN)
        return answer_lines(record)

    def _now(self) -> Any:
        return self.desk.clock.now()


def _no(sentence: str) -> dict[str, Any]:
    return {"ok": False, "lines": [sentence]}


def _meant(text: str, snapshot: Snapshot) -> list[Symbol]:
    """The held symbols that a person may mean: one, none, or several (`BTC` of BTC/USD and BTC/EUR)."""
    wanted = text.upper().replace("-", "/")
    held = dict.fromkeys(position.symbol for position in snapshot.positions)
    return [symbol for symbol in held if wanted in {symbol, symbol.split("/")[0], symbol.replace("/", "")}]
