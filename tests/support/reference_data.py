"""The skills reference as the files say it, whatever a test let the administrator do to it."""

from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, insert, select, tuple_, update

from marketplace.extensions import db
from marketplace.models import SeedFile, Skill, SkillDomain, SkillLevel, SkillRelation, SkillWord
from marketplace.services import reference

# Those that refer to others after these.
_TABLES: tuple[Table, ...] = tuple(
    model.__table__ for model in (SkillDomain, Skill, SkillLevel, SkillRelation, SkillWord)
)
_REFERRED_TO = (SkillDomain.__table__, Skill.__table__)
# What tells the rows of a table apart. A word has another id after each loading.
_KEYS = {table: [column.name for column in table.primary_key] for table in _TABLES}
_KEYS[SkillWord.__table__] = ["skill_id", "text"]
Rows = dict[tuple[Any, ...], dict[str, Any]]
_kept: dict[str, dict[Table, Rows]] = {}


def keep() -> None:
    """Remember what the files said, to restore it: to load them again takes ten times as long."""
    _kept[str(db.engine.url)] = {table: _rows(table) for table in _TABLES}


def restore() -> None:
    """Undo every edit. What refers to skills, and their editions, must be deleted already."""
    connection, kept = db.session.connection(), _kept[str(db.engine.url)]
    connection.execute(update(Skill).values(retired_at=None, successor_id=None))
    there = {table: _rows(table) for table in _TABLES}
    for table in reversed(_TABLES):
        gone = {key for key, row in there[table].items() if _is_to_delete(table, row, kept[table].get(key))}
        if gone:
            connection.execute(delete(table).where(_key(table).in_(gone)))
            there[table] = {key: row for key, row in there[table].items() if key not in gone}
    for table in _TABLES:
        if missing := [row for key, row in kept[table].items() if key not in there[table]]:
            connection.execute(insert(table), missing)
        for key, row in there[table].items():
            if row != (before := kept[table][key]):
                connection.execute(update(table).where(_key(table) == key).values(**before))


def load_again(name: str = "skills.csv", *, seeds: Path = reference.SEEDS) -> None:
    """Load a file of `seeds` once more, as after a change in it; those of the skills by default."""
    db.session.execute(update(SeedFile).where(SeedFile.name == name).values(sha256="changed"))
    db.session.commit()
    reference.load(seeds)


def _rows(table: Table) -> Rows:
    columns = [column for column in table.columns if column is not SkillWord.__table__.c.id]
    names = [column.name for column in columns]
    found = db.session.connection().execute(select(*columns))
    rows = [dict(zip(names, row, strict=True)) for row in found]
    return {tuple(row[name] for name in _KEYS[table]): row for row in rows}


def _key(table: Table) -> ColumnElement[Any]:
    return tuple_(*(table.c[name] for name in _KEYS[table]))


def _is_to_delete(table: Table, row: dict[str, Any], kept: dict[str, Any] | None) -> bool:
    """Say whether the row goes; one that changed too, and comes back, where nothing refers to it."""
    return kept is None or (table not in _REFERRED_TO and row != kept)
