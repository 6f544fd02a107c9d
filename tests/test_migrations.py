"""The migrations: up, down and up again on both databases, to exactly the tables that the models say."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect, text
from sqlalchemy.engine import Inspector

from marketplace import create_app
from marketplace.extensions import db
from marketplace.models import audit_guard, search_index
from marketplace.services import audit
from tests.support import databases
from tests.support.refusals import refused

LONGEST_NAME = 63  # of an identifier in PostgreSQL, which cuts longer ones


@pytest.fixture(params=["sqlite", "postgres"])
def empty_app(request, tmp_path) -> Iterator[Callable[[], Flask]]:
    """Return a maker of applications, each on a database without a table."""
    server = request.getfixturevalue(request.param)
    made: list[Flask] = []

    def make() -> Flask:
        made.append(create_app(databases.settings(server.empty(), tmp_path)))
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


def tables(inspector: Inspector | None = None) -> set[str]:
    """Return the tables of the site, but those that SQLite's full-text index keeps for itself."""
    names = (inspector or inspect(db.engine)).get_table_names()
    return {name for name in names if not name.startswith(search_index.FULL_TEXT)} - {"alembic_version"}


def test_up_down_and_up_again(empty_app):
    with empty_app().app_context():
        upgrade()
        assert tables() == set(db.metadata.tables)
        downgrade(revision="base")
        assert tables() == set()
        upgrade()
        assert tables() == set(db.metadata.tables)


def test_alembic_finds_nothing_left_to_migrate(empty_app):
    with empty_app().app_context():
        upgrade()
        with db.engine.connect() as connection:
            options = {
                "compare_type": True,
                "compare_server_default": True,
                "include_object": search_index.is_compared,
            }
            assert compare_metadata(MigrationContext.configure(connection, opts=options), db.metadata) == []


def test_a_migrated_database_equals_one_made_from_the_models(empty_app):
    """Also in what Alembic does not compare: checks, conditions of indexes, actions of foreign keys."""
    with empty_app().app_context():
        upgrade()
        migrated = schema(inspect(db.engine))
    with empty_app().app_context():
        db.create_all()
        assert migrated == schema(inspect(db.engine))


def test_every_constraint_and_index_has_a_name_that_both_databases_keep(empty_app):
    with empty_app().app_context():
        upgrade()
        names = list(names_of_constraints(inspect(db.engine)))
    assert None not in names
    assert [name for name in names if len(name) > LONGEST_NAME] == []
    assert len(names) == len(set(names))


def test_the_command_makes_the_tables_of_an_empty_database(empty_app):
    app = empty_app()
    done = app.test_cli_runner().invoke(args=["db", "upgrade"])
    assert done.exit_code == 0, done.output
    with app.app_context():
        assert tables() == set(db.metadata.tables)


def test_the_command_upgrades_an_upgraded_database_without_a_change(empty_app):
    runner = empty_app().test_cli_runner()
    runner.invoke(args=["db", "upgrade"])
    assert runner.invoke(args=["db", "upgrade"]).exit_code == 0
    assert runner.invoke(args=["db", "check"]).exit_code == 0


def test_the_lines_of_the_audit_log_that_were_there_are_chained_and_guarded(empty_app):
    with empty_app().app_context():
        upgrade(revision="0005")
        for number, before in enumerate(('{"é": 1.5}', "null", '{"b": [1, "x"], "a": null}')):
            db.session.execute(
                text(
                    "INSERT INTO audit_entry (at, action, subject_type, subject_id, before, reason) "
                    "VALUES (:at, 'a.b', 'user', '1', :before, 'é')"
                ),
                {"at": f"2026-01-0{number + 1} 03:04:05.000000", "before": before},
            )
        db.session.commit()
        upgrade()
        assert (audit.verify().entries, audit.verify().wrong) == (3, None)
        with refused(audit_guard.MESSAGE):
            db.session.execute(text("DELETE FROM audit_entry"))


def test_the_sql_can_be_printed_for_somebody_else_to_run(empty_app):
    printed = empty_app().test_cli_runner().invoke(args=["db", "upgrade", "--sql"]).output
    assert "CREATE TABLE listing" in printed
    assert "CREATE UNIQUE INDEX ix_match_live_need" in printed


def schema(inspector: Inspector) -> dict[str, dict[str, Any]]:
    """Return what the database says of each table, in an order that does not depend on how it was made."""
    return {
        table: {
            "columns": {
                c["name"]: (str(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(table)
            },
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": in_order(inspector.get_foreign_keys(table)),
            "unique": in_order(inspector.get_unique_constraints(table)),
            "checks": in_order(inspector.get_check_constraints(table)),
            "indexes": in_order(inspector.get_indexes(table)),
        }
        for table in tables(inspector)
    }


def in_order(constraints: list[Any]) -> list[str]:
    return sorted(json.dumps(constraint, sort_keys=True, default=str) for constraint in constraints)


def names_of_constraints(inspector: Inspector) -> Iterator[str | None]:
    for table in tables(inspector):
        # SQLite counts on (AUTOINCREMENT) by a key without a name only.
        if not db.metadata.tables[table].dialect_options["sqlite"]["autoincrement"]:
            yield inspector.get_pk_constraint(table)["name"]
        unique = {constraint["name"] for constraint in inspector.get_unique_constraints(table)}
        yield from unique
        for read in (inspector.get_foreign_keys, inspector.get_check_constraints):
            yield from (constraint["name"] for constraint in read(table))
        # PostgreSQL shows a unique constraint as an index too.
        yield from {index["name"] for index in inspector.get_indexes(table)} - unique
