"""The skills reference as the files say it, whatever a test let the administrator do to it."""

from pathlib import Path
from typing import Any

from sqlalchemy import Column, Table, delete, insert, select, update

from marketplace.extensions import db
from marketplace.models import SeedFile, Skill, SkillDomain, SkillLevel, SkillRelation, SkillWord
from marketplace.services import reference

_SHEETS: tuple[Table, ...] = (SkillDomain.__table__, Skill.__table__)
# What a skill has, in an order that counts: the first of its words stands for it.
_PARTS: tuple[Table, ...] = (SkillLevel.__table__, SkillRelation.__table__, SkillWord.__table__)
Rows = list[dict[str, Any]]
_kept: dict[str, dict[Table, dict[Any, Rows]]] = {}


def keep() -> None:
    """Remember what the files said, to restore it: to load them again takes ten times as long."""
    _kept[str(db.engine.url)] = {table: _rows(table) for table in (*_SHEETS, *_PARTS)}


def restore() -> None:
    """Undo every edit. What refers to skills, and their editions, must be deleted already."""
    connection, kept = db.session.connection(), _kept[str(db.engine.url)]
    connection.execute(update(Skill).values(retired_at=None, successor_id=None))
    for table in reversed(_SHEETS):
        key = _key(table)
        for value, (row,) in _rows(table).items():
            if value not in kept[table]:
                connection.execute(delete(table).where(key == value))
            elif row != kept[table][value][0]:
                connection.execute(update(table).where(key == value).values(**kept[table][value][0]))
    for table in _PARTS:
        there = _rows(table)
        spoilt = [value for value in {*there, *kept[table]} if there.get(value) != kept[table].get(value)]
        if spoilt:
            connection.execute(delete(table).where(_key(table).in_(spoilt)))
        if rows := [row for value in spoilt for row in kept[table].get(value, [])]:
            connection.execute(insert(table), rows)


def load_again(name: str = "skills.csv", *, seeds: Path = reference.SEEDS) -> None:
    """Load a file of `seeds` once more, as after a change in it; those of the skills by default."""
    db.session.execute(update(SeedFile).where(SeedFile.name == name).values(sha256="changed"))
    db.session.commit()
    reference.load(seeds)


def _rows(table: Table) -> dict[Any, Rows]:
    """Return the rows by what they are of. A word has another id after each loading."""
    columns = [column for column in table.columns if column is not SkillWord.__table__.c.id]
    names = [column.name for column in columns]
    found: dict[Any, Rows] = {}
    for values in db.session.connection().execute(select(*columns).order_by(*table.primary_key)):
        row = dict(zip(names, values, strict=True))
        found.setdefault(row[_key(table).name], []).append(row)
    return found


def _key(table: Table) -> Column[Any]:
    return table.c.skill_id if table in _PARTS else next(iter(table.primary_key))
