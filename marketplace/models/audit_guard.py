"""What makes the audit log append-only inside the database: triggers refuse any change of a row.

They go up with the table; `flask db upgrade` takes them down first, as SQLite drops them with a table that it
rebuilds, and puts them up again (migrations/env.py).
"""

from collections.abc import Callable

MESSAGE = "audit_entry is append-only"
# Runs one statement. The statements hold no ":" and no "%", which would be read as marks of parameters.
Execute = Callable[[str], object]

_TRIGGER = "audit_entry_append_only"
# SQLite's REPLACE deletes the row that is in its way, and no trigger of deletion hears of it.
_REPLACED = "EXISTS (SELECT 1 FROM audit_entry WHERE id = NEW.id OR previous_hash = NEW.previous_hash)"
_SQLITE = {"update": "UPDATE ON", "delete": "DELETE ON", "replace": "INSERT ON"}


def put_up(execute: Execute, dialect: str) -> None:
    """Make the triggers; the table must be there."""
    if dialect == "postgresql":
        _put_up_on_postgresql(execute)
        return
    for name, event in _SQLITE.items():
        condition = f"WHEN {_REPLACED}" if name == "replace" else ""
        execute(
            f"CREATE TRIGGER {_TRIGGER}_{name} BEFORE {event} audit_entry {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
        )


def take_down(execute: Execute, dialect: str) -> None:
    """Drop the triggers, those that are there."""
    if dialect == "postgresql":
        execute(f"DROP FUNCTION IF EXISTS {_TRIGGER}() CASCADE")
        return
    for name in _SQLITE:
        execute(f"DROP TRIGGER IF EXISTS {_TRIGGER}_{name}")


def _put_up_on_postgresql(execute: Execute) -> None:
    execute(
        f"CREATE FUNCTION {_TRIGGER}() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'restrict_violation'; END $$"
    )
    execute(
        f"CREATE TRIGGER {_TRIGGER} BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {_TRIGGER}()"
    )
    # Also for a session that plays a replica's part, in which ordinary triggers sleep.
    execute(f"ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER {_TRIGGER}")
