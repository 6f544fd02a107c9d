"""Structures (firms, associations, public bodies) and the people who speak for them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.sectors import Sector
from marketplace.models.territories import Commune
from marketplace.models.types import TimestampMixin, UtcDateTime, closed_list
from marketplace.models.users import User


class OrganisationKind(StrEnum):
    FIRM = "firm"
    ASSOCIATION = "association"
    PUBLIC = "public"


class SizeClass(StrEnum):
    """Staff, as the register's size brackets."""

    NONE = "0"
    MICRO = "1-9"
    SMALL = "10-49"
    MEDIUM = "50-249"
    LARGE = "250+"


class MembershipRole(StrEnum):
    EMPLOYEE = "employee"
    MANAGER = "manager"


class MembershipState(StrEnum):
    REQUESTED = "requested"
    ACTIVE = "active"
    REFUSED = "refused"
    ENDED = "ended"


class Organisation(TimestampMixin, Model):
    """An establishment, known by its SIRET. The point is its address, or its commune's."""

    id: Mapped[int] = mapped_column(primary_key=True)
    siret: Mapped[str] = mapped_column(String(14), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    kind: Mapped[OrganisationKind] = mapped_column(
        closed_list(OrganisationKind, "organisation_kind"), default=OrganisationKind.FIRM
    )
    size_class: Mapped[SizeClass] = mapped_column(
        closed_list(SizeClass, "size_class"), default=SizeClass.MICRO
    )
    sector_code: Mapped[str] = mapped_column(ForeignKey("sector.code"))
    commune_insee: Mapped[str] = mapped_column(ForeignKey("commune.insee"), index=True)
    address: Mapped[str] = mapped_column(String(200), default="")
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    is_demonstration: Mapped[bool] = mapped_column(default=False)
    suspended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    sector: Mapped[Sector] = relationship(lazy="raise_on_sql")
    commune: Mapped[Commune] = relationship(lazy="raise_on_sql")
    memberships: Mapped[list["Membership"]] = relationship(
        back_populates="organisation", cascade="all, delete-orphan", lazy="raise_on_sql"
    )

    __table_args__ = (
        CheckConstraint("length(siret) = 14", name="siret_length"),
        CheckConstraint("(lat IS NULL) = (lon IS NULL)", name="point_whole"),
    )


class Membership(TimestampMixin, Model):
    """A person speaks for a structure once the row is active."""

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id", ondelete="CASCADE"))
    role: Mapped[MembershipRole] = mapped_column(
        closed_list(MembershipRole, "membership_role"), default=MembershipRole.EMPLOYEE
    )
    state: Mapped[MembershipState] = mapped_column(
        closed_list(MembershipState, "membership_state"), default=MembershipState.REQUESTED
    )
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))

    user: Mapped[User] = relationship(foreign_keys=[user_id], lazy="raise_on_sql")
    organisation: Mapped[Organisation] = relationship(back_populates="memberships", lazy="raise_on_sql")

    __table_args__ = (
        UniqueConstraint("user_id", "organisation_id"),
        Index("ix_membership_organisation_state", "organisation_id", "state"),
    )
