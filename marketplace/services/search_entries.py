"""The facts about listings online, kept in memory as columns: thousands are sifted and counted at once.

An entry with a given id never changes (models.search), so that what is kept is never out of date: which
entries there are is asked of the database each time, and only the unknown ones are read.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields
from threading import Lock
from typing import Any

import numpy as np
from flask import current_app
from numpy.typing import NDArray
from sqlalchemy import Executable, String, case, cast, func, select
from sqlalchemy.sql import ColumnElement

from marketplace.extensions import db
from marketplace.models import ListingKind, SearchEntry
from marketplace.services import work

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
_EXTENSION = "search_entries"
# Entries kept that are no longer there, for each that is.
_DEAD_MAX = 1


@dataclass(frozen=True, slots=True)
class Entries:
    """Columns, one row an entry, by id. Places and sectors are numbers of code(); an unknown point is NaN."""

    id: IntArray
    listing: IntArray
    organisation: IntArray
    is_offer: IntArray
    skill: IntArray
    skill_2: IntArray
    skill_3: IntArray
    territory: IntArray
    sector: IntArray
    commune: IntArray
    places: IntArray
    lat: FloatArray
    lon: FloatArray
    published: FloatArray
    expires: FloatArray

    def __len__(self) -> int:
        return len(self.id)

    def take(self, rows: NDArray[Any]) -> "Entries":
        """Return the rows at these positions, or where this mask is true."""
        return Entries(*(getattr(self, column.name)[rows] for column in fields(self)))


def _nothing() -> Entries:
    return Entries(*(np.empty(0, np.int64 if kind is str else kind) for _, kind in _SOURCES))


@dataclass(slots=True)
class _Kept:
    lock: Lock = field(default_factory=Lock)
    entries: Entries = field(default_factory=_nothing)
    codes: dict[str, int] = field(default_factory=dict)


def get(ids: IntArray) -> Entries:
    """Return the entries of these ids, sorted, that the database told in this transaction.

    Raises RuntimeError inside a unit of work: SQLite would give the ids of what it rolls back once more.
    """
    if work.is_under_way():
        raise RuntimeError("search before the unit of work, not inside it")
    kept = _kept()
    found = kept.entries
    if not _holds(found, ids):
        with kept.lock:
            found = kept.entries = _with(kept, ids)
    return found if len(ids) == len(found) else found.take(np.searchsorted(found.id, ids))


def code(value: str) -> int:
    """Return the number that a commune, sector or territory has in the columns; -1: no entry has it."""
    return _kept().codes.get(value, -1)


def codes(passes: Callable[[str], bool]) -> IntArray:
    """Return the numbers of the communes, sectors and territories that pass."""
    known = list(_kept().codes.items())
    return np.array([number for value, number in known if passes(value)], np.int64)


def values(numbers: Collection[int]) -> dict[int, str]:
    """Return what numbers stand for; nothing for the one of no territory."""
    return {number: value for value, number in list(_kept().codes.items()) if number in numbers and value}


def told(query: Executable) -> IntArray:
    """Return the ids that a query of one aggregate of ids gives, sorted."""
    text: str | None = db.session.scalar(query)
    return np.sort(np.fromstring(text or "", dtype=np.int64, sep=","))


def ids() -> ColumnElement[str]:
    """Return the aggregate of the ids of entries, for told()."""
    return joined(SearchEntry.id)


def _holds(entries: Entries, ids: IntArray) -> bool:
    if not len(ids):
        return True
    rows = np.searchsorted(entries.id, ids)
    return bool(len(entries) and rows[-1:].max(initial=-1) < len(entries) and (entries.id[rows] == ids).all())


def _with(kept: _Kept, wanted: IntArray) -> Entries:
    """Return what is kept and what is not yet, without the entries that are gone once they are too many."""
    if _holds(kept.entries, wanted):  # another thread has read them meanwhile
        return kept.entries
    unknown = np.setdiff1d(wanted, kept.entries.id, assume_unique=True)
    new = _read(kept, SearchEntry.id.between(int(unknown[0]), int(unknown[-1])))
    both = Entries(
        *(
            np.concatenate([getattr(kept.entries, column.name), getattr(new, column.name)])
            for column in fields(Entries)
        )
    )
    _, first = np.unique(both.id, return_index=True)
    there = db.session.scalar(select(func.count()).select_from(SearchEntry)) or 0
    if len(first) > (1 + _DEAD_MAX) * max(there, 1000):
        return _read(kept, SearchEntry.id > 0)
    return both.take(first)


def _read(kept: _Kept, condition: ColumnElement[bool]) -> Entries:
    row = db.session.execute(select(*(joined(source) for source, _ in _SOURCES)).where(condition)).one()
    columns = [_column(kept, text or "", kind) for text, (_, kind) in zip(row, _SOURCES, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return Entries(*(column[order] for column in columns))


def _column(kept: _Kept, text: str, kind: type[Any]) -> NDArray[Any]:
    if kind is str:
        values = text.split(",") if text else []
        return np.array([kept.codes.setdefault(value, len(kept.codes) + 1) for value in values], np.int64)
    return np.fromstring(text, dtype=kind, sep=",")


def joined(column: Any) -> ColumnElement[str]:
    """Return the aggregate that told() reads: one text, as a row for each value would take thrice as long."""
    return func.aggregate_strings(cast(column, String), ",")


def _kept() -> _Kept:
    found: _Kept = current_app.extensions.setdefault(_EXTENSION, _Kept())
    return found


def _point(column: Any) -> ColumnElement[Any]:
    return func.coalesce(cast(column, String), "nan")


_SOURCES: tuple[tuple[Any, type[Any]], ...] = (
    (SearchEntry.id, np.int64),
    (SearchEntry.listing_id, np.int64),
    (SearchEntry.organisation_id, np.int64),
    (case((SearchEntry.kind == ListingKind.OFFER, 1), else_=0), np.int64),
    (SearchEntry.skill_id, np.int64),
    (func.coalesce(SearchEntry.skill_2_id, 0), np.int64),
    (func.coalesce(SearchEntry.skill_3_id, 0), np.int64),
    (func.coalesce(SearchEntry.territory_siren, ""), str),
    (SearchEntry.sector_code, str),
    (SearchEntry.commune_insee, str),
    (SearchEntry.places, np.int64),
    (_point(SearchEntry.lat), np.float64),
    (_point(SearchEntry.lon), np.float64),
    (SearchEntry.published_at, np.float64),
    (SearchEntry.expires_at, np.float64),
)
