"""Listings: a need (a skill to learn) or an offer (a skill to pass on)."""

from datetime import datetime
from enum import IntFlag, StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.organisations import Organisation
from marketplace.models.skills import Skill
from marketplace.models.territories import Commune, Territory
from marketplace.models.types import TimestampMixin, UtcDateTime, closed_list
from marketplace.models.users import User

TITLE_MIN, TITLE_MAX = 5, 100
DESCRIPTION_MIN, DESCRIPTION_MAX = 20, 3000
RADIUS_MAX_KM = 200
CAPACITY_MAX = 50
TOTAL_MAX = 1000
EXTRA_SKILLS_MAX = 2
HALF_DAYS = 14


class ListingKind(StrEnum):
    NEED = "need"
    OFFER = "offer"

    @property
    def opposite(self) -> "ListingKind":
        return ListingKind.OFFER if self is ListingKind.NEED else ListingKind.NEED


class ListingState(StrEnum):
    DRAFT = "draft"
    PENDING = "pending"
    PUBLISHED = "published"
    PAUSED = "paused"
    FULFILLED = "fulfilled"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    CHANGES_REQUESTED = "changes_requested"
    REJECTED = "rejected"
    REMOVED = "removed"


class Place(IntFlag):
    """Where an exchange can happen; a pair needs at least one place in common."""

    HELPER = 1
    LEARNER = 2
    REMOTE = 4


_S = ListingState
TRANSITIONS: dict[ListingState, frozenset[ListingState]] = {
    _S.DRAFT: frozenset({_S.PENDING, _S.PUBLISHED, _S.WITHDRAWN}),
    _S.PENDING: frozenset({_S.PUBLISHED, _S.CHANGES_REQUESTED, _S.REJECTED, _S.WITHDRAWN}),
    # Straight to published: the request was taken back, as a refusal or a removal can be.
    _S.CHANGES_REQUESTED: frozenset({_S.PENDING, _S.PUBLISHED, _S.WITHDRAWN}),
    # Back to pending: its author changed the text and the territory reads before publication.
    _S.PUBLISHED: frozenset({_S.PENDING, _S.PAUSED, _S.FULFILLED, _S.EXPIRED, _S.WITHDRAWN, _S.REMOVED}),
    _S.PAUSED: frozenset({_S.PENDING, _S.PUBLISHED, _S.FULFILLED, _S.EXPIRED, _S.WITHDRAWN, _S.REMOVED}),
    _S.EXPIRED: frozenset({_S.PUBLISHED, _S.PENDING, _S.WITHDRAWN}),
    _S.FULFILLED: frozenset(),
    _S.WITHDRAWN: frozenset(),
    _S.REJECTED: frozenset({_S.PUBLISHED}),
    _S.REMOVED: frozenset({_S.PUBLISHED}),
}
EDITABLE = frozenset({_S.DRAFT, _S.PENDING, _S.CHANGES_REQUESTED, _S.PUBLISHED, _S.PAUSED})


class InvalidTransition(Exception):
    """A state change that the closed table of allowed moves does not hold."""

    def __init__(self, subject: str, source: str, target: str) -> None:
        super().__init__(f"{subject}: {source} → {target} is not allowed")
        self.source, self.target = source, target


class Listing(TimestampMixin, Model):
    """A need or an offer.

    The place (commune, territory, point) and the sector are copied from the structure so that lists filter on
    one index. `live_matches` counts the matches that hold a place; the CHECK keeps it within `capacity`
    whatever happens at the same time. A need has capacity 1.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[ListingKind] = mapped_column(closed_list(ListingKind, "listing_kind"))
    state: Mapped[ListingState] = mapped_column(
        closed_list(ListingState, "listing_state"), default=ListingState.DRAFT
    )
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"), index=True)

    skill_id: Mapped[int] = mapped_column(ForeignKey("skill.id"))
    level: Mapped[int]
    title: Mapped[str] = mapped_column(String(TITLE_MAX))
    description: Mapped[str] = mapped_column(Text)

    commune_insee: Mapped[str] = mapped_column(ForeignKey("commune.insee"), index=True)
    territory_siren: Mapped[str | None] = mapped_column(ForeignKey("territory.siren"))
    sector_code: Mapped[str] = mapped_column(ForeignKey("sector.code"))
    lat: Mapped[float | None]
    lon: Mapped[float | None]

    places: Mapped[int]
    radius_km: Mapped[int]
    # Bit 2·day + (0 morning, 1 afternoon), Monday first; 0: any time.
    availability: Mapped[int] = mapped_column(default=0)
    urgency: Mapped[int | None]
    capacity: Mapped[int] = mapped_column(default=1)
    total_limit: Mapped[int | None]
    is_permanent: Mapped[bool] = mapped_column(default=False)
    avoid_competitors: Mapped[bool] = mapped_column(default=False)
    competitor_radius_km: Mapped[int] = mapped_column(default=10)

    live_matches: Mapped[int] = mapped_column(default=0)
    completed_matches: Mapped[int] = mapped_column(default=0)

    # Names of the pre-checks that the text set off (services.prechecks).
    flags: Mapped[list[str]] = mapped_column(JSON, default=list)
    submitted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Days before expiry of the last reminder sent (7, then 1); None: none yet.
    last_reminder_days: Mapped[int | None]

    organisation: Mapped[Organisation] = relationship(lazy="raise_on_sql")
    author: Mapped[User | None] = relationship(lazy="raise_on_sql")
    skill: Mapped[Skill] = relationship(lazy="raise_on_sql")
    extra_skills: Mapped[list["ListingSkill"]] = relationship(
        order_by="ListingSkill.rank", cascade="all, delete-orphan", lazy="raise_on_sql"
    )
    commune: Mapped[Commune] = relationship(lazy="raise_on_sql")
    territory: Mapped[Territory | None] = relationship(lazy="raise_on_sql")

    __table_args__ = (
        # What a match points to: a need or an offer of that structure.
        UniqueConstraint("id", "organisation_id", "kind"),
        CheckConstraint(f"length(title) <= {TITLE_MAX}", name="title_length"),
        CheckConstraint(f"length(description) <= {DESCRIPTION_MAX}", name="description_length"),
        CheckConstraint("level BETWEEN 1 AND 4", name="level_bounds"),
        CheckConstraint("places BETWEEN 1 AND 7", name="places_bounds"),
        CheckConstraint(f"radius_km BETWEEN 0 AND {RADIUS_MAX_KM}", name="radius_bounds"),
        CheckConstraint(f"availability BETWEEN 0 AND {(1 << HALF_DAYS) - 1}", name="availability_bounds"),
        CheckConstraint(f"capacity BETWEEN 1 AND {CAPACITY_MAX}", name="capacity_bounds"),
        CheckConstraint("total_limit >= 1", name="total_limit_bounds"),
        CheckConstraint("kind <> 'need' OR (capacity = 1 AND total_limit IS NULL)", name="need_capacity"),
        CheckConstraint("(kind = 'need') = (urgency IS NOT NULL)", name="urgency_of_needs"),
        CheckConstraint("urgency BETWEEN 1 AND 3", name="urgency_bounds"),
        CheckConstraint("kind = 'offer' OR NOT is_permanent", name="permanent_offers"),
        CheckConstraint("live_matches BETWEEN 0 AND capacity", name="live_within_capacity"),
        CheckConstraint(
            "total_limit IS NULL OR live_matches + completed_matches <= total_limit",
            name="total_within_limit",
        ),
        CheckConstraint(f"competitor_radius_km BETWEEN 0 AND {RADIUS_MAX_KM}", name="competitor_bounds"),
        CheckConstraint("(lat IS NULL) = (lon IS NULL)", name="point_whole"),
        CheckConstraint(
            "state NOT IN ('published', 'paused', 'fulfilled', 'expired') OR "
            "(published_at IS NOT NULL AND expires_at IS NOT NULL)",
            name="published_has_dates",
        ),
        CheckConstraint("state <> 'pending' OR submitted_at IS NOT NULL", name="pending_has_date"),
        Index("ix_listing_browse_date", "kind", "state", "published_at", "id"),
        Index("ix_listing_browse_skill", "kind", "state", "skill_id", "lat", "lon"),
        Index("ix_listing_browse_place", "kind", "state", "lat", "lon"),
        Index("ix_listing_browse_territory", "territory_siren", "kind", "state", "published_at"),
        Index("ix_listing_queue", "state", "territory_siren", "submitted_at"),
        Index("ix_listing_expiry", "state", "expires_at"),
    )

    def transition(self, target: ListingState) -> None:
        """Move to `target`. Raises InvalidTransition when TRANSITIONS does not hold the move."""
        if target not in TRANSITIONS[self.state]:
            raise InvalidTransition(f"listing {self.id}", self.state, target)
        self.state = target


class ListingSkill(Model):
    """A further skill of a listing: rank 1 or 2; the main one stands in the listing."""

    listing_id: Mapped[int] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    skill_id: Mapped[int] = mapped_column(ForeignKey("skill.id"))

    skill: Mapped[Skill] = relationship(lazy="raise_on_sql")

    __table_args__ = (
        UniqueConstraint("listing_id", "skill_id"),
        CheckConstraint(f"rank BETWEEN 1 AND {EXTRA_SKILLS_MAX}", name="rank_bounds"),
        Index("ix_listing_skill_skill", "skill_id", "listing_id"),
    )


class ListingDraft(TimestampMixin, Model):
    """What somebody typed in a publishing form and could not send yet: errors, or no account.

    Found again by the person, or by the token in the visitor's session.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(String(43), unique=True)
    kind: Mapped[ListingKind] = mapped_column(closed_list(ListingKind, "draft_kind"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (UniqueConstraint("user_id", "kind"),)
