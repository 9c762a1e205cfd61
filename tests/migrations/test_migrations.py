"""The migrations and the models describe the same schema, and every migration can be undone and done again."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine, create_engine, event, inspect, text

import generator.record  # noqa: F401  (adds its table to the metadata)
import migrations
from app.database import database_url, head_revision, schema_revision, upgrade
from indexer.tables import Base

TABLES = set(Base.metadata.tables)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> URL:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return database_url(None, tmp_path_factory.mktemp("home"))
    url: URL = request.getfixturevalue("postgres_url")
    return url


def connect(url: URL) -> Engine:
    return create_engine(url)


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names()) - {"alembic_version"}


def test_the_schema_goes_up_and_down_and_up_again(empty_url: URL) -> None:
    engine = connect(empty_url)
    for _ in range(2):
        upgrade(empty_url)
        assert tables(engine) == TABLES
        assert schema_revision(engine) == head_revision()
        upgrade(empty_url, "base")
        assert tables(engine) == set()
        assert schema_revision(engine) is None
    engine.dispose()


def test_upgrading_what_is_current_changes_nothing(empty_url: URL) -> None:
    upgrade(empty_url)
    engine = connect(empty_url)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO collections (id, name, embedder, generation) VALUES (1, 'c', 'e', 0)"))
    upgrade(empty_url)
    upgrade(empty_url, head_revision())
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT name FROM collections")) == "c"
    engine.dispose()


def test_the_migrated_schema_is_that_of_the_models(empty_url: URL) -> None:
    upgrade(empty_url)
    engine = connect(empty_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_constraints_have_the_names_that_a_later_migration_will_look_for(empty_url: URL) -> None:
    upgrade(empty_url)
    engine = connect(empty_url)
    found = inspect(engine)
    for table in Base.metadata.tables.values():
        keys = {key["name"]: key for key in found.get_foreign_keys(table.name)}
        assert set(keys) == {constraint.name for constraint in table.foreign_key_constraints}
        for constraint in table.foreign_key_constraints:
            assert keys[str(constraint.name)]["options"].get("ondelete") == constraint.ondelete
    engine.dispose()


def test_a_collection_takes_everything_it_holds_with_it(empty_url: URL) -> None:
    upgrade(empty_url)
    engine = connect(empty_url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO collections (id, name, embedder, generation) VALUES (1, 'c', 'e', 0)"))
        connection.execute(
            text(
                "INSERT INTO contents"
                " (id, collection_id, sha256, pipeline, media_type, text, layout, last_path, published)"
                " VALUES (2, 1, 's', 'p', 'text/plain', 't', '{}', 'a.txt', true)"
            )
        )
        connection.execute(
            text(
                'INSERT INTO chunks (id, content_id, ordinal, start, "end", heading_path, text)'
                " VALUES (3, 2, 0, 0, 1, '[]', 't')"
            )
        )
        connection.execute(text("DELETE FROM collections"))
        assert connection.scalar(text("SELECT count(*) FROM contents")) == 0
        assert connection.scalar(text("SELECT count(*) FROM chunks")) == 0
    engine.dispose()


def test_there_is_one_head_and_every_revision_can_be_undone() -> None:
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert len(script.get_heads()) == 1
    for revision in script.walk_revisions():
        assert callable(revision.module.downgrade)
        assert revision.doc, "a migration says what it does"


def test_versions_of_what_was_stored_before_are_known(empty_url: URL) -> None:
    upgrade(empty_url, "0001")
    engine = connect(empty_url)
    content = "INSERT INTO contents VALUES (:id, 1, 'sha', 'pipeline', 'text/plain', NULL, 'text', '{}', :path, :p)"
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO collections (id, name, embedder, generation) VALUES (1, 'c', 'e', 1)"))
        for number, path in ((10, "a.md"), (20, "old.md")):
            connection.execute(text(content), {"id": number, "path": path, "p": True})
        for number, path in ((1, "a.md"), (2, "b.md")):
            connection.execute(
                text("INSERT INTO documents VALUES (:id, 1, 10, :location, :path, 4)"),
                {"id": number, "location": f"/docs/{path}", "path": path},
            )
    upgrade(empty_url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT content_id, location, path FROM versions ORDER BY location")).all()
    assert [tuple(row) for row in rows] == [
        (10, "/docs/a.md", "a.md"),
        (10, "/docs/b.md", "b.md"),
        (20, "old.md", "old.md"),
    ]
    engine.dispose()
