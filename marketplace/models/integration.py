"""What reaches the site from elsewhere: visits from other sites, people known to an identity provider."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.types import UtcDateTime, closed_list, now
from marketplace.models.users import User

CAMPAIGN_MAX = 40


class VisitKind(StrEnum):
    """How somebody came, or what another site showed."""

    LINK = "link"
    WIDGET_SHOWN = "widget_shown"
    WIDGET = "widget"
    FEED = "feed"


class VisitCount(Model):
    """Visits of one day by kind, campaign and territory: numbers only, nobody's address, no cookie.

    `territory_siren` "": the address named none.
    """

    day: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[VisitKind] = mapped_column(closed_list(VisitKind, "visit_kind"), primary_key=True)
    campaign: Mapped[str] = mapped_column(String(CAMPAIGN_MAX), primary_key=True)
    territory_siren: Mapped[str] = mapped_column(String(9), primary_key=True)
    count: Mapped[int]

    __table_args__ = (CheckConstraint("count >= 1", name="count_from_one"),)


class ExternalIdentity(Model):
    """A person as an identity provider knows them: `subject` never changes, a mail address may."""

    id: Mapped[int] = mapped_column(primary_key=True)
    issuer: Mapped[str] = mapped_column(String(200))
    subject: Mapped[str] = mapped_column(String(255))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    # The territory whose head was told that this person works there and could moderate.
    proposed_to_siren: Mapped[str | None] = mapped_column(ForeignKey("territory.siren"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    last_login_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    user: Mapped[User] = relationship(lazy="raise_on_sql")

    __table_args__ = (UniqueConstraint("issuer", "subject"),)
