"""Alembic's environment: the application's engine and models (run through `flask db …`)."""

from typing import Any, Literal

from alembic import context
from flask import current_app
from sqlalchemy import MetaData

from marketplace.extensions import db
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
    with context.begin_transaction():
        context.run_migrations()


def online() -> None:
    options = current_app.extensions["migrate"].configure_args
    with db.engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata(), render_item=render, **options)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    offline()
else:
    online()
