"""The tables of the database, as the code that reads and writes them sees them.

`migrations/` makes them; a test compares the two. Everything about one desk is keyed by `desk_id`. Market history is
keyed by `market` instead: "live" is shared by all live desks of a database, a simulated or replayed world
("simulated:DESK", "replay:DESK") belongs to its desk alone, so that no invented price can pass for a real one.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Float, Index, Integer, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()


def _key(name: str, kind: type = Text) -> Column[object]:
    return Column(name, DateTime(timezone=True) if kind is DateTime else kind, primary_key=True, nullable=False)


def _texts(*names: str) -> list[Column[object]]:
    return [Column(name, Text) for name in names]


def _floats(*names: str) -> list[Column[object]]:
    return [Column(name, Float(53)) for name in names]


def _times(*names: str) -> list[Column[object]]:
    return [Column(name, DateTime(timezone=True)) for name in names]


def _integers(*names: str) -> list[Column[object]]:
    return [Column(name, Integer) for name in names]


def _flags(*names: str) -> list[Column[object]]:
    return [Column(name, Boolean) for name in names]


def _json(*names: str) -> list[Column[object]]:
    return [Column(name, JSONB) for name in names]


# ------------------------------------------------------------ market history

# `time` is the bar's OPEN time, as venues, vendors and charts have it; `Bar.at` and `BarColumns.time` are the close.
bars = Table(
    "bars",
    metadata,
    *(_key("market"), _key("symbol"), _key("interval"), _key("time", DateTime)),
    *(Column(name, Float(53), nullable=False) for name in ("open", "high", "low", "close", "volume")),
    *_floats("vwap"),
    *_integers("trades"),
    Column("quality", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    postgresql_partition_by="RANGE (time)",
)
ticks = Table(
    "ticks",
    metadata,
    *(Column("time", DateTime(timezone=True), nullable=False), Column("market", Text, nullable=False)),
    *(Column("exchange", Text, nullable=False), Column("symbol", Text, nullable=False)),
    *(*_floats("price", "volume", "bid", "ask"), *_times("received")),
    Column("trade_id", BigInteger),
    Index("ticks_once", "market", "symbol", "time", "exchange", "trade_id", unique=True),
    postgresql_partition_by="RANGE (time)",
)
bar_stamps = Table(  # after `bars`, whose triggers write it
    "bar_stamps",
    metadata,
    *(_key("market"), _key("symbol"), _key("interval"), _key("month", Date)),
    Column("stamp", Uuid, nullable=False),
)
backfill_pieces = Table(
    "backfill_pieces",
    metadata,
    *(_key("job"), _key("key"), Column("market", Text, nullable=False), Column("source", Text, nullable=False)),
    *(Column(name, BigInteger, nullable=False) for name in ("rows", "new", "revised", "same", "kept")),
    Column("problems", JSONB, nullable=False),
    Column("finished_at", DateTime(timezone=True), nullable=False),
)
late_prints = Table(
    "late_prints",
    metadata,
    *(_key("desk_id"), _key("symbol"), _key("time", DateTime), _key("received", DateTime)),
    *(_key("price", Float), Column("volume", Float(53))),
)
gaps = Table(
    "gaps",
    metadata,
    *(_key("desk_id"), _key("feed"), _key("symbol"), _key("gap_start", DateTime)),
    *(*_times("gap_end"), *_texts("cause"), *_flags("healed")),
)

# ------------------------------------------------------------ learning

ml_features = Table(
    "ml_features",
    metadata,
    *(_key("desk_id"), _key("time", DateTime), _key("symbol"), _key("feature_set")),
    *(*_json("features"), *_texts("features_hash")),
)
ml_predictions = Table(
    "ml_predictions",
    metadata,
    *(_key("desk_id"), _key("prediction_id"), *_times("time"), *_texts("symbol", "prediction")),
    *(*_floats("confidence"), *_json("probabilities"), *_integers("horizon_seconds")),
    *(*_texts("model", "model_version", "features_hash"), *_floats("actual_move"), *_flags("correct")),
    *_times("settled_at"),
)
models = Table(
    "models",
    metadata,
    *(_key("desk_id"), _key("model"), _key("version"), *_times("created_at", "expires_at"), *_texts("status")),
    *(*_texts("artefact", "dataset_hash", "code_version"), *_json("features", "parameters", "metrics")),
)
experiments = Table(
    "experiments",
    metadata,
    *(_key("desk_id"), _key("experiment_id"), *_times("started_at", "ended_at"), *_texts("kind", "status")),
    *(*_texts("dataset_hash", "code_version"), *_json("parameters", "metrics")),
)

# ------------------------------------------------------------ the desk

desks = Table("desks", metadata, _key("desk_id"), *_texts("kind", "playbook", "label", "market"), *_times("born"))
paper_trades = Table(
    "paper_trades",
    metadata,
    *(_key("desk_id"), _key("trade_id"), *_texts("strategy", "symbol", "side")),
    *(*_times("entry_time"), *_floats("entry_price"), *_times("exit_time"), *_floats("exit_price")),
    *(*_texts("exit_reason"), *_floats("quantity", "notional", "fees", "pnl", "pnl_pct", "ml_confidence")),
    *(*_flags("kraken_validated"), *_texts("costs", "approved_by", "proposal_id"), *_floats("stop", "target")),
    Column("day", Date),  # the desk day it counted in; none while that day is open
)
daily_performance = Table(
    "daily_performance",
    metadata,
    *(_key("desk_id"), _key("date", Date), *_integers("trades_count", "wins", "losses")),
    *(*_floats("net_pnl", "fees", "equity", "ml_accuracy"), *_times("closed_at")),
)
proposals = Table(
    "proposals",
    metadata,
    *(_key("desk_id"), _key("proposal_id"), *_integers("revision"), *_texts("strategy", "symbol", "side", "status")),
    *_floats("quantity", "price", "notional", "stop", "target", "trailing_stop", "confidence", "worst_loss"),
    *(*_floats("fees", "slippage", "exposure_before", "exposure_after"), *_json("reasons")),
    *(*_times("opened", "expires", "decided_at"), *_texts("decided_by", "decided_why")),
)
signals = Table(
    "signals",
    metadata,
    *(_key("desk_id"), _key("seq", BigInteger), _key("item", Integer), *_times("time"), *_texts("strategy", "symbol")),
    *(*_texts("action", "side"), *_floats("price", "confidence"), *_texts("fate", "code", "sentence")),
    *_json("numbers"),
)
orders = Table(
    "orders",
    metadata,
    *(_key("desk_id"), _key("client_id"), *_texts("trade_id", "strategy", "symbol", "action", "kind", "purpose")),
    *(*_floats("quantity", "limit_price"), *_texts("status", "reason", "proposal_id", "consent_by")),
    *(*_flags("validated"), *_times("intended_at", "acked_at", "ended_at")),
)
fills = Table(
    "fills",
    metadata,
    *(_key("desk_id"), _key("seq", BigInteger), _key("item", Integer), *_times("time")),
    *_texts("client_id", "trade_id", "strategy", "symbol", "action", "purpose"),
    *_floats("price", "quantity", "fee", "slippage"),
)
holds = Table(
    "holds",
    metadata,
    *(_key("desk_id"), _key("code"), _key("since", DateTime), *_texts("level", "placed_by", "note")),
    *(*_times("until"), *_json("numbers"), *_times("lifted_at"), *_texts("lifted_by")),
)
outbox = Table(
    "outbox",
    metadata,
    *(_key("desk_id"), _key("key"), Column[object]("seq", BigInteger), *_times("time")),
    *(*_texts("channel", "op", "subject", "template", "thread"), *_integers("priority"), *_json("content")),
)
audit = Table(
    "audit",
    metadata,
    *(_key("desk_id"), _key("seq", BigInteger), _key("item", Integer), *_times("time"), *_texts("actor", "what")),
    *(*_flags("allowed"), *_texts("detail")),
)
alarms = Table(
    "alarms",
    metadata,
    *(_key("desk_id"), _key("alarm"), _key("since", DateTime), *_texts("level", "sentence"), *_integers("count")),
    *_times("seen_at", "cleared_at"),
)
health_metrics = Table(
    "health_metrics",
    metadata,
    *(_key("desk_id"), _key("time", DateTime), _key("metric_name"), *_texts("status"), *_floats("value")),
    *_flags("alert_sent"),
)

# ------------------------------------------------------------ the worker's own

projection_cursor = Table(
    "projection_cursor",
    metadata,
    *(_key("desk_id"), Column("seq", BigInteger, nullable=False), Column("epoch", BigInteger, nullable=False)),
    *_times("minute", "updated_at"),
)
lease = Table(
    "lease",
    metadata,
    *(_key("name"), Column[object]("epoch", BigInteger, nullable=False), *_texts("holder", "host", "machine")),
    *(*_integers("pid"), *_texts("data_dir"), *_times("since", "renewed_at", "expires_at")),
)
