"""What tells every process which listings changed since it last looked: see services.journal."""

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.extensions import Model


class MarketVersion(Model):
    """How often the open market has changed. One row, written last in its transaction.

    `epoch` is drawn anew when so much changed at once that `listing_change` does not tell it row by row.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    epoch: Mapped[str] = mapped_column(String(32))
    number: Mapped[int]

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)


class ListingChange(Model):
    """A listing that a version changed. No foreign key: it may be a deletion that is told."""

    version: Mapped[int] = mapped_column(primary_key=True)
    listing_id: Mapped[int] = mapped_column(primary_key=True)
