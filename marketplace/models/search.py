"""What search reads: an entry per listing online, the words of all; and the searches that people saved."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.listings import RADIUS_MAX_KM, ListingKind
from marketplace.models.organisations import SizeClass
from marketplace.models.sectors import Sector
from marketplace.models.skills import Skill, SkillDomain
from marketplace.models.territories import Commune, Territory
from marketplace.models.types import TimestampMixin, UtcDateTime, closed_list, now
from marketplace.models.users import User

WORDS_MAX = 100


class Venue(StrEnum):
    ON_SITE = "on_site"
    REMOTE = "remote"


class Frequency(StrEnum):
    """How often a saved search sends what is new; `OFF`: never."""

    AT_ONCE = "at_once"
    DAILY = "daily"
    WEEKLY = "weekly"
    OFF = "off"


class SearchEntry(Model):
    """A listing online as search sees it, written by triggers only (models.search_index).

    A change makes a new entry: one with this id never changes. `title`, and `text`, which begins with it:
    folded words on SQLite, where FTS5 indexes them; documents in French on PostgreSQL. Dates are in seconds
    since 1970.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    listing_id: Mapped[int] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"), unique=True)
    organisation_id: Mapped[int]
    kind: Mapped[ListingKind] = mapped_column(closed_list(ListingKind, "search_kind"))
    skill_id: Mapped[int]
    skill_2_id: Mapped[int | None]
    skill_3_id: Mapped[int | None]
    territory_siren: Mapped[str | None] = mapped_column(String(9))
    sector_code: Mapped[str] = mapped_column(String(6))
    commune_insee: Mapped[str] = mapped_column(String(5))
    places: Mapped[int]
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    published_at: Mapped[float]
    expires_at: Mapped[float]
    title: Mapped[str] = mapped_column(Text().with_variant(TSVECTOR(), "postgresql"))
    text: Mapped[str] = mapped_column(Text().with_variant(TSVECTOR(), "postgresql"))

    __table_args__ = (
        Index("ix_search_entry_kind", "kind", "id"),
        Index("ix_search_entry_published", "published_at", "id"),
        Index("ix_search_entry_title", "title", postgresql_using="gin").ddl_if(dialect="postgresql"),
        Index("ix_search_entry_text", "text", postgresql_using="gin").ddl_if(dialect="postgresql"),
        {"sqlite_autoincrement": True},
    )


class SearchWord(Model):
    """A word that listings online use, folded: what a typing slip is compared with."""

    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(String(30), unique=True)

    __table_args__ = ({"sqlite_autoincrement": True},)


class SavedSearch(TimestampMixin, Model):
    """What somebody wants to hear of by mail when it is new.

    `is_default`: what is near the person's structure, wherever that is now; it holds no filter of its own.
    `looked_at`: until when it was looked through for what is new.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    is_default: Mapped[bool] = mapped_column(default=False)
    frequency: Mapped[Frequency] = mapped_column(closed_list(Frequency, "frequency"))
    looked_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    kind: Mapped[ListingKind | None] = mapped_column(closed_list(ListingKind, "saved_kind"))
    words: Mapped[str] = mapped_column(String(WORDS_MAX), default="")
    skill_id: Mapped[int | None] = mapped_column(ForeignKey("skill.id"))
    domain_slug: Mapped[str | None] = mapped_column(ForeignKey("skill_domain.slug"))
    commune_insee: Mapped[str | None] = mapped_column(ForeignKey("commune.insee"))
    radius_km: Mapped[int | None]
    territory_siren: Mapped[str | None] = mapped_column(ForeignKey("territory.siren"))
    sector_code: Mapped[str | None] = mapped_column(ForeignKey("sector.code"))
    size_class: Mapped[SizeClass | None] = mapped_column(closed_list(SizeClass, "saved_size"))
    venue: Mapped[Venue | None] = mapped_column(closed_list(Venue, "venue"))

    user: Mapped[User] = relationship(lazy="raise_on_sql")
    skill: Mapped[Skill | None] = relationship(lazy="raise_on_sql")
    domain: Mapped[SkillDomain | None] = relationship(lazy="raise_on_sql")
    commune: Mapped[Commune | None] = relationship(lazy="raise_on_sql")
    territory: Mapped[Territory | None] = relationship(lazy="raise_on_sql")
    sector: Mapped[Sector | None] = relationship(lazy="raise_on_sql")

    __table_args__ = (
        CheckConstraint(f"radius_km BETWEEN 0 AND {RADIUS_MAX_KM}", name="radius_bounds"),
        CheckConstraint("(commune_insee IS NULL) = (radius_km IS NULL)", name="radius_of_place"),
        Index(
            "ix_saved_search_default",
            "user_id",
            unique=True,
            sqlite_where=sql("is_default"),
            postgresql_where=sql("is_default"),
        ),
        Index("ix_saved_search_due", "frequency", "looked_at"),
    )


class SavedSearchNews(Model):
    """A listing that a saved search has told: it is not told again."""

    saved_search_id: Mapped[int] = mapped_column(
        ForeignKey("saved_search.id", ondelete="CASCADE"), primary_key=True
    )
    listing_id: Mapped[int] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"), primary_key=True)
    told_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)

    __table_args__ = (Index("ix_saved_search_news_listing", "listing_id"),)
