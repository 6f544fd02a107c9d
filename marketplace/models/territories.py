"""The map: regions, departments, intercommunalities (EPCI) and communes, as INSEE and DGCL publish them."""

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.types import closed_list

CONTACT_MAX = 300
TRUSTED_AFTER_MAX = 100


class ModerationMode(StrEnum):
    BEFORE = "a_priori"
    AFTER = "a_posteriori"


class Region(Model):
    code: Mapped[str] = mapped_column(String(3), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))


class Department(Model):
    code: Mapped[str] = mapped_column(String(3), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"))


class Territory(Model):
    """An intercommunality and its settings for the exchange. `is_open`: it moderates here itself."""

    siren: Mapped[str] = mapped_column(String(9), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    type: Mapped[str] = mapped_column(String(12))
    department_code: Mapped[str] = mapped_column(ForeignKey("department.code"), index=True)
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"))
    population: Mapped[int]
    lat: Mapped[float | None]
    lon: Mapped[float | None]

    is_open: Mapped[bool] = mapped_column(default=False)
    moderation_mode: Mapped[ModerationMode] = mapped_column(
        closed_list(ModerationMode, "moderation_mode"), default=ModerationMode.BEFORE
    )
    default_radius_km: Mapped[int] = mapped_column(default=20)
    welcome_text: Mapped[str] = mapped_column(Text, default="")
    # Whom to write to or call there, in free words.
    contact: Mapped[str] = mapped_column(String(CONTACT_MAX), default="", server_default=text("''"))
    charter: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    # Approvals after which a structure's unflagged listings show at once; 0: never.
    trusted_after: Mapped[int] = mapped_column(default=0, server_default="0")
    # Links to local partners: {"label", "url"}.
    partners: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)
    # Mark of the logo's content (TerritoryLogo); "": none.
    logo_mark: Mapped[str] = mapped_column(String(16), default="", server_default=text("''"))
    # Overrides of matching.Policy, checked by it before they are written.
    policy: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)

    department: Mapped[Department] = relationship(lazy="raise_on_sql")

    __table_args__ = (
        CheckConstraint("default_radius_km BETWEEN 0 AND 200", name="default_radius_bounds"),
        CheckConstraint(f"trusted_after BETWEEN 0 AND {TRUSTED_AFTER_MAX}", name="trusted_after_bounds"),
    )


class TerritoryLogo(Model):
    """The picture of a territory, apart so that no list loads it."""

    territory_siren: Mapped[str] = mapped_column(ForeignKey("territory.siren"), primary_key=True)
    media_type: Mapped[str] = mapped_column(String(20))
    content: Mapped[bytes] = mapped_column(LargeBinary)


class Commune(Model):
    """A commune; the point is its town hall, or a point inside its outline. None for 94 overseas communes."""

    insee: Mapped[str] = mapped_column(String(5), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    # Lower case, no accents, no punctuation: what autocomplete compares.
    search_name: Mapped[str] = mapped_column(String(80))
    department_code: Mapped[str] = mapped_column(ForeignKey("department.code"), index=True)
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"))
    territory_siren: Mapped[str | None] = mapped_column(ForeignKey("territory.siren"), index=True)
    population: Mapped[int]
    lat: Mapped[float | None]
    lon: Mapped[float | None]

    territory: Mapped[Territory | None] = relationship(lazy="raise_on_sql")
    postcodes: Mapped[list["Postcode"]] = relationship(
        order_by="Postcode.code", cascade="all, delete-orphan", lazy="raise_on_sql"
    )

    __table_args__ = (Index("ix_commune_search_name", "search_name", "population"),)


class Postcode(Model):
    commune_insee: Mapped[str] = mapped_column(
        ForeignKey("commune.insee", ondelete="CASCADE"), primary_key=True
    )
    code: Mapped[str] = mapped_column(String(5), primary_key=True, index=True)
