"""People, how they prove who they are, and the rights they hold over territories."""

from datetime import datetime
from enum import StrEnum

from flask_login import UserMixin
from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.territories import Territory
from marketplace.models.types import TimestampMixin, UtcDateTime, closed_list, now


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
    # Since when a code of their phone is asked too; None: the password alone opens the account.
    second_factor_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    territory_roles: Mapped[list["TerritoryRole"]] = relationship(
        back_populates="user", cascade="all, delete-orphan"
    )

    __table_args__ = (CheckConstraint("email = lower(email)", name="email_lower"),)

    def get_id(self) -> str:
        return f"{self.id}.{self.session_version}"

    @property
    def is_confirmed(self) -> bool:
        return self.email_confirmed_at is not None


class SecondFactor(Model):
    """What the codes of a person's phone are made from (RFC 6238). `sealed_secret`: encrypted.

    `last_step`: the time step of the last code that was taken; an earlier or the same one is refused.
    """

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    sealed_secret: Mapped[str] = mapped_column(String(200))
    last_step: Mapped[int]


class RecoveryCode(Model):
    """A code for the day the phone is lost: it serves once. Only a keyed hash is kept."""

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    code_hash: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (UniqueConstraint("user_id", "code_hash"),)


class TerritoryRole(TimestampMixin, Model):
    """`user` moderates (or heads) this territory, and no other by this row."""

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    territory_siren: Mapped[str] = mapped_column(ForeignKey("territory.siren"), primary_key=True, index=True)
    role: Mapped[TerritoryRoleKind] = mapped_column(
        closed_list(TerritoryRoleKind, "territory_role"), default=TerritoryRoleKind.MODERATOR
    )

    user: Mapped[User] = relationship(back_populates="territory_roles")
    territory: Mapped[Territory] = relationship()


class TerritoryInvitation(Model):
    """A role offered by mail to an address, until it is accepted, withdrawn (deleted) or too old."""

    id: Mapped[int] = mapped_column(primary_key=True)
    territory_siren: Mapped[str] = mapped_column(ForeignKey("territory.siren"))
    email: Mapped[str] = mapped_column(String(254))
    role: Mapped[TerritoryRoleKind] = mapped_column(closed_list(TerritoryRoleKind, "invitation_role"))
    # None: the operator, by the command line.
    invited_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    sent_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    territory: Mapped[Territory] = relationship(lazy="raise_on_sql")

    __table_args__ = (
        UniqueConstraint("territory_siren", "email"),
        CheckConstraint("email = lower(email)", name="email_lower"),
    )
