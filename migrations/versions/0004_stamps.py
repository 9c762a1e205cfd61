"""What the file system said of a file when it was hashed, so that it is not read again while that stays the same."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("stamp", sa.Text))


def downgrade() -> None:
    op.drop_column("documents", "stamp")
