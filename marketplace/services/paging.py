"""Cutting the answer of a query in pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func

from marketplace.extensions import db

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """`number` counts from 1; `total` is the number of rows on all pages."""

    items: Sequence[Row]
    number: int
    pages: int
    total: int


def page_of(query: Select[Any], *, number: int, size: int) -> Page[Any]:
    """Return one page of the rows; a number outside the pages gives the nearest one."""
    count = query.with_only_columns(func.count(), maintain_column_froms=True).order_by(None)
    total = db.session.scalar(count) or 0
    pages = max(1, -(-total // size))
    number = min(max(number, 1), pages)
    rows = db.session.scalars(query.limit(size).offset((number - 1) * size))
    return Page(rows.all(), number, pages, total)
