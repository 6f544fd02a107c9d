"""Labelled providers: external experts, the lists that name them, and what firms say of them."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.organisations import Organisation
from marketplace.models.skills import Skill
from marketplace.models.territories import Commune
from marketplace.models.types import TimestampMixin, UtcDateTime, closed_list, now
from marketplace.models.users import User

RATING_MIN, RATING_MAX = 1, 5


class ProviderKind(StrEnum):
    PUBLIC = "public"
    PRIVATE = "private"
    ASSOCIATION = "association"


class LabelKind(StrEnum):
    ACTIVATEUR = "activateur"
    EXPERTCYBER = "expertcyber"
    QUALIOPI = "qualiopi"
    OTHER = "other"


class PointSource(StrEnum):
    """Where a provider's point comes from: its commune, its address (BAN), or the list itself."""

    COMMUNE = "commune"
    ADDRESS = "address"
    FILE = "file"


class ReviewBasis(StrEnum):
    """What a review rests on: an exchange that the site knows of, or a service that its author declares."""

    EXCHANGE = "exchange"
    SERVICE = "service"


class ReviewState(StrEnum):
    PENDING = "pending"
    PUBLISHED = "published"
    REFUSED = "refused"


class ReviewGround(StrEnum):
    """The rule that a refused review, or a refused reply, does not respect."""

    NO_SERVICE = "no_service"
    PERSONAL_DATA = "personal_data"
    DISRESPECTFUL = "disrespectful"
    COMMERCIAL = "commercial"
    ILLEGAL = "illegal"


class ProviderList(Model):
    """A published list of labelled providers, as it was last imported. `version` counts the imports."""

    slug: Mapped[str] = mapped_column(String(60), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    publisher: Mapped[str] = mapped_column(String(120))
    url: Mapped[str] = mapped_column(String(300), default="")
    data_on: Mapped[date] = mapped_column(Date)
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    standing: Mapped[int]
    version: Mapped[int]


class Provider(TimestampMixin, Model):
    """An external expert, shown while it holds a label. `list_slug`: the list that its facts are taken from.

    `key`: its SIRET, else the list and its number there. `retired_at`: it stands in no list any more.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(120), unique=True)
    list_slug: Mapped[str] = mapped_column(ForeignKey("provider_list.slug"), index=True)
    siret: Mapped[str | None] = mapped_column(String(14))
    siren: Mapped[str | None] = mapped_column(String(9), index=True)
    name: Mapped[str] = mapped_column(String(160))
    # Folded: what lists are sorted by.
    sort_name: Mapped[str] = mapped_column(String(160))
    kind: Mapped[ProviderKind | None] = mapped_column(closed_list(ProviderKind, "provider_kind"))
    description: Mapped[str] = mapped_column(Text, default="")
    address: Mapped[str] = mapped_column(String(200), default="")
    commune_insee: Mapped[str] = mapped_column(ForeignKey("commune.insee"), index=True)
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    point_source: Mapped[PointSource] = mapped_column(closed_list(PointSource, "point_source"))
    website: Mapped[str] = mapped_column(String(300), default="")
    # Never shown: where the right of reply is sent.
    email: Mapped[str] = mapped_column(String(254), default="")
    # None: the list does not say.
    free_first_meeting: Mapped[bool | None]
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    commune: Mapped[Commune] = relationship(lazy="raise_on_sql")
    labels: Mapped[list["ProviderLabel"]] = relationship(
        back_populates="provider", order_by="ProviderLabel.id", lazy="raise_on_sql", passive_deletes=True
    )

    __table_args__ = (
        CheckConstraint("(lat IS NULL) = (lon IS NULL)", name="point_whole"),
        Index("ix_provider_point", "lat", "lon"),
        Index("ix_provider_sort", "sort_name", "id"),
    )


class ProviderLabel(Model):
    """What one list says of one provider. `withdrawn_on`: the date of the list that no longer held it.

    Without `valid_until` it holds as long as it stands in the list. `digest`: of the row as it was read.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.id", ondelete="CASCADE"), index=True)
    list_slug: Mapped[str] = mapped_column(ForeignKey("provider_list.slug"))
    record_key: Mapped[str] = mapped_column(String(60))
    kind: Mapped[LabelKind] = mapped_column(closed_list(LabelKind, "label_kind"))
    name: Mapped[str] = mapped_column(String(80))
    # What the label is for, in the words of the list: « actions de formation ».
    scopes: Mapped[list[str]] = mapped_column(JSON, default=list)
    valid_from: Mapped[date | None] = mapped_column(Date)
    valid_until: Mapped[date | None] = mapped_column(Date)
    page_url: Mapped[str] = mapped_column(String(300), default="")
    digest: Mapped[str] = mapped_column(String(32))
    withdrawn_on: Mapped[date | None] = mapped_column(Date)

    provider: Mapped[Provider] = relationship(back_populates="labels", lazy="raise_on_sql")
    source: Mapped[ProviderList] = relationship(lazy="raise_on_sql")
    themes: Mapped[list["ProviderTheme"]] = relationship(
        secondary="provider_label_theme", order_by="ProviderTheme.label", lazy="raise_on_sql", viewonly=True
    )

    __table_args__ = (
        UniqueConstraint("list_slug", "record_key"),
        CheckConstraint("valid_until >= valid_from", name="valid_in_order"),
    )

    def holds_on(self, day: date) -> bool:
        return self.withdrawn_on is None and (self.valid_until is None or self.valid_until >= day)


class ProviderTheme(Model):
    """A subject in the words of a list, and the skills that it stands for. `key`: its folded text."""

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)
    label: Mapped[str] = mapped_column(String(200))

    skills: Mapped[list[Skill]] = relationship(
        secondary="provider_theme_skill", order_by="Skill.position", lazy="raise_on_sql", viewonly=True
    )


class ProviderThemeSkill(Model):
    theme_id: Mapped[int] = mapped_column(
        ForeignKey("provider_theme.id", ondelete="CASCADE"), primary_key=True
    )
    skill_id: Mapped[int] = mapped_column(
        ForeignKey("skill.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class ProviderLabelTheme(Model):
    label_id: Mapped[int] = mapped_column(
        ForeignKey("provider_label.id", ondelete="CASCADE"), primary_key=True
    )
    theme_id: Mapped[int] = mapped_column(
        ForeignKey("provider_theme.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class ProviderOptOut(Model):
    """A provider that asked not to be here: no import brings it back.

    `identifier`: « siren:123456782 », or the list and its number there.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    identifier: Mapped[str] = mapped_column(String(120), unique=True)
    reason: Mapped[str] = mapped_column(String(300))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))


class ProviderReview(TimestampMixin, Model):
    """What a structure says of a provider, once a moderator has read it; one for each pair.

    The reply is the provider's: it too waits for a moderator unless an administrator enters it.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.id", ondelete="CASCADE"))
    organisation_id: Mapped[int] = mapped_column(
        ForeignKey("organisation.id", ondelete="CASCADE"), index=True
    )
    author_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"), index=True)
    # Territory of the provider: who moderates.
    territory_siren: Mapped[str | None] = mapped_column(ForeignKey("territory.siren"))
    basis: Mapped[ReviewBasis] = mapped_column(closed_list(ReviewBasis, "review_basis"))
    rating: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[ReviewState] = mapped_column(
        closed_list(ReviewState, "review_state"), default=ReviewState.PENDING
    )
    submitted_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    ground: Mapped[ReviewGround | None] = mapped_column(closed_list(ReviewGround, "review_ground"))
    facts: Mapped[str] = mapped_column(Text, default="")
    reply: Mapped[str] = mapped_column(Text, default="")
    reply_state: Mapped[ReviewState | None] = mapped_column(closed_list(ReviewState, "reply_state"))
    replied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    provider: Mapped[Provider] = relationship(lazy="raise_on_sql")
    organisation: Mapped[Organisation] = relationship(lazy="raise_on_sql")
    author: Mapped[User | None] = relationship(foreign_keys=[author_id], lazy="raise_on_sql")

    __table_args__ = (
        UniqueConstraint("provider_id", "organisation_id"),
        CheckConstraint(f"rating BETWEEN {RATING_MIN} AND {RATING_MAX}", name="rating_bounds"),
        CheckConstraint(
            "state <> 'refused' OR (ground IS NOT NULL AND length(facts) > 0)", name="refused_has_reasons"
        ),
        CheckConstraint("(reply_state IS NULL) = (replied_at IS NULL)", name="reply_has_date"),
        Index("ix_provider_review_queue", "territory_siren", "state", "submitted_at"),
    )
