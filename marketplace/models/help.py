"""What helps besides an exchange: links to searches elsewhere, guides and testimonials, one's own path."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.listings import Listing
from marketplace.models.skills import Skill
from marketplace.models.territories import Territory
from marketplace.models.types import UtcDateTime, closed_list, now
from marketplace.models.users import User

URL_MAX, NAME_MAX, PARAMETERS_MAX, REASON_MAX = 300, 120, 200, 200
GUIDE_TITLE_MAX, GUIDE_TEXT_MAX, DECISION_MAX = 120, 1500, 500
# A link that fails so many times in a row is hidden.
FAILURES_HIDE = 2


class LinkFamily(StrEnum):
    DIAGNOSIS = "diagnosis"
    PUBLIC_TRAINING = "public_training"
    PRIVATE_TRAINING = "private_training"
    AID = "aid"


class LinkSize(StrEnum):
    """For whom a link is: very small firms (0–9 people), SMEs (10–249), or both."""

    ALL = "all"
    TPE = "tpe"
    PME = "pme"


class GuideKind(StrEnum):
    GUIDE = "guide"
    TESTIMONIAL = "testimonial"


class GuideState(StrEnum):
    PENDING = "pending"
    PUBLISHED = "published"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class PathStep(StrEnum):
    """The steps of a path, in their order."""

    EXCHANGE = "exchange"
    LEARN = "learn"
    PROVIDER = "provider"


class HelpLink(Model):
    """A page or a search elsewhere. `parameters`: « name={placeholder} » pairs, « | » between them."""

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(NAME_MAX))
    publisher: Mapped[str] = mapped_column(String(NAME_MAX))
    family: Mapped[LinkFamily] = mapped_column(closed_list(LinkFamily, "link_family"))
    reason: Mapped[str] = mapped_column(String(REASON_MAX))
    url: Mapped[str] = mapped_column(String(URL_MAX))
    parameters: Mapped[str] = mapped_column(String(PARAMETERS_MAX), default="")
    size: Mapped[LinkSize] = mapped_column(closed_list(LinkSize, "link_size"), default=LinkSize.ALL)
    # Slugs of skill domains and letters of NAF sections; empty: all.
    domains: Mapped[list[str]] = mapped_column(JSON, default=list)
    sections: Mapped[list[str]] = mapped_column(JSON, default=list)
    position: Mapped[int]
    is_active: Mapped[bool] = mapped_column(default=True)
    # When somebody last read the page behind it.
    checked_on: Mapped[date]
    # By the administrator: the file no longer changes it.
    edited_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # By `flask links check`: the HTTP status, None where nothing answered.
    tested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    status: Mapped[int | None]
    failures: Mapped[int] = mapped_column(default=0)

    @property
    def is_hidden(self) -> bool:
        """Say whether it failed too often to be shown."""
        return self.failures >= FAILURES_HIDE

    __table_args__ = (CheckConstraint("failures >= 0", name="failures_bounds"),)


class Guide(Model):
    """A guide or a testimonial that somebody shares. Everywhere and for all where nothing narrows it."""

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[GuideKind] = mapped_column(closed_list(GuideKind, "guide_kind"))
    state: Mapped[GuideState] = mapped_column(
        closed_list(GuideState, "guide_state"), default=GuideState.PENDING
    )
    title: Mapped[str] = mapped_column(String(GUIDE_TITLE_MAX))
    text: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(String(URL_MAX), default="")
    # Who says it: a territory, a federation, a firm.
    publisher: Mapped[str] = mapped_column(String(NAME_MAX))
    # The letter of a NAF section.
    section: Mapped[str | None] = mapped_column(ForeignKey("sector.code"))
    skill_id: Mapped[int | None] = mapped_column(ForeignKey("skill.id", ondelete="SET NULL"), index=True)
    territory_siren: Mapped[str | None] = mapped_column(ForeignKey("territory.siren"))
    proposed_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"), index=True)
    proposed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(Text, default="")

    skill: Mapped[Skill | None] = relationship(lazy="raise_on_sql")
    territory: Mapped[Territory | None] = relationship(lazy="raise_on_sql")
    proposed_by: Mapped[User | None] = relationship(foreign_keys=[proposed_by_id], lazy="raise_on_sql")

    __table_args__ = (
        CheckConstraint("(state = 'pending') = (decided_at IS NULL)", name="decided_has_date"),
        Index("ix_guide_list", "state", "territory_siren", "section"),
    )


class PathTick(Model):
    """A step of the path of a need that its structure has done."""

    listing_id: Mapped[int] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[PathStep] = mapped_column(closed_list(PathStep, "path_step"), primary_key=True)
    done_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))

    listing: Mapped[Listing] = relationship(lazy="raise_on_sql")
