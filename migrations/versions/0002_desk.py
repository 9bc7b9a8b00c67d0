"""What the desk did: trades, days, proposals, orders, holds, posts, audit, health."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE desks (
    desk_id text NOT NULL,
    kind text,
    playbook text,
    label text,
    market text,
    born timestamptz,
    PRIMARY KEY (desk_id)
);

CREATE TABLE paper_trades (
    desk_id text NOT NULL,
    trade_id text NOT NULL,
    strategy text,
    symbol text,
    side text,
    entry_time timestamptz,
    entry_price double precision,
    exit_time timestamptz,
    exit_price double precision,
    exit_reason text,
    quantity double precision,
    notional double precision,
    fees double precision,
    pnl double precision,
    pnl_pct double precision,
    ml_confidence double precision,
    kraken_validated boolean,
    costs text,
    approved_by text,
    proposal_id text,
    stop double precision,
    target double precision,
    day date,
    PRIMARY KEY (desk_id, trade_id)
);
COMMENT ON COLUMN paper_trades.day IS 'the desk day the trade counted in; none while that day is open';

CREATE TABLE daily_performance (
    desk_id text NOT NULL,
    date date NOT NULL,
    trades_count integer,
    wins integer,
    losses integer,
    net_pnl double precision,
    fees double precision,
    equity double precision,
    ml_accuracy double precision,
    closed_at timestamptz,
    PRIMARY KEY (desk_id, date)
);

CREATE TABLE proposals (
    desk_id text NOT NULL,
    proposal_id text NOT NULL,
    revision integer,
    strategy text,
    symbol text,
    side text,
    status text,
    quantity double precision,
    price double precision,
    notional double precision,
    stop double precision,
    target double precision,
    trailing_stop double precision,
    confidence double precision,
    worst_loss double precision,
    fees double precision,
    slippage double precision,
    exposure_before double precision,
    exposure_after double precision,
    reasons jsonb,
    opened timestamptz,
    expires timestamptz,
    decided_at timestamptz,
    decided_by text,
    decided_why text,
    PRIMARY KEY (desk_id, proposal_id)
);

CREATE TABLE signals (
    desk_id text NOT NULL,
    seq bigint NOT NULL,
    item integer NOT NULL,
    time timestamptz,
    strategy text,
    symbol text,
    action text,
    side text,
    price double precision,
    confidence double precision,
    fate text,
    code text,
    sentence text,
    numbers jsonb,
    PRIMARY KEY (desk_id, seq, item)
);

CREATE TABLE orders (
    desk_id text NOT NULL,
    client_id text NOT NULL,
    trade_id text,
    strategy text,
    symbol text,
    action text,
    kind text,
    purpose text,
    quantity double precision,
    limit_price double precision,
    status text,
    reason text,
    proposal_id text,
    consent_by text,
    validated boolean,
    intended_at timestamptz,
    acked_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (desk_id, client_id)
);

CREATE TABLE fills (
    desk_id text NOT NULL,
    seq bigint NOT NULL,
    item integer NOT NULL,
    time timestamptz,
    client_id text,
    trade_id text,
    strategy text,
    symbol text,
    action text,
    purpose text,
    price double precision,
    quantity double precision,
    fee double precision,
    slippage double precision,
    PRIMARY KEY (desk_id, seq, item)
);

CREATE TABLE holds (
    desk_id text NOT NULL,
    code text NOT NULL,
    since timestamptz NOT NULL,
    level text,
    placed_by text,
    note text,
    until timestamptz,
    numbers jsonb,
    lifted_at timestamptz,
    lifted_by text,
    PRIMARY KEY (desk_id, code, since)
);

CREATE TABLE outbox (
    desk_id text NOT NULL,
    key text NOT NULL,
    seq bigint,
    time timestamptz,
    channel text,
    op text,
    subject text,
    template text,
    thread text,
    priority integer,
    content jsonb,
    PRIMARY KEY (desk_id, key)
);

CREATE TABLE audit (
    desk_id text NOT NULL,
    seq bigint NOT NULL,
    item integer NOT NULL,
    time timestamptz,
    actor text,
    what text,
    allowed boolean,
    detail text,
    PRIMARY KEY (desk_id, seq, item)
);

CREATE TABLE alarms (
    desk_id text NOT NULL,
    alarm text NOT NULL,
    since timestamptz NOT NULL,
    level text,
    sentence text,
    count integer,
    seen_at timestamptz,
    cleared_at timestamptz,
    PRIMARY KEY (desk_id, alarm, since)
);

CREATE TABLE health_metrics (
    desk_id text NOT NULL,
    time timestamptz NOT NULL,
    metric_name text NOT NULL,
    status text,
    value double precision,
    alert_sent boolean,
    PRIMARY KEY (desk_id, time, metric_name)
);
"""


def upgrade() -> None:
    """Bring the database up to this version."""
    op.execute(_TABLES)
