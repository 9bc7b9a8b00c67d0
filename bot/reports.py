"""The reports: what the night, the day or the week came to, and whether the desk beats chance after costs.

A report is put together when it is delivered: the window's figures are those of the slot, positions and limits are as
of the snapshot, whose sequence and hash end the report as an anchor for `nightdesk verify --anchor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from bot.annals import Annals, Recorded
from bot.blocks import Block, Rendered, facts, header, note, section
from bot.cards import REASONS, base, labelled
from bot.charts import Drawing, alt_text, equity_drawing
from bot.render import Words, figure, money, percent, ratio
from bot.slack_limits import fit
from engine import LiveRecord, curve, health, live_record, performance, slots, verdict
from engine.domain import LimitUse, Proposal, Side
from engine.snapshot import Snapshot

TRADES_SHOWN, ROWS_SHOWN = 12, 8
_SECTIONS = ("trades", "positions", "groups", "pending", "vetoes", "limits", "health", "verdict")
_NAMES = {"morning": "Night", "evening": "Day", "week": "Week", "daily": "Last 24 hours", "weekly": "Last 7 days"}
_SPANS = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
_ANSWERS = {
    verdict.Phase.PROCEED: "Yes",
    verdict.Phase.OPTIMISE: "Not yet",
    verdict.Phase.PIVOT: "No",
    verdict.Phase.NOT_PROVEN: "Not proven yet",
}


class ReportDesk(Recorded, Protocol):
    """What a report asks of the desk."""

    def snapshot(self) -> Snapshot: ...

    def health(self) -> tuple[health.Reading, ...]: ...


@dataclass(frozen=True, slots=True)
class Window:
    """What a report is about. `slot` is "" for one that was asked for."""

    report: str
    slot: str
    covers_from: datetime
    covers_to: datetime
    late: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """A report as Slack takes it, the picture to draw for it, and that picture in words."""

    words: Rendered
    drawing: Drawing
    alt: str


@dataclass(frozen=True, slots=True)
class Veto:
    """A proposal that nobody approved, and what it would have come to by the last closed minute."""

    proposal: Proposal
    would_be: float | None  # None: no price is known


@dataclass(slots=True)
class Reporter:
    """Puts reports together. Reads the ledger, so call it from a worker thread.

    `written` gives the share of the ledger's rows that the database has, or None.
    """

    desk: ReportDesk
    words: Words
    annals: Annals = field(default_factory=Annals)
    written: Callable[[], float | None] = lambda: None

    def now(self, name: str) -> Report:
        """The `daily` or `weekly` report of the time up to now."""
        at = self.desk.snapshot().at
        return self.of(Window(name, "", at - _SPANS[name], at))

    def due(self, data: Mapping[str, Any]) -> Report:
        """The report of a slot from its post's data (`report`, `slot`, `covers_from`, `covers_to`, `late`)."""
        return self.of(Window(*(data[name] for name in ("report", "slot", "covers_from", "covers_to", "late"))))

    def of(self, window: Window) -> Report:
        """The report of any window."""
        self.annals.read(self.desk)
        snapshot = self.desk.snapshot()
        ran = replace(self.annals.operations(), database_writes=self.written())
        told = content(window, snapshot, self.annals, ran, self.desk.health(), self.words)
        points = curve.between(snapshot.equity_curve, window.covers_from, window.covers_to)
        held = curve.between(snapshot.benchmark, window.covers_from, window.covers_to)
        drawing = equity_drawing(points, held, told["headline"], told["span"], snapshot.label, self.words.zone)
        made = labelled(laid_out(self.words.parts("report", told)), snapshot.label)
        return Report(fit(made), drawing, alt_text(points, held, snapshot.label))


def laid_out(parts: Mapping[str, str]) -> Rendered:
    """Headline first, then the sections, the anchor last."""
    blocks: list[Block] = [header(parts["title"]), section(parts["body"])]
    blocks += facts(parts["facts"].splitlines())
    blocks += [section(parts[name]) for name in _SECTIONS if name in parts]
    return Rendered(parts["text"], [*blocks, note(parts["note"])])


def content(
    window: Window,
    snapshot: Snapshot,
    annals: Annals,
    ran: verdict.Operations,
    readings: Sequence[health.Reading],
    words: Words,
) -> dict[str, Any]:
    """Everything that the template `report` may say."""
    measured = _measured(snapshot, window.covers_from, window.covers_to)
    whole = _measured(snapshot, _beginning(snapshot), snapshot.at)
    closed = [trade for trade in snapshot.trades if window.covers_from < trade.exit_time <= window.covers_to]
    forecasts = _live(snapshot)
    judged = verdict.judge(whole, _accuracy(forecasts), ran)
    vetoes = list(_vetoes(annals.vetoed, snapshot, window))
    return {
        "label": snapshot.label,
        "name": _NAMES[window.report],
        "late": window.late,
        "skipped": skipped(window, annals, words),
        "headline": headline(_NAMES[window.report], measured),
        "span": f"{words.moment(window.covers_from)} to {words.moment(window.covers_to)}",
        "measured": measured,
        "ratios": whole.ratios,
        "since_rules": _measured(snapshot, snapshot.rules_since, snapshot.at) if snapshot.rules_since else None,
        "total": measured.total,
        "forecasts": forecasts,
        "trades": closed[-TRADES_SHOWN:],
        "more_trades": max(0, len(closed) - TRADES_SHOWN),
        "reasons": REASONS,
        "snapshot": snapshot,
        "rows": ROWS_SHOWN,
        "vetoes": vetoes,
        "veto_sum": sum(veto.would_be or 0.0 for veto in vetoes),
        "bad": [reading for reading in readings if reading.status != health.OK],
        "checks": len(readings),
        "quality": ran.data_quality,
        "gaps": next((reading.value for reading in readings if reading.name == "gaps"), None),
        "limits": [_limit(use) for use in snapshot.limits],
        "verdict": judged,
        "answer": _ANSWERS[judged.phase],
        "criteria": [(one.met, criterion_row(one)) for one in (*judged.deciding, *judged.beside)],
        "base": base,
        "anchor": f"{snapshot.seq}:{snapshot.head[:12]}",
    }


def _live(snapshot: Snapshot) -> LiveRecord | None:
    """How the settled forecasts of the champion did; None without a champion or before the first is settled."""
    state = snapshot.models.get(snapshot.model)
    return live_record(state.live.get(state.champion.version, ())) if state and state.champion else None


def _accuracy(hits: LiveRecord | None) -> verdict.Accuracy | None:
    return verdict.Accuracy(hits.rate.hits, hits.rate.n, hits.interval) if hits else None


def headline(name: str, measured: performance.Performance) -> str:
    """`Day: made +$12.30 (+1.23 %)`: what the window did to the equity, open positions included."""
    change = measured.equity_pnl
    if change is None:
        return f"{name}: no minute has closed yet"
    if round(change, 2) == 0:
        return f"{name}: no change"
    did = "made" if change > 0 else "lost"
    return f"{name}: {did} {money(abs(change))} ({percent(measured.equity_return, signed=True)})"


def skipped(window: Window, annals: Annals, words: Words) -> list[str]:
    """The earlier reports of this kind that never came, by local date."""
    last = annals.before(window.report, window.covers_to) if window.slot else None
    if last is None:
        return []
    between = slots.slots(last.covers_to, window.covers_to, words.zone)
    return [slot.local_date.isoformat() for slot in between if slot.report == window.report and slot.key != window.slot]


def would_have_made(proposal: Proposal, close: float) -> float:
    """P&L of a proposal held from its card's price to `close`, less the round trip on the card; no stop, no target."""
    sign = 1 if proposal.side is Side.LONG else -1
    return proposal.quantity * (close - proposal.price) * sign - 2 * (proposal.fees + proposal.slippage)


def _limit(use: LimitUse) -> str:
    """`positions 5 of 5 (100 %): 0 open, 5 reserved by cards …`: a slot is used before anything is open."""
    row = limit_row(use.name, use.used, use.limit, use.unit)
    return f"{row}: {use.sentence}" if use.name == "positions" and use.used else row


def limit_row(name: str, used: float, limit: float, unit: str) -> str:
    """`max positions 2 of 5 (40 %)`."""
    share = f" ({percent(used / limit, digits=0)})" if limit and limit != 1 else ""
    return f"{name.replace('_', ' ')} {_shown(used, unit)} of {_shown(limit, unit)}{share}"


def criterion_row(one: verdict.Criterion) -> str:
    """`win rate 54 % (above 50 %)`."""
    value = "" if one.value is None else f" {_shown(one.value, one.unit)}"
    side = "at least" if one.unit == "count" else "above" if one.above else "below"
    return f"{one.name}{value} ({side} {_shown(one.limit, one.unit)})"


def _shown(value: float, unit: str) -> str:
    if unit == "USD":
        return money(value)
    if unit == "ratio":
        return ratio(value)
    if unit != "fraction":
        return figure(value)
    return percent(value, digits=0 if round(value * 100, 2) % 1 == 0 else 2)


def _vetoes(vetoed: Iterable[Proposal], snapshot: Snapshot, window: Window) -> Iterable[Veto]:
    for proposal in vetoed:
        if proposal.decided_at and window.covers_from < proposal.decided_at <= window.covers_to:
            close = snapshot.closes.get(proposal.symbol)
            yield Veto(proposal, would_have_made(proposal, close[1]) if close else None)


def _beginning(snapshot: Snapshot) -> datetime:
    firsts = [point.at for point in snapshot.equity_curve[:1]]
    return min([*firsts, *(trade.entry_time for trade in snapshot.trades[:1]), snapshot.started]) - timedelta(minutes=1)


def _measured(snapshot: Snapshot, start: datetime, end: datetime) -> performance.Performance:
    held = [position.entry_time for position in snapshot.positions]
    return performance.measure(snapshot.trades, snapshot.equity_curve, start, end, snapshot.benchmark, held)
