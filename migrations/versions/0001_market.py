"""Market history: bars and ticks by month, the views people query, gaps and late prints."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE bars (
    market text NOT NULL,
    symbol text NOT NULL,
    interval text NOT NULL,
    time timestamptz NOT NULL,
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision NOT NULL,
    volume double precision NOT NULL,
    vwap double precision,
    trades integer,
    quality text NOT NULL,
    source text NOT NULL,
    revision integer NOT NULL,
    PRIMARY KEY (market, symbol, interval, time)
) PARTITION BY RANGE (time);
COMMENT ON COLUMN bars.time IS 'open time of the bar, UTC';
COMMENT ON COLUMN bars.market IS 'live, or simulated:DESK / replay:DESK for a world that belongs to one desk';
COMMENT ON COLUMN bars.interval IS '1m 5m 15m 1h 4h 1d; a longer bar appears when it has closed';
COMMENT ON COLUMN bars.quality IS 'good, quiet, doubtful, healed; missing: a longer bar that lacks minutes';

CREATE TABLE ticks (
    time timestamptz NOT NULL,
    market text NOT NULL,
    exchange text NOT NULL,
    symbol text NOT NULL,
    price double precision,
    volume double precision,
    bid double precision,
    ask double precision
) PARTITION BY RANGE (time);

CREATE TABLE late_prints (
    desk_id text NOT NULL,
    symbol text NOT NULL,
    time timestamptz NOT NULL,
    received timestamptz NOT NULL,
    price double precision NOT NULL,
    volume double precision,
    PRIMARY KEY (desk_id, symbol, time, received, price)
);

CREATE TABLE gaps (
    desk_id text NOT NULL,
    feed text NOT NULL,
    symbol text NOT NULL,
    gap_start timestamptz NOT NULL,
    gap_end timestamptz,
    cause text,
    healed boolean,
    PRIMARY KEY (desk_id, feed, symbol, gap_start)
);

CREATE VIEW price_data AS
    SELECT market, symbol, interval, time, open, high, low, close, volume, vwap, trades, quality, source FROM bars;
"""
_INTERVALS = ("1m", "5m", "15m", "1h", "4h", "1d")


def upgrade() -> None:
    """Bring the database up to this version."""
    op.execute(_TABLES)
    for interval in _INTERVALS:
        op.execute(
            f"CREATE VIEW ohlcv_{interval} AS SELECT market, symbol, time, open, high, low, close, volume, vwap,"
            f" trades, quality FROM bars WHERE interval = '{interval}'"
        )
