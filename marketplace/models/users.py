"""People, and the rights they hold over territories."""

from datetime import datetime
from enum import StrEnum

from flask_login import UserMixin
from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.territories import Territory
from marketplace.models.types import TimestampMixin, UtcDateTime, closed_list


class TerritoryRoleKind(StrEnum):
    MODERATOR = "moderator"
    HEAD = "head"


class User(TimestampMixin, UserMixin, Model):
    """A person. `email` is kept in lower case; the account opens once it is confirmed."""

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    phone: Mapped[str] = mapped_column(String(20), default="")
    password_hash: Mapped[str] = mapped_column(String(200))
    email_confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_admin: Mapped[bool] = mapped_column(default=False)
    # Changed to end every open session of the person (new password, new address).
    session_version: Mapped[int] = mapped_column(default=1)

    territory_roles: Mapped[list["TerritoryRole"]] = relationship(
        back_populates="user", cascade="all, delete-orphan"
    )

    __table_args__ = (CheckConstraint("email = lower(email)", name="email_lower"),)

    def get_id(self) -> str:
        return f"{self.id}.{self.session_version}"

    @property
    def is_confirmed(self) -> bool:
        return self.email_confirmed_at is not None


class TerritoryRole(TimestampMixin, Model):
    """`user` moderates (or heads) this territory, and no other by this row."""

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    territory_siren: Mapped[str] = mapped_column(ForeignKey("territory.siren"), primary_key=True, index=True)
    role: Mapped[TerritoryRoleKind] = mapped_column(
        closed_list(TerritoryRoleKind, "territory_role"), default=TerritoryRoleKind.MODERATOR
    )

    user: Mapped[User] = relationship(back_populates="territory_roles")
    territory: Mapped[Territory] = relationship()
