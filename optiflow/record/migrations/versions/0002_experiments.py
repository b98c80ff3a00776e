"""Plans of experiments and the state of their jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables, and tell an older OptiFlow that it can't read this store."""
    op.create_table(
        "optiflow_experiments",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, index=True),
        sa.Column("planned_at", sa.String(32), nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
    )
    op.create_table(
        "optiflow_jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("experiment_id", sa.String(32), nullable=False, index=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(200)),
        sa.Column("seen_at", sa.String(32)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("record_id", sa.String(32)),
    )
    if op.get_bind().dialect.name != "sqlite":
        # SQLite heeds no length.
        op.alter_column("optiflow_runs", "workflow", type_=sa.Text)
    op.execute("UPDATE optiflow_store SET version = 2")
