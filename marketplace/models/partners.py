"""Partners of a territory (chambers, tools of an EPCI) that publish by program for structures that agree."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.listings import Listing
from marketplace.models.organisations import Organisation
from marketplace.models.territories import Territory
from marketplace.models.types import TimestampMixin, UtcDateTime, now
from marketplace.models.users import User

NAME_MAX = 80
KEY_MAX = 64
PREFIX_LENGTH = 8


class Scope(StrEnum):
    """What a token lets its holder do."""

    READ_OWN = "listings:read-own"
    WRITE = "listings:write"


class Partner(TimestampMixin, Model):
    """Somebody who publishes by program in one territory, by tokens that the territory gives."""

    id: Mapped[int] = mapped_column(primary_key=True)
    territory_siren: Mapped[str] = mapped_column(ForeignKey("territory.siren"))
    name: Mapped[str] = mapped_column(String(NAME_MAX))

    territory: Mapped[Territory] = relationship(lazy="raise_on_sql")
    tokens: Mapped[list["PartnerToken"]] = relationship(
        back_populates="partner", order_by="PartnerToken.id.desc()", lazy="raise_on_sql"
    )

    __table_args__ = (UniqueConstraint("territory_siren", "name"),)


class PartnerToken(TimestampMixin, Model):
    """A secret given once. Kept: what it begins with, to find it, and its digest, to prove it."""

    id: Mapped[int] = mapped_column(primary_key=True)
    partner_id: Mapped[int] = mapped_column(ForeignKey("partner.id"), index=True)
    prefix: Mapped[str] = mapped_column(String(PREFIX_LENGTH), unique=True)
    sha256: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    issued_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))

    partner: Mapped[Partner] = relationship(back_populates="tokens", lazy="raise_on_sql")

    @property
    def held(self) -> list[Scope]:
        return [Scope(value) for value in self.scopes]


class PartnerConsent(Model):
    """A structure lets a partner publish for it. `given_by`: who manages it; their name stands for it."""

    partner_id: Mapped[int] = mapped_column(ForeignKey("partner.id"), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(
        ForeignKey("organisation.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    given_by_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    given_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    partner: Mapped[Partner] = relationship(lazy="raise_on_sql")
    organisation: Mapped[Organisation] = relationship(lazy="raise_on_sql")
    given_by: Mapped[User] = relationship(lazy="raise_on_sql")


class PartnerListing(Model):
    """A listing that came from a partner."""

    listing_id: Mapped[int] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"), primary_key=True)
    partner_id: Mapped[int] = mapped_column(ForeignKey("partner.id"))
    token_id: Mapped[int] = mapped_column(ForeignKey("partner_token.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    listing: Mapped[Listing] = relationship(lazy="raise_on_sql")

    __table_args__ = (Index("ix_partner_listing_partner", "partner_id", "listing_id"),)


class IdempotentRequest(Model):
    """A request with its key, so that sent again it is answered and not done again.

    `answer` None: it is under way since `started_at`.
    """

    token_id: Mapped[int] = mapped_column(ForeignKey("partner_token.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(KEY_MAX), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    __table_args__ = (CheckConstraint("length(key) >= 1", name="key_not_empty"),)
