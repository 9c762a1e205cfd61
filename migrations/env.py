"""Alembic's entry point. The connection is handed in by app.database; there is no other way to run a migration."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
