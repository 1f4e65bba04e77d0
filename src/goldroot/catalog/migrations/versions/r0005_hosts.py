"""A site may have several hosts: what the one of an older site had without a name is that of the host ``local``."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(sa.text("UPDATE site SET key = 'store:local' WHERE key = 'store'"))
