"""The NAF rev. 2 tree: section > division > group > class > subclass."""

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.extensions import Model


class Sector(Model):
    code: Mapped[str] = mapped_column(String(6), primary_key=True)
    label: Mapped[str] = mapped_column(String(250))
    level: Mapped[str] = mapped_column(String(10))
    parent_code: Mapped[str | None] = mapped_column(ForeignKey("sector.code"))
    # The letter at the top of the branch: one indexed comparison instead of a walk up the tree.
    section: Mapped[str] = mapped_column(String(1), index=True)

    __table_args__ = (
        CheckConstraint("level IN ('section', 'division', 'group', 'class', 'subclass')", name="level_known"),
    )
