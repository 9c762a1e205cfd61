"""Every content that a path has led to, so that a path can be forgotten with all its versions; and what was forgotten.

A content that had been replaced before this revision is known by its path below the indexed folder alone.
"""

import sqlalchemy as sa
from alembic import op

from indexer.identity import stable_id

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    versions = op.create_table(
        "versions",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("collection_id", sa.BigInteger, nullable=False),
        sa.Column("content_id", sa.BigInteger, nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_versions_collection_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["content_id"], ["contents.id"], name="fk_versions_content_id", ondelete="CASCADE"),
    )
    op.create_index("ix_versions_content_id", "versions", ["content_id"])
    op.create_index("ix_versions_collection_id_location", "versions", ["collection_id", "location"])
    op.create_table(
        "forgotten",
        sa.Column("content_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("collection_id", sa.BigInteger, nullable=False),
        sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased", sa.Boolean, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_forgotten_collection_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_forgotten_collection_id", "forgotten", ["collection_id"])
    _record_what_is_stored(versions)


def downgrade() -> None:
    op.drop_table("forgotten")
    op.drop_table("versions")


def _record_what_is_stored(versions: sa.Table) -> None:
    connection = op.get_bind()
    current = connection.execute(sa.text("SELECT collection_id, content_id, location, path FROM documents"))
    rows = {(row.content_id, row.location): row._asdict() for row in current}
    past = connection.execute(
        sa.text(
            "SELECT collection_id, id AS content_id, last_path AS location, last_path AS path FROM contents "
            "WHERE NOT EXISTS (SELECT 1 FROM documents WHERE documents.content_id = contents.id)"
        )
    )
    rows.update({(row.content_id, row.location): row._asdict() for row in past})
    for (content_id, location), row in rows.items():
        identity = stable_id("version", content_id, location)
        connection.execute(versions.insert().values(id=identity, **row))
