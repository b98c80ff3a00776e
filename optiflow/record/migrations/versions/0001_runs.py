"""The records of runs; stores that are older than these steps have this already."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "optiflow_store",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "optiflow_runs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("started_at", sa.String(32), nullable=False, index=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("comparison_key", sa.String(64), nullable=False, index=True),
        sa.Column("sweep_id", sa.String(64), index=True),
        sa.Column("workflow", sa.String(200), nullable=False),
        sa.Column("toggles", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )
    op.execute("INSERT INTO optiflow_store (name, version) VALUES ('schema', 1)")
