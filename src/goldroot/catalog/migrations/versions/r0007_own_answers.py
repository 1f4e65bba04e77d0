"""Whether a file of a person's own is an answer to a question.

Questions that wait in an older catalog go by their axis alone, as they did, until their merge is made again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("conflicts", sa.Column("own", sa.Boolean(), nullable=False, server_default=sa.true()))
