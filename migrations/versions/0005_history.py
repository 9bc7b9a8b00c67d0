"""History in bulk: a stamp for every month of bars, finished pieces, trades by day."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE bar_stamps (
    market text NOT NULL,
    symbol text NOT NULL,
    interval text NOT NULL,
    month date NOT NULL,
    stamp uuid NOT NULL,
    PRIMARY KEY (market, symbol, interval, month)
);
COMMENT ON COLUMN bar_stamps.stamp IS 'another stamp whenever a bar of that month comes, changes or goes (by triggers)';

CREATE TABLE backfill_pieces (
    job text NOT NULL,
    key text NOT NULL,
    market text NOT NULL,
    source text NOT NULL,
    rows bigint NOT NULL,
    new bigint NOT NULL,
    revised bigint NOT NULL,
    same bigint NOT NULL,
    kept bigint NOT NULL,
    problems jsonb NOT NULL,
    finished_at timestamptz NOT NULL,
    PRIMARY KEY (job, key)
);
COMMENT ON COLUMN backfill_pieces.key IS 'written in the transaction of their rows: a piece that is here is whole';
"""
# No writer can forget the stamp, by hand or by program: triggers see what a statement changed. Those of the parent fire
# for statements on `bars`, those of a partition for statements on that partition (a direct COPY); never both.
_STAMPS = """
CREATE FUNCTION stamp_bars() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO bar_stamps (market, symbol, interval, month, stamp)
    SELECT market, symbol, interval, month, gen_random_uuid() FROM (
        SELECT DISTINCT market, symbol, interval, date_trunc('month', time AT TIME ZONE 'UTC')::date AS month
        FROM changed) AS months
    ORDER BY market, symbol, interval, month
    ON CONFLICT (market, symbol, interval, month) DO UPDATE SET stamp = excluded.stamp;
    RETURN NULL;
END $$;

CREATE FUNCTION stamp_all_bars() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE bar_stamps SET stamp = gen_random_uuid();
    RETURN NULL;
END $$;

CREATE FUNCTION watch_bars(place regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER stamp_new AFTER INSERT ON %s REFERENCING NEW TABLE AS changed'
        ' FOR EACH STATEMENT EXECUTE FUNCTION stamp_bars()', place);
    EXECUTE format('CREATE TRIGGER stamp_before AFTER UPDATE ON %s REFERENCING OLD TABLE AS changed'
        ' FOR EACH STATEMENT EXECUTE FUNCTION stamp_bars()', place);
    EXECUTE format('CREATE TRIGGER stamp_after AFTER UPDATE ON %s REFERENCING NEW TABLE AS changed'
        ' FOR EACH STATEMENT EXECUTE FUNCTION stamp_bars()', place);
    EXECUTE format('CREATE TRIGGER stamp_gone AFTER DELETE ON %s REFERENCING OLD TABLE AS changed'
        ' FOR EACH STATEMENT EXECUTE FUNCTION stamp_bars()', place);
    EXECUTE format('CREATE TRIGGER stamp_emptied AFTER TRUNCATE ON %s'
        ' FOR EACH STATEMENT EXECUTE FUNCTION stamp_all_bars()', place);
END $$;

REVOKE ALL ON FUNCTION stamp_bars(), stamp_all_bars(), watch_bars(regclass) FROM PUBLIC;

SELECT watch_bars('bars');
SELECT watch_bars(inhrelid::regclass) FROM pg_inherits WHERE inhparent = 'bars'::regclass;

INSERT INTO bar_stamps (market, symbol, interval, month, stamp)
SELECT market, symbol, interval, month, gen_random_uuid() FROM (
    SELECT DISTINCT market, symbol, interval, date_trunc('month', time AT TIME ZONE 'UTC')::date AS month
    FROM bars) AS months;
"""
# Nothing has written trades so far. By day, so that old ones can go without a trace.
_TICKS = """
DROP TABLE ticks;
CREATE TABLE ticks (
    time timestamptz NOT NULL,
    market text NOT NULL,
    exchange text NOT NULL,
    symbol text NOT NULL,
    price double precision,
    volume double precision,
    bid double precision,
    ask double precision,
    received timestamptz,
    trade_id bigint
) PARTITION BY RANGE (time);
CREATE UNIQUE INDEX ticks_once ON ticks (market, symbol, time, exchange, trade_id);
COMMENT ON COLUMN ticks.trade_id IS 'as the venue numbers its trades: one that comes twice is here once';
"""


def upgrade() -> None:
    """Bring the database up to this version."""
    op.execute(_TABLES)
    op.execute(_STAMPS)
    op.execute(_TICKS)
