"""Alembic's environment: the application's engine and models (run through `flask db …`)."""

from typing import Any, Literal

from alembic import context
from flask import current_app
from sqlalchemy import MetaData

from marketplace.extensions import db
from marketplace.models import audit_guard, search_index
from marketplace.models.types import UtcDateTime


def metadata() -> MetaData:
    return db.metadatas[None]


def render(kind: str, item: Any, _autogen: Any) -> str | Literal[False]:
    """A migration names plain SQL types: it must still run when the application's own types have moved."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


def offline() -> None:
    """Print the SQL instead of running it (`flask db upgrade --sql`)."""
    url = db.engine.url.render_as_string(hide_password=False)
    context.configure(url=url, target_metadata=metadata(), literal_binds=True)
    migrate()


def online() -> None:
    options = current_app.extensions["migrate"].configure_args
    with db.engine.begin() as connection:
        context.configure(connection=connection, target_metadata=metadata(), render_item=render, **options)
        migrate()


def migrate() -> None:
    """Run the migrations with the triggers out of their way; at the newest tables they are back."""
    dialect = context.get_context().dialect.name
    with context.begin_transaction():
        if not moves():
            context.run_migrations()
            return
        search_index.take_down(context.execute, dialect)
        audit_guard.take_down(context.execute, dialect)
        context.run_migrations()
        if context.get_revision_argument() in context.script.get_heads():
            search_index.put_up(context.execute, dialect)
            search_index.rebuild(context.execute, dialect)
            audit_guard.put_up(context.execute, dialect)


def moves() -> bool:
    """Say whether the command changes the tables; `flask db check` and others only look."""
    try:
        target = context.get_revision_argument()
    except KeyError:
        return False
    return (target,) != context.get_context().get_current_heads()


if context.is_offline_mode():
    offline()
else:
    online()
