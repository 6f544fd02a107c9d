"""The history of the settings that a territory gives to the matcher."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.types import UtcDateTime, now
from marketplace.models.users import User

NOTE_MAX = 300


class PolicyVersion(Model):
    """Settings as applied: overrides of matching.Policy. Rows are only added; the highest number rules."""

    id: Mapped[int] = mapped_column(primary_key=True)
    territory_siren: Mapped[str] = mapped_column(ForeignKey("territory.siren"))
    number: Mapped[int]
    policy: Mapped[dict[str, Any]] = mapped_column(JSON)
    note: Mapped[str] = mapped_column(String(NOTE_MAX), default="")
    applied_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    # None: the operator, by the command line.
    applied_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))

    applied_by: Mapped[User | None] = relationship(lazy="raise_on_sql")

    __table_args__ = (
        UniqueConstraint("territory_siren", "number"),
        CheckConstraint("number >= 1", name="number_from_one"),
    )
