"""Features, predictions, models and experiments: their room, empty until models are trained."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE ml_features (
    desk_id text NOT NULL,
    time timestamptz NOT NULL,
    symbol text NOT NULL,
    feature_set text NOT NULL,
    features jsonb,
    features_hash text,
    PRIMARY KEY (desk_id, time, symbol, feature_set)
);

CREATE TABLE ml_predictions (
    desk_id text NOT NULL,
    prediction_id text NOT NULL,
    time timestamptz,
    symbol text,
    prediction text,
    confidence double precision,
    probabilities jsonb,
    horizon_seconds integer,
    model text,
    model_version text,
    features_hash text,
    actual_move double precision,
    correct boolean,
    settled_at timestamptz,
    PRIMARY KEY (desk_id, prediction_id)
);

CREATE TABLE models (
    desk_id text NOT NULL,
    model text NOT NULL,
    version text NOT NULL,
    created_at timestamptz,
    expires_at timestamptz,
    status text,
    artefact text,
    dataset_hash text,
    code_version text,
    features jsonb,
    parameters jsonb,
    metrics jsonb,
    PRIMARY KEY (desk_id, model, version)
);

CREATE TABLE experiments (
    desk_id text NOT NULL,
    experiment_id text NOT NULL,
    started_at timestamptz,
    ended_at timestamptz,
    kind text,
    status text,
    dataset_hash text,
    code_version text,
    parameters jsonb,
    metrics jsonb,
    PRIMARY KEY (desk_id, experiment_id)
);
"""


def upgrade() -> None:
    """Bring the database up to this version."""
    op.execute(_TABLES)
