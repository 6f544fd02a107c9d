"""Loading the reference data of seeds/: places, sectors, skills. Again and again without doubles.

What the national administrator edited stays: the sheet of a skill once edited (label, description, levels,
relations), the words added, and those taken away. The files rule the rest.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Table, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    DecisionGround,
    Department,
    HelpLink,
    LinkFamily,
    LinkSize,
    Postcode,
    ReasonTemplate,
    Region,
    Sector,
    SeedFile,
    Skill,
    SkillDomain,
    SkillLevel,
    SkillRelation,
    SkillRemovedWord,
    SkillWord,
    Territory,
)
from marketplace.models.skills import LEVELS
from marketplace.services.text import fold_place
from marketplace.services.work import unit_of_work
from marketplace.settings import ROOT

SEEDS = ROOT / "seeds"
Rows = list[dict[str, str]]


class BrokenSeed(ValueError):
    """A reference file that cannot be read as it should; names the file and the line."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of one reference file. `rows`: rows of its main table afterwards."""

    name: str
    rows: int
    changed: bool


def load(seeds: Path = SEEDS, *, force: bool = False) -> list[Loaded]:
    """Load each file of `seeds` that changed since the last time, all in one transaction.

    Raises BrokenSeed when a file is missing or malformed: then nothing is written.
    """
    with unit_of_work():
        return [_load_file(seeds, *step, force=force) for step in _STEPS]


def _load_file(
    seeds: Path, files: tuple[str, ...], table: type[Any], store: Callable[..., None], *, force: bool
) -> Loaded:
    digest = hashlib.sha256(b"".join(_bytes(seeds / file) for file in files)).hexdigest()
    known = db.session.get(SeedFile, files[0])
    changed = force or known is None or known.sha256 != digest
    if changed:
        store(*(list(_read(seeds / file)) for file in files))
        db.session.merge(SeedFile(name=files[0], sha256=digest, loaded_at=clock.now()))
        db.session.flush()
    rows = db.session.scalar(select(func.count()).select_from(table)) or 0
    return Loaded(files[0], rows, changed)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BrokenSeed(f"{path.name}: {error.strerror}") from error


def _read(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=";", strict=True)
        for row in reader:
            if None in row or None in row.values():
                raise BrokenSeed(f"{path.name}, line {reader.line_num}: wrong number of columns")
            yield row


def _regions(rows: Rows) -> None:
    _upsert(Region, [{"code": r["code"], "name": r["name"]} for r in rows])


def _departments(rows: Rows) -> None:
    _upsert(Department, [{"code": r["code"], "name": r["name"], "region_code": r["region"]} for r in rows])


def _territories(rows: Rows) -> None:
    _upsert(
        Territory,
        [
            {
                "siren": r["siren"],
                "name": r["name"],
                "type": r["type"],
                "department_code": r["department"],
                "region_code": r["region"],
                "population": int(r["population"]),
                "lat": _float(r["lat"]),
                "lon": _float(r["lon"]),
            }
            for r in rows
        ],
    )


def _communes(rows: Rows) -> None:
    _upsert(
        Commune,
        [
            {
                "insee": r["insee"],
                "name": r["name"],
                "search_name": fold_place(r["name"]),
                "department_code": r["department"],
                "region_code": r["region"],
                "territory_siren": r["epci_siren"] or None,
                "population": int(r["population"] or 0),
                "lat": _float(r["lat"]),
                "lon": _float(r["lon"]),
            }
            for r in rows
        ],
    )
    db.session.execute(delete(Postcode))
    _insert(
        Postcode,
        [
            {"commune_insee": r["insee"], "code": code}
            for r in rows
            for code in dict.fromkeys(filter(None, r["postcodes"].split("|")))
        ],
    )


def _sectors(rows: Rows) -> None:
    parents = {r["code"]: r["parent"] for r in rows}
    _upsert(
        Sector,
        [
            {
                "code": r["code"],
                "label": r["label"],
                "level": r["level"],
                "parent_code": r["parent"] or None,
                "section": _top(r["code"], parents),
            }
            for r in rows
        ],
    )


def _top(code: str, parents: dict[str, str]) -> str:
    while parents.get(code):
        code = parents[code]
    return code


def _skills(rows: Rows, words: Rows, descriptions: Rows, levels: Rows) -> None:
    domains = {r["domain"]: r["domain_label"] for r in rows}
    _upsert(
        SkillDomain,
        [{"slug": slug, "label": label, "position": i} for i, (slug, label) in enumerate(domains.items())],
        key="slug",
    )
    told = {r["slug"]: r["description"] for r in descriptions}
    edited = set(db.session.scalars(select(Skill.slug).where(Skill.edited_in.is_not(None))))
    _upsert(
        Skill,
        [
            {
                "slug": r["slug"],
                "domain_slug": r["domain"],
                "label": r["label"],
                "description": told.get(r["slug"], ""),
                "digcomp": r["digcomp"],
                "position": i,
            }
            for i, r in enumerate(rows)
            if r["slug"] not in edited
        ],
        key="slug",
    )
    ids = {slug: key for slug, key in db.session.execute(select(Skill.slug, Skill.id))}
    _levels(levels, ids, edited)
    _relations(rows, ids, edited)
    _words(words, ids)


def _levels(rows: Rows, ids: dict[str, int], edited: set[str]) -> None:
    kept = [ids[slug] for slug in edited]
    db.session.execute(delete(SkillLevel).where(SkillLevel.skill_id.not_in(kept)))
    _insert(
        SkillLevel,
        [
            {"skill_id": _skill(ids, r["slug"]), "level": level, "text": r[f"level_{level}"]}
            for r in rows
            for level in LEVELS
            if r["slug"] not in edited
        ],
    )


def _relations(rows: Rows, ids: dict[str, int], edited: set[str]) -> None:
    """A relation holds in both directions; those of an edited skill stay as they are."""
    pairs = {
        pair
        for r in rows
        for slug in filter(None, r["related"].split("|"))
        for pair in ((_skill(ids, r["slug"]), _skill(ids, slug)), (_skill(ids, slug), _skill(ids, r["slug"])))
    }
    kept = {ids[slug] for slug in edited}
    old = SkillRelation.skill_id.not_in(kept), SkillRelation.related_id.not_in(kept)
    db.session.execute(delete(SkillRelation).where(*old))
    _insert(SkillRelation, [{"skill_id": a, "related_id": b} for a, b in sorted(pairs) if not {a, b} & kept])


def _words(rows: Rows, ids: dict[str, int]) -> None:
    db.session.execute(delete(SkillWord).where(~SkillWord.is_added))
    removed = select(SkillRemovedWord.skill_id, SkillRemovedWord.text)
    edited = {tuple(row) for row in db.session.execute(removed)}
    edited |= {tuple(row) for row in db.session.execute(select(SkillWord.skill_id, SkillWord.text))}
    unique = {(_skill(ids, r["slug"]), r["text"]): r["kind"] for r in rows}
    _insert(
        SkillWord,
        [
            {"skill_id": s, "text": t, "kind": kind, "is_added": False}
            for (s, t), kind in unique.items()
            if (s, t) not in edited
        ],
    )


def _links(rows: Rows) -> None:
    """Links that the administrator made or changed stay; those that left the file go."""
    edited = set(db.session.scalars(select(HelpLink.key).where(HelpLink.edited_at.is_not(None))))
    told = [_link(r, position) for position, r in enumerate(rows) if r["key"] not in edited]
    for link in told:  # a new address has not failed yet
        moved = HelpLink.key == link["key"], HelpLink.url != link["url"]
        db.session.execute(update(HelpLink).where(*moved).values(failures=0, status=None, tested_at=None))
    _upsert(HelpLink, told, key="key")
    kept = [*edited, *(link["key"] for link in told)]
    db.session.execute(delete(HelpLink).where(HelpLink.key.not_in(kept)))


def _link(row: dict[str, str], position: int) -> dict[str, Any]:
    try:
        return {
            **{name: row[name] for name in ("key", "name", "publisher", "reason", "url", "parameters")},
            "family": LinkFamily(row["family"]),
            "size": LinkSize(row["size"]),
            "domains": list(filter(None, row["domains"].split("|"))),
            "sections": list(filter(None, row["sections"].split("|"))),
            "position": position,
            "checked_on": date.fromisoformat(row["checked_on"]),
        }
    except ValueError as error:
        raise BrokenSeed(f"links.csv, {row['key']}: {error}") from error


def _skill(ids: dict[str, int], slug: str) -> int:
    if slug not in ids:
        raise BrokenSeed(f"unknown skill {slug!r}")
    return ids[slug]


def _reason_templates(rows: Rows) -> None:
    for row in rows:
        if row["ground"] not in set(DecisionGround):
            raise BrokenSeed(f"reason_templates.csv: unknown ground {row['ground']!r}")
    columns = ("code", "ground", "name", "facts", "explanation")
    _upsert(ReasonTemplate, [{name: row[name] for name in columns} for row in rows], key="code")


def _float(text: str) -> float | None:
    return float(text) if text else None


def _upsert(model: type[Any], rows: Sequence[dict[str, Any]], *, key: str = "") -> None:
    """Insert or update by primary key (or unique column `key`); other columns keep what they hold."""
    if not rows:
        return
    table: Table = model.__table__
    dialect = postgresql if db.engine.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    keys = [key] if key else [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    db.session.connection().execute(statement, rows)


def _insert(model: type[Any], rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        db.session.connection().execute(insert(model.__table__), rows)


_STEPS: tuple[tuple[tuple[str, ...], type[Any], Callable[..., None]], ...] = (
    (("regions.csv",), Region, _regions),
    (("departments.csv",), Department, _departments),
    (("territories.csv",), Territory, _territories),
    (("communes.csv",), Commune, _communes),
    (("naf.csv",), Sector, _sectors),
    (
        ("skills.csv", "skill_words.csv", "skill_descriptions.csv", "skill_levels.csv"),
        Skill,
        _skills,
    ),
    (("links.csv",), HelpLink, _links),
    (("reason_templates.csv",), ReasonTemplate, _reason_templates),
)
