"""Rows as the API shows them: only what the pages of the site show to anybody."""

from flask import url_for

from marketplace.api.schemas import (
    HALF_DAYS,
    CommuneRef,
    HalfDay,
    LabelOut,
    ListingOut,
    OrganisationRef,
    OwnListing,
    PlaceName,
    ProviderOut,
    SectorRef,
    SkillOut,
    SkillRef,
    TerritoryOut,
    TerritoryRef,
)
from marketplace.models import Listing, ListingKind, Organisation, Place, ProviderLabel, Skill
from marketplace.services import listings, providers
from marketplace.services.catalogue import CountedSkill, CountedTerritory
from marketplace.services.directory import Found

PLACES: dict[Place, PlaceName] = {
    Place.HELPER: "helper",
    Place.LEARNER: "learner",
    Place.REMOTE: "remote",
}


def listing(found: Found) -> ListingOut:
    """Return a listing that was loaded with listings.SHOWN."""
    row = found.listing
    is_offer = row.kind is ListingKind.OFFER
    return ListingOut(
        id=row.id,
        kind=row.kind.value,
        url=url_for("listings.show", listing_id=row.id, _external=True),
        title=row.title,
        description=row.description,
        skill=_skill_ref(row.skill),
        extra_skills=[_skill_ref(each.skill) for each in row.extra_skills],
        level=row.level,
        organisation=_organisation_ref(row.organisation),
        commune=CommuneRef(insee=row.commune.insee, name=row.commune.name),
        territory=TerritoryRef(siren=row.territory.siren, name=row.territory.name) if row.territory else None,
        places=places(row.places),
        radius_km=row.radius_km,
        half_days=half_days(row.availability),
        urgency=row.urgency,
        capacity=row.capacity if is_offer else None,
        places_left=max(listings.places_left(row), 0),
        is_permanent=row.is_permanent,
        competitors_refused_within_km=row.competitor_radius_km if row.avoid_competitors else None,
        distance_km=to_the_km(found.distance_km),
        published_at=row.published_at,
        expires_at=None if row.is_permanent else row.expires_at,
    )


def own(row: Listing) -> OwnListing:
    """Return a listing to the partner that created it, whatever its state."""
    return OwnListing(
        id=row.id,
        kind=row.kind.value,
        state=row.state.value,
        url=url_for("listings.show", listing_id=row.id, _external=True),
        title=row.title,
        skill=row.skill.slug,
        organisation=row.organisation.name,
        published_at=row.published_at,
        expires_at=row.expires_at,
    )


def skill(counted: CountedSkill) -> SkillOut:
    row = counted.skill
    return SkillOut(
        slug=row.slug,
        label=row.label,
        description=row.description,
        domain=row.domain_slug,
        domain_label=row.domain.label,
        related=[each.slug for each in row.related],
        url=url_for("directory.skill", slug=row.slug, _external=True),
        needs=counted.online.needs,
        offers=counted.online.offers,
    )


def territory(counted: CountedTerritory) -> TerritoryOut:
    row = counted.territory
    return TerritoryOut(
        siren=row.siren,
        name=row.name,
        type=row.type,
        department=row.department_code,
        region=row.region_code,
        population=row.population,
        is_open=row.is_open,
        url=url_for("directory.territory", siren=row.siren, _external=True),
        needs=counted.online.needs,
        offers=counted.online.offers,
    )


def provider(found: providers.Found) -> ProviderOut:
    row = found.provider
    return ProviderOut(
        id=row.id,
        name=row.name,
        kind=row.kind.value if row.kind else None,
        url=url_for("providers.show", provider_id=row.id, _external=True),
        website=row.website,
        commune=CommuneRef(insee=row.commune.insee, name=row.commune.name),
        labels=[_label(label) for label in found.labels],
        subjects=list(found.subjects),
        free_first_meeting=row.free_first_meeting,
        reviews=found.rating.count,
        rating=None if found.rating.average is None else round(found.rating.average, 1),
        distance_km=to_the_km(found.distance_km),
    )


def places(mask: int) -> list[PlaceName]:
    return [name for place, name in PLACES.items() if mask & place]


def half_days(mask: int) -> list[HalfDay]:
    return [name for bit, name in enumerate(HALF_DAYS) if mask >> bit & 1]


def to_the_km(distance: float | None) -> int | None:
    """Round as the pages do: nobody's address is to be found by measuring from several sides."""
    return None if distance is None else round(distance)


def _label(row: ProviderLabel) -> LabelOut:
    return LabelOut(
        kind=row.kind.value,
        name=row.name,
        scopes=row.scopes,
        valid_until=row.valid_until,
        source=row.source.name,
        source_date=row.source.data_on,
    )


def _skill_ref(row: Skill) -> SkillRef:
    return SkillRef(slug=row.slug, label=row.label, domain=row.domain_slug)


def _organisation_ref(row: Organisation) -> OrganisationRef:
    return OrganisationRef(
        id=row.id,
        name=row.name,
        url=url_for("organisations.show", organisation_id=row.id, _external=True),
        sector=SectorRef(code=row.sector.code, label=row.sector.label),
    )
