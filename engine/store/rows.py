"""A ledger record as the rows it leaves in the database: pure, and the same however often it is asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple, TypeAlias

from engine import messages as m
from engine import outcomes as o
from engine import records as r
from engine.domain import Alarm, Hold, MarketKind, Position, Proposal, Refusal
from engine.store import model_rows

Values: TypeAlias = dict[str, Any]


class Row(NamedTuple):
    """Some columns of one row. Its key decides which; columns that are not named keep what they have."""

    table: str
    values: Values


class Origin(NamedTuple):
    """Where in the ledger a row comes from."""

    seq: int
    item: int
    at: datetime


def market_of(born: m.Born) -> str:
    """The world a desk's bars belong to: see `tables`."""
    return "live" if born.kind is MarketKind.LIVE else f"{born.kind.value}:{born.desk_id}"


def rows_of(record: r.Record) -> Iterator[Row]:
    """The rows of one record, in order, without `desk_id`. Bars: see `bars`."""
    if isinstance(record.message, m.Born):
        yield _desk(record.message)
    if isinstance(record.message, m.Attempted):
        tried = record.message
        what = o.Audited(tried.by, tried.what, tried.allowed, tried.detail)
        if what not in record.outcomes:
            yield from _audited(what, Origin(record.seq, len(record.outcomes), record.at))
    if isinstance(record.message, m.Analysis):
        yield from _forecasts(record.message)
    for item, outcome in enumerate(record.outcomes):
        writer = _WRITERS.get(type(outcome))
        if writer is not None:
            yield from writer(outcome, Origin(record.seq, item, record.at))
    for post in record.posts:
        yield _post(post, record)


def plain(value: Any) -> Any:
    """A value that JSON in a database can hold: no NaN, no infinity, no text that is not text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return clean_text(value) if isinstance(value, str) else value


def plain_row(values: Values) -> Values:
    """The row with its JSON parts as `plain` gives them; times stay times."""
    return {
        name: plain(value) if isinstance(value, Mapping | list | tuple) else value for name, value in values.items()
    }


def clean_text(text: str) -> str:
    """PostgreSQL refuses NUL and lone surrogates, which people and programs can send."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def _desk(born: m.Born) -> Row:
    values = {"kind": born.kind.value, "playbook": born.playbook, "label": born.label, "born": born.at}
    return Row("desks", values | {"market": market_of(born)})


def _post(post: r.Post, record: r.Record) -> Row:
    values = {
        name: getattr(post, name) for name in ("key", "channel", "op", "subject", "template", "thread", "priority")
    }
    return Row("outbox", values | {"seq": record.seq, "time": record.at, "content": plain(post.data)})


def _audited(done: o.Audited, origin: Origin) -> Iterator[Row]:
    values = {"actor": done.by, "what": done.what, "allowed": done.allowed, "detail": done.detail}
    yield Row("audit", {"seq": origin.seq, "item": origin.item, "time": origin.at} | values)


def _job_opened(outcome: o.JobOpened, origin: Origin) -> Iterator[Row]:
    yield from _audited(o.Audited(outcome.by, f"started {outcome.kind}", True, outcome.text), origin)


def _job_closed(outcome: o.JobClosed, origin: Origin) -> Iterator[Row]:
    detail = " ".join(part for part in (outcome.opened.text, outcome.sentence) if part)
    yield from _audited(o.Audited(outcome.by, f"{outcome.opened.kind} {outcome.fate}", True, detail), origin)


def _proposal(outcome: o.ProposalOpened | o.ProposalChanged | o.ProposalClosed, _: Origin) -> Iterator[Row]:
    it: Proposal = outcome.proposal
    same = ("revision", "strategy", "symbol", "quantity", "price", "notional", "stop", "target", "confidence")
    more = ("worst_loss", "fees", "slippage", "exposure_before", "exposure_after", "opened", "expires", "decided_at")
    values = {name: getattr(it, name) for name in (*same, *more, "decided_by", "decided_why")}
    words = {"side": it.side.value, "status": it.status.value, "trailing_stop": it.trailing}
    yield Row("proposals", {"proposal_id": it.id} | values | words | {"reasons": plain(it.reasons)})


def _signal(outcome: o.SignalSeen, origin: Origin) -> Iterator[Row]:
    it, refusal = outcome.signal, outcome.refusal
    values = {name: getattr(it, name) for name in ("strategy", "symbol", "action", "price", "confidence")}
    told = {"fate": outcome.fate, "code": refusal.code if refusal else None}
    sentence = refusal.sentence if refusal else it.reason
    numbers = dict(it.numbers) | (dict(refusal.numbers) if refusal else {})
    place = {"seq": origin.seq, "item": origin.item, "time": it.at, "side": it.side.value}
    yield Row("signals", place | values | told | {"sentence": sentence, "numbers": plain(numbers)})


def _refused(outcome: o.Refused, origin: Origin) -> Iterator[Row]:
    it: Refusal = outcome.refusal
    values = {"time": it.at, "strategy": it.strategy, "symbol": it.symbol, "fate": "refused", "code": it.code}
    told = {"sentence": it.sentence, "numbers": plain(it.numbers)}
    yield Row("signals", {"seq": origin.seq, "item": origin.item} | values | told)


def _intended(outcome: o.OrderIntended, _: Origin) -> Iterator[Row]:
    it = outcome.order
    values = {name: getattr(it, name) for name in ("client_id", "trade_id", "strategy", "symbol", "action", "kind")}
    size = {"purpose": it.purpose, "quantity": it.quantity, "limit_price": it.limit, "intended_at": it.at}
    consent = {"proposal_id": it.consent.proposal, "consent_by": it.consent.by} if it.consent else {}
    yield Row("orders", values | size | {"proposal_id": None, "consent_by": None} | consent | {"status": "intended"})


def _acked(outcome: o.OrderAcked, origin: Origin) -> Iterator[Row]:
    status = "accepted" if outcome.ok else "refused"
    values = {"client_id": outcome.client_id, "symbol": outcome.symbol, "status": status, "reason": outcome.reason}
    yield Row("orders", values | {"validated": outcome.validated, "acked_at": origin.at})


def _cancelled(outcome: o.OrderCancelled, origin: Origin) -> Iterator[Row]:
    values = {"client_id": outcome.client_id, "symbol": outcome.symbol, "status": "cancelled", "reason": outcome.why}
    yield Row("orders", values | {"ended_at": origin.at})


def _filled(outcome: o.Filled, origin: Origin) -> Iterator[Row]:
    it = outcome.fill
    same = ("client_id", "trade_id", "strategy", "symbol", "action", "purpose", "price", "quantity", "fee", "slippage")
    values = {name: getattr(it, name) for name in same}
    yield Row("fills", {"seq": origin.seq, "item": origin.item, "time": it.at} | values)
    yield Row("orders", {"client_id": it.client_id, "symbol": it.symbol, "status": "filled", "ended_at": it.at})


def _position(outcome: o.PositionOpened | o.PositionChanged, _: Origin) -> Iterator[Row]:
    it: Position = outcome.position
    same = ("trade_id", "strategy", "symbol", "entry_time", "entry_price", "quantity", "fees", "stop", "target")
    values = {name: getattr(it, name) for name in same}
    values |= {"side": it.side.value, "notional": it.quantity * it.entry_price, "ml_confidence": it.confidence}
    opened = {"proposal_id": outcome.proposal} if isinstance(outcome, o.PositionOpened) else {}
    yield Row("paper_trades", values | opened | {"approved_by": it.approved_by})


def _trade(outcome: o.PositionClosed, _: Origin) -> Iterator[Row]:
    it = outcome.trade
    same = ("trade_id", "strategy", "symbol", "entry_time", "entry_price", "exit_time", "exit_price", "quantity")
    more = ("notional", "fees", "pnl", "pnl_pct", "costs", "approved_by", "kraken_validated")
    values = {name: getattr(it, name) for name in (*same, *more)}
    words = {"side": it.side.value, "exit_reason": it.exit_reason.value, "ml_confidence": it.confidence}
    yield Row("paper_trades", values | words | {"proposal_id": outcome.proposal})


def _hold(it: Hold) -> Values:
    values = {"code": it.code, "since": it.since, "level": it.level.value, "placed_by": it.by, "note": it.note}
    return values | {"until": it.until, "numbers": plain(it.numbers)}


def _placed(outcome: o.HoldPlaced, _: Origin) -> Iterator[Row]:
    yield Row("holds", _hold(outcome.hold) | {"lifted_at": None, "lifted_by": None})


def _lifted(outcome: o.HoldLifted, origin: Origin) -> Iterator[Row]:
    yield Row("holds", _hold(outcome.hold) | {"lifted_at": origin.at, "lifted_by": outcome.by})


def _alarm(outcome: o.AlarmRaised | o.AlarmRepeated | o.AlarmCleared, origin: Origin) -> Iterator[Row]:
    it: Alarm = outcome.alarm
    values = {"alarm": it.key, "since": it.since, "level": it.level, "sentence": it.sentence, "count": it.count}
    cleared = isinstance(outcome, o.AlarmCleared)
    yield Row("alarms", values | {"seen_at": origin.at, "cleared_at": origin.at if cleared else None})
    health = {"time": origin.at, "metric_name": it.key, "status": "recovered" if cleared else it.level}
    yield Row("health_metrics", health | {"value": float(it.count), "alert_sent": True})


def _day(outcome: o.DayClosed, origin: Origin) -> Iterator[Row]:
    values = {"date": date.fromisoformat(outcome.date), "equity": outcome.equity, "closed_at": origin.at}
    yield Row("daily_performance", values)


def _forecasts(analysis: m.Analysis) -> Iterator[Row]:
    for one in analysis.forecasts:
        yield Row("ml_predictions", plain_row(model_rows.prediction(one)))
        if (told := model_rows.features(one)) is not None:
            yield Row("ml_features", plain_row(told))


def _settled(outcome: o.ForecastsSettled, _: Origin) -> Iterator[Row]:
    yield from (Row("ml_predictions", values) for values in model_rows.settled(outcome))


def _offered(outcome: o.ModelOffered, _: Origin) -> Iterator[Row]:
    yield Row("models", plain_row(model_rows.offered(outcome)))


def _model_changed(outcome: o.ModelChanged, origin: Origin) -> Iterator[Row]:
    yield from (Row("models", values) for values in model_rows.changed(outcome))
    detail = f"{outcome.model} {outcome.version}" + (f": {outcome.why}" if outcome.why else "")
    yield from _audited(o.Audited(outcome.by, f"model {outcome.what}", True, detail), origin)


_WRITERS: Mapping[type, Callable[[Any, Origin], Iterator[Row]]] = {
    o.ProposalOpened: _proposal,
    o.ProposalChanged: _proposal,
    o.ProposalClosed: _proposal,
    o.SignalSeen: _signal,
    o.Refused: _refused,
    o.OrderIntended: _intended,
    o.OrderAcked: _acked,
    o.OrderCancelled: _cancelled,
    o.Filled: _filled,
    o.PositionOpened: _position,
    o.PositionChanged: _position,
    o.PositionClosed: _trade,
    o.HoldPlaced: _placed,
    o.HoldLifted: _lifted,
    o.AlarmRaised: _alarm,
    o.AlarmRepeated: _alarm,
    o.AlarmCleared: _alarm,
    o.Audited: _audited,
    o.JobOpened: _job_opened,
    o.JobClosed: _job_closed,
    o.DayClosed: _day,
    o.ForecastsSettled: _settled,
    o.ModelOffered: _offered,
    o.ModelChanged: _model_changed,
}
