"""What the desk says by itself: outcomes → posts. Pure: no clock, no memory, no Slack.

A post names its subject for ever. Data of an update is laid over the data that the subject already has, so a card can
learn who approved it and what came of the trade. Keys come from what happened: a replay says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from bot import model_news
from bot.wire import dump
from engine.domain import Alarm, Hold, ProposalStatus, State, TradeRecord, micros
from engine.messages import Message
from engine.outcomes import (
    AlarmCleared,
    AlarmRaised,
    AlarmRepeated,
    DeskStarted,
    DeskStopped,
    HoldLifted,
    HoldPlaced,
    JobClosed,
    JobOpened,
    ModelChanged,
    ModelOffered,
    OrderAcked,
    Outcome,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    ProposalChanged,
    ProposalClosed,
    ProposalOpened,
    ReportDue,
    SignalSeen,
)
from engine.records import Post
from engine.snapshot import Snapshot

SIGNALS, REPORTS, ALERTS = "signals", "reports", "alerts"
ALERT, TRADE, REPORT, DIGEST = 0, 1, 2, 3  # priorities: smaller is sooner
FELL_BACK = "fell back from"  # a setting of a start: the feed that could not be reached
PROMOTED_ELSEWHERE = "promoted model of"  # a setting of a start: the playbook whose desk has one
DIGEST_CODES = frozenset({"CARDS_PER_HOUR"})

Announce: TypeAlias = Callable[[Message, Sequence[Outcome], Snapshot], tuple[Post, ...]]


@dataclass(frozen=True, slots=True)
class Terms:
    """When a trade or a day is big news (in quote currency; None: never), and whose midnight ends the day."""

    big_win: float | None = 10.0
    big_loss: float | None = 5.0
    daily_goal: float | None = 20.0
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("America/Los_Angeles"))


@dataclass(frozen=True, slots=True)
class _Scene:
    """What every post of one message shares."""

    at: datetime
    snapshot: Snapshot
    terms: Terms
    by: str = ""  # the person whose message this is

    @property
    def speed(self) -> float:
        """Desk seconds per real second."""
        return float(self.snapshot.settings.get("speed", "1"))

    def post(self, event: str, channel: str, subject: str, template: str, **rest: Any) -> Post:
        data = {"label": self.snapshot.label, **dump(at=self.at, **rest.pop("data", {}))}
        rest.setdefault("op", "post")
        return Post(f"{subject}|{event}|{micros(self.at)}", channel, rest.pop("op"), subject, template, data, **rest)


def announcer(terms: Terms) -> Announce:
    """`announce` on a playbook's own terms."""

    def announce(message: Message, outcomes: Sequence[Outcome], snapshot: Snapshot) -> tuple[Post, ...]:
        scene = _Scene(message.at, snapshot, terms, getattr(message, "by", ""))
        said = (post for outcome in outcomes for post in _said(outcome, scene))
        return (*said, *_digest(outcomes, scene))

    return announce


def announce(message: Message, outcomes: Sequence[Outcome], snapshot: Snapshot) -> tuple[Post, ...]:
    """Everything that one message gives the desk to say, heads before their replies."""
    return announcer(Terms())(message, outcomes, snapshot)


def _said(outcome: Outcome, scene: _Scene) -> Iterable[Post]:
    speak = _SPEAKERS.get(type(outcome))
    return speak(outcome, scene) if speak else ()


# ------------------------------------------------------------ proposals and their trades


def card(proposal_id: str) -> str:
    return f"proposal:{proposal_id}"


def trade(trade_id: str) -> str:
    return f"trade:{trade_id}"


def _opened_card(outcome: ProposalOpened, scene: _Scene) -> Iterator[Post]:
    data = {"proposal": outcome.proposal, "made_at": scene.at, "speed": scene.speed}
    yield scene.post("open", SIGNALS, card(outcome.proposal.id), "proposal", data=data)


def _changed_card(outcome: ProposalChanged, scene: _Scene) -> Iterator[Post]:
    data = {"proposal": outcome.proposal, "why": outcome.why, "numbers": dict(outcome.numbers), "made_at": scene.at}
    data["speed"] = scene.speed
    event = f"r{outcome.proposal.revision}"
    subject = card(outcome.proposal.id)
    yield scene.post(event, SIGNALS, subject, "proposal", op="update", priority=ALERT, data=data)


def _closed_card(outcome: ProposalClosed, scene: _Scene) -> Iterator[Post]:
    proposal, subject = outcome.proposal, card(outcome.proposal.id)
    data = {"proposal": proposal}
    yield scene.post(proposal.status, SIGNALS, subject, "proposal", op="update", priority=ALERT, data=data)
    if proposal.status in (ProposalStatus.APPROVED, ProposalStatus.REJECTED):
        reply = f"decision:{proposal.id}"
        yield scene.post(proposal.status, SIGNALS, reply, "decision", thread=subject, data=data)


def _position_opened(outcome: PositionOpened, scene: _Scene) -> Iterator[Post]:
    position, own = outcome.position, trade(outcome.position.trade_id)
    data: Mapping[str, Any] = {"position": position, "numbers": dict(outcome.numbers)}
    if outcome.proposal is None:
        yield scene.post("open", SIGNALS, own, "opened", data=data)
        return
    head = card(outcome.proposal)
    yield scene.post("open", SIGNALS, own, "opened", thread=head, data=data)
    yield scene.post("filled", SIGNALS, head, "proposal", op="update", data={"position": position})


def _position_changed(outcome: PositionChanged, scene: _Scene) -> Iterator[Post]:
    position, head = outcome.position, trade(outcome.position.trade_id)
    data = {"position": position, "why": outcome.why, "by": scene.by}
    if outcome.why == "trailing":  # one message per trade that follows the stop, not one a minute
        subject = f"stop:{position.trade_id}"
        yield scene.post("move", SIGNALS, subject, "changed", op="update", thread=head, priority=DIGEST, data=data)
    else:
        subject = f"{outcome.why}:{position.trade_id}:{micros(scene.at)}"
        yield scene.post("change", SIGNALS, subject, "changed", thread=head, data=data)


def _position_closed(outcome: PositionClosed, scene: _Scene) -> Iterator[Post]:
    done, own = outcome.trade, trade(outcome.trade.trade_id)
    data = {"trade": done, "day_pnl": outcome.day_pnl}
    yield scene.post("closed", SIGNALS, f"closed:{done.trade_id}", "closed", thread=own, data=data)
    head, template = (own, "opened") if outcome.proposal is None else (card(outcome.proposal), "proposal")
    yield scene.post("result", SIGNALS, head, template, op="update", data={"trade": done})
    yield from _big(done, outcome.day_pnl, scene)


def _big(done: TradeRecord, day_pnl: float, scene: _Scene) -> Iterator[Post]:
    terms = scene.terms
    data = {"trade": done, "day_pnl": day_pnl}
    kind = _size(done.pnl, terms)
    if kind:
        subject = f"{kind}:{done.trade_id}"
        yield scene.post(kind, SIGNALS, subject, "big", mention=True, data={**data, "kind": kind})
    goal = terms.daily_goal
    if goal is not None and day_pnl >= goal > day_pnl - done.pnl:
        subject = f"goal:{scene.at.astimezone(terms.zone).date().isoformat()}"
        post = scene.post(
            "goal", SIGNALS, subject, "big", mention=True, data={**data, "kind": "daily_goal", "goal": goal}
        )
        yield Post(subject, *_rest(post))  # the day is the key: a goal is reached once a day


def _rest(post: Post) -> tuple[Any, ...]:
    return (post.channel, post.op, post.subject, post.template, post.data, post.thread, post.mention, post.priority)


def _size(pnl: float, terms: Terms) -> str | None:
    if terms.big_win is not None and pnl >= terms.big_win:
        return "big_win"
    if terms.big_loss is not None and pnl <= -terms.big_loss:
        return "big_loss"
    return None


# ------------------------------------------------------------ the desk's own state


def _hold_subject(hold: Hold) -> str:
    return f"hold:{hold.code}:{micros(hold.since)}"


def _alerts(hold: Hold) -> bool:
    """Whether a hold is for the alerts channel: all halts, and what only a person can mend and no alarm tells."""
    return hold.level is State.HALTED or (hold.by == "desk" and hold.code not in ("FEED", "DISK"))


def _hold_placed(outcome: HoldPlaced, scene: _Scene) -> Iterator[Post]:
    hold = outcome.hold
    subject, data = _hold_subject(hold), {"hold": hold, "state": str(scene.snapshot.state)}
    yield scene.post("placed", SIGNALS, subject, "hold", priority=ALERT, data=data)
    if _alerts(hold):
        mention = hold.level is State.HALTED
        yield scene.post("halt", ALERTS, f"halt:{subject}", "hold", mention=mention, priority=ALERT, data=data)


def _hold_lifted(outcome: HoldLifted, scene: _Scene) -> Iterator[Post]:
    hold, snapshot = outcome.hold, scene.snapshot
    data = {
        "hold": hold,
        "by": outcome.by,
        "state": str(snapshot.state),
        "left": [item.code for item in snapshot.holds],
    }
    subject = _hold_subject(hold)
    stricter = [item for item in snapshot.holds if item.level.strictness > hold.level.strictness]
    if any(item.code == hold.code for item in stricter):  # it took this one's place, and says so itself
        replaced = {"hold": hold, "lifted_by": outcome.by, "stricter": True}
        yield scene.post("over", SIGNALS, subject, "hold", op="update", priority=ALERT, data=replaced)
        if _alerts(hold):
            yield scene.post("over", ALERTS, f"halt:{subject}", "hold", op="update", priority=ALERT, data=replaced)
        return
    yield scene.post("lifted", SIGNALS, f"lifted:{subject}", "lifted", priority=ALERT, data=data)
    over = {"hold": hold, "lifted_by": outcome.by}
    yield scene.post("over", SIGNALS, subject, "hold", op="update", priority=ALERT, data=over)
    if _alerts(hold):
        yield scene.post("over", ALERTS, f"halt:{subject}", "hold", op="update", priority=ALERT, data=over)


def _started(outcome: DeskStarted, scene: _Scene) -> Iterator[Post]:
    snapshot = scene.snapshot
    data = {
        "state": outcome.state,
        "first": outcome.first,
        "positions": outcome.positions,
        "pending": outcome.pending,
        "equity": outcome.equity,
        "day_pnl": snapshot.day_pnl,
        "playbook": snapshot.playbook,
        "kind": str(snapshot.kind),
        "symbols": list(snapshot.symbols),
        "holds": [hold.code for hold in snapshot.holds],
        "version": snapshot.version,
        "rules": snapshot.rules,
        **_forecasting(snapshot),
        "fell_back": snapshot.settings.get(FELL_BACK, ""),
        "rules_before": snapshot.rules_before if snapshot.rules_since == snapshot.started else "",
    }
    yield scene.post("started", SIGNALS, f"started:{micros(scene.at)}", "started", data=data)


def _forecasting(snapshot: Snapshot) -> dict[str, str]:
    """Which model the desk trades on, and in which version; for a desk without one, whose desk has a promoted one."""
    state = snapshot.models.get(snapshot.model)
    champion = state.champion.version if state and state.champion else ""
    challenger = state.challenger.version if state and state.challenger else ""
    elsewhere = snapshot.settings.get(PROMOTED_ELSEWHERE, "")
    return {"model": snapshot.model, "champion": champion, "challenger": challenger, "elsewhere": elsewhere}


def _stopped(outcome: DeskStopped, scene: _Scene) -> Iterator[Post]:
    data = {"positions": list(outcome.positions), "equity": scene.snapshot.equity}
    yield scene.post("stopped", SIGNALS, f"stopped:{micros(scene.at)}", "stopped", priority=ALERT, data=data)


def _order_refused(outcome: OrderAcked, scene: _Scene) -> Iterator[Post]:
    if outcome.ok:
        return
    data = {"symbol": outcome.symbol, "reason": outcome.reason, "client_id": outcome.client_id}
    yield scene.post("refused", ALERTS, f"order:{outcome.client_id}", "order_refused", priority=ALERT, data=data)


# ------------------------------------------------------------ long work


def job_subject(job: str) -> str:
    return f"job:{job}"


def _job_opened(outcome: JobOpened, scene: _Scene) -> Iterator[Post]:
    said = {"job": outcome.job, "kind": outcome.kind, "text": outcome.text, "by": outcome.by, "fate": "running"}
    data = {**said, "asked_at": outcome.at}
    yield scene.post("opened", SIGNALS, job_subject(outcome.job), "job", priority=REPORT, data=data)


def _job_closed(outcome: JobClosed, scene: _Scene) -> Iterator[Post]:
    said = {"fate": outcome.fate, "ended_by": outcome.by, "sentence": outcome.sentence, "result": outcome.result}
    data = {**said, "took": (outcome.at - outcome.opened.at).total_seconds() / scene.speed}
    head = job_subject(outcome.opened.job)
    yield scene.post("closed", SIGNALS, head, "job", op="update", priority=REPORT, data=data)
    if outcome.result.get("picture"):
        about = outcome.opened.text.partition(";")[0]  # what is noted behind it stands in the message
        shown = {"picture": outcome.result["picture"], "title": f"{outcome.opened.kind} {about}"}
        chart = f"chart:{head}"
        yield scene.post("chart", SIGNALS, chart, "job_chart", thread=head, priority=REPORT, data=shown)


# ------------------------------------------------------------ alarms and reports


def _alarm_post(event: str, alarm: Alarm, scene: _Scene, *, op: str, cleared: bool = False) -> Iterator[Post]:
    if alarm.level != "critical":  # warnings are in /health and on the home tab; the alerts channel is for the critical
        return
    subject = f"alarm:{alarm.key}:{micros(alarm.since)}"
    data = {"alarm": alarm, "cleared": cleared}
    mention = alarm.mention and op == "post"
    yield scene.post(event, ALERTS, subject, "alarm", op=op, mention=mention, priority=ALERT, data=data)


def _raised(outcome: AlarmRaised, scene: _Scene) -> Iterator[Post]:
    yield from _alarm_post("raised", outcome.alarm, scene, op="post")


def _repeated(outcome: AlarmRepeated, scene: _Scene) -> Iterator[Post]:
    yield from _alarm_post("again", outcome.alarm, scene, op="post" if outcome.escalated else "update")


def _cleared(outcome: AlarmCleared, scene: _Scene) -> Iterator[Post]:
    yield from _alarm_post("cleared", outcome.alarm, scene, op="update", cleared=True)


def _report(outcome: ReportDue, scene: _Scene) -> Iterator[Post]:
    subject = f"report:{outcome.slot}"
    data = {
        "report": outcome.report,
        "slot": outcome.slot,
        "late": outcome.late,
        "covers_from": outcome.covers_from,
        "covers_to": outcome.covers_to,
    }
    post = scene.post("due", REPORTS, subject, "report", priority=REPORT, data=data)
    yield Post(subject, *_rest(post))  # the slot is the key: a report is posted once, whatever happens
    chart = scene.post(
        "chart", REPORTS, f"chart:{outcome.slot}", "report_chart", thread=subject, priority=REPORT, data=data
    )
    yield Post(f"chart:{outcome.slot}", *_rest(chart))


def _digest(outcomes: Sequence[Outcome], scene: _Scene) -> Iterator[Post]:
    """One line an hour for signals that found no room on a card; it grows with each."""
    if not any(isinstance(item, SignalSeen) and _uncarded(item) for item in outcomes):
        return
    hour = scene.at.replace(minute=0, second=0, microsecond=0)
    since = [seen for seen in scene.snapshot.signals if _uncarded(seen) and seen.signal.at >= hour]
    symbols = list(dict.fromkeys(seen.signal.symbol for seen in since))
    subject = f"digest:{hour:%Y-%m-%dT%H}"
    data = {"count": len(since), "symbols": symbols}
    yield scene.post("more", SIGNALS, subject, "digest", op="update", priority=DIGEST, data=data)


def _uncarded(seen: SignalSeen) -> bool:
    return seen.refusal is not None and seen.refusal.code in DIGEST_CODES


_SPEAKERS: dict[type, Callable[[Any, _Scene], Iterable[Post]]] = {
    ProposalOpened: _opened_card,
    ProposalChanged: _changed_card,
    ProposalClosed: _closed_card,
    PositionOpened: _position_opened,
    PositionChanged: _position_changed,
    PositionClosed: _position_closed,
    HoldPlaced: _hold_placed,
    HoldLifted: _hold_lifted,
    DeskStarted: _started,
    DeskStopped: _stopped,
    OrderAcked: _order_refused,
    AlarmRaised: _raised,
    AlarmRepeated: _repeated,
    AlarmCleared: _cleared,
    ReportDue: _report,
    JobOpened: _job_opened,
    JobClosed: _job_closed,
    ModelOffered: model_news.offered,
    ModelChanged: model_news.changed,
}
