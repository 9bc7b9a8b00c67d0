"""The projections' cursor and the lease of the one desk that may write."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE projection_cursor (
    desk_id text NOT NULL,
    seq bigint NOT NULL,
    epoch bigint NOT NULL,
    minute timestamptz,
    updated_at timestamptz,
    PRIMARY KEY (desk_id)
);

CREATE TABLE lease (
    name text NOT NULL,
    epoch bigint NOT NULL,
    holder text,
    host text,
    machine text,
    pid integer,
    data_dir text,
    since timestamptz,
    renewed_at timestamptz,
    expires_at timestamptz,
    PRIMARY KEY (name)
);
"""


def upgrade() -> None:
    """Bring the database up to this version."""
    op.execute(_TABLES)
