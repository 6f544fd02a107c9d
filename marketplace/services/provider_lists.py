"""The lists of providers that the site can read, and their columns: the settings in seeds/providers.

A column is known by its folded name, so that « Code postal » and code_postal are one, wherever it stands.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from marketplace.models import LabelKind
from marketplace.services.text import fold
from marketplace.settings import ROOT

FOLDER = ROOT / "seeds" / "providers"
SOURCES = ("activateurs", "expertcyber", "qualiopi", "csv")
YES = "oui"
Row = Mapping[str, str]


class BrokenMapping(ValueError):
    """A settings file of lists or columns that makes no sense; names what is wrong."""


@dataclass(frozen=True, slots=True)
class Column:
    """Where a field may stand: `names`, folded, the first that is there; all of them when `is_several`."""

    field: str
    names: Sequence[str]
    is_required: bool
    separators: str

    @property
    def is_several(self) -> bool:
        return self.field == "themes"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFormat:
    """How one list is read. `rank`: of two lists that name a provider, the lower gives its facts.

    `months`: how long a label lasts when the list gives its start only. `only_mapped`: rows whose subjects
    stand for no skill are left out. `keeps_contact`: street, site and address of mail are kept.
    """

    slug: str
    source: str
    rank: int
    name: str
    publisher: str
    url: str
    kind: LabelKind
    label: str
    needs_date: bool
    months: int | None
    keeps_contact: bool
    only_mapped: bool
    themes: Sequence[str]
    columns: Sequence[Column]

    @property
    def known_names(self) -> frozenset[str]:
        return frozenset(name for column in self.columns for name in column.names)


def of_source(source: str, *, mapping: Path | None = None, name: str = "") -> ListFormat:
    """Return the format of a source. `mapping`: other columns, in the form of columns.csv.

    `name`: of the list, for the source « csv », which can be several lists. Raises BrokenMapping.
    """
    lists = _rows(FOLDER / "lists.csv")
    rank, told = next((rank, row) for rank, row in enumerate(lists) if row["slug"] == source)
    found = _format(told, rank, _columns(mapping or FOLDER / "columns.csv", source))
    if source != "csv":
        return found
    if not fold(name):
        raise BrokenMapping("a list of the source csv needs a name: --name « Label de la chambre »")
    slug = f"csv-{fold(name).replace(' ', '-')}"[:60]
    return replace(found, slug=slug, name=name[:120], publisher=name[:120])


def ranks() -> Callable[[str], int]:
    """Return what gives the rank of a list by its slug."""
    known = {row["slug"]: rank for rank, row in enumerate(_rows(FOLDER / "lists.csv"))}
    return lambda slug: known.get(slug, known["csv"])


def values(field: str) -> Mapping[str, str]:
    """Return what each text of a field means, by its folded text."""
    rows = _rows(FOLDER / "values.csv")
    return {fold(row["text"]): row["value"] for row in rows if row["field"] == field}


def themes() -> Mapping[str, Sequence[str]]:
    """Return the skills (slugs) that each subject stands for at first, by its text."""
    return {row["theme"]: row["skills"].split("|") for row in _rows(FOLDER / "themes.csv")}


def _format(row: Row, rank: int, columns: Sequence[Column]) -> ListFormat:
    return ListFormat(
        slug=row["slug"],
        source=row["slug"],
        rank=rank,
        name=row["name"],
        publisher=row["publisher"],
        url=row["url"],
        kind=LabelKind(row["kind"]),
        label=row["label"],
        needs_date=row["needs_date"] == YES,
        months=int(row["months"]) if row["months"] else None,
        keeps_contact=row["keeps_contact"] == YES,
        only_mapped=row["only_mapped"] == YES,
        themes=tuple(filter(None, row["themes"].split("|"))),
        columns=columns,
    )


def _columns(path: Path, source: str) -> tuple[Column, ...]:
    try:
        columns = tuple(
            Column(
                field=row["field"],
                names=tuple(fold(name) for name in row["columns"].split("|")),
                is_required=row["required"] == YES,
                separators=row["separators"],
            )
            for row in _rows(path)
            if row["list"] == source
        )
    except KeyError as error:
        raise BrokenMapping(f"{path.name}: no column {error}") from error
    if not columns:
        raise BrokenMapping(f"{path.name}: nothing about the list {source}")
    return columns


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file, delimiter=";", strict=True, restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BrokenMapping(f"{path.name}: {error}") from error
