"""Loading the reference data of seeds/: places, sectors, skills. Again and again without doubles."""

import csv
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Table, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    Department,
    Postcode,
    Region,
    Sector,
    SeedFile,
    Skill,
    SkillDomain,
    SkillRelation,
    SkillWord,
    Territory,
)
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


def _skills(rows: Rows, words: Rows, descriptions: Rows) -> None:
    domains = {r["domain"]: r["domain_label"] for r in rows}
    _upsert(
        SkillDomain,
        [{"slug": slug, "label": label, "position": i} for i, (slug, label) in enumerate(domains.items())],
        key="slug",
    )
    told = {r["slug"]: r["description"] for r in descriptions}
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
        ],
        key="slug",
    )
    ids = {slug: key for slug, key in db.session.execute(select(Skill.slug, Skill.id))}
    _relations(rows, ids)
    _words(words, ids)


def _relations(rows: Rows, ids: dict[str, int]) -> None:
    """A relation holds in both directions."""
    pairs = {
        pair
        for r in rows
        for slug in filter(None, r["related"].split("|"))
        for pair in ((_skill(ids, r["slug"]), _skill(ids, slug)), (_skill(ids, slug), _skill(ids, r["slug"])))
    }
    db.session.execute(delete(SkillRelation))
    _insert(SkillRelation, [{"skill_id": a, "related_id": b} for a, b in sorted(pairs)])


def _words(rows: Rows, ids: dict[str, int]) -> None:
    db.session.execute(delete(SkillWord))
    unique = {(_skill(ids, r["slug"]), r["text"]): r["kind"] for r in rows}
    _insert(SkillWord, [{"skill_id": s, "text": t, "kind": kind} for (s, t), kind in unique.items()])


def _skill(ids: dict[str, int], slug: str) -> int:
    if slug not in ids:
        raise BrokenSeed(f"unknown skill {slug!r}")
    return ids[slug]


def _float(text: str) -> float | None:
    return float(text) if text else None


def _upsert(model: type[Any], rows: Sequence[dict[str, Any]], *, key: str = "") -> None:
    """Insert or update by primary key (or unique column `key`); other columns keep what they hold."""
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
    (("skills.csv", "skill_words.csv", "skill_descriptions.csv"), Skill, _skills),
)
