"""What anybody may read: one view per address, thin."""

from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import TypeVar

from apiflask import APIBlueprint
from flask import Response, jsonify

from marketplace.api import explained, http, problems, shown, spec
from marketplace.api.schemas import (
    ListingOut,
    Listings,
    ListingsQuery,
    PairOut,
    PairQuery,
    ProviderOut,
    Providers,
    ProvidersQuery,
    SituationOut,
    SkillFigures,
    SkillOut,
    Skills,
    SkillsQuery,
    Stats,
    StatsQuery,
    Territories,
    TerritoriesQuery,
    TerritoryOut,
)
from marketplace.models import Commune, LabelKind, Listing, ListingKind, ProviderKind, SizeClass, Venue
from marketplace.services import catalogue, directory, explanations, listings, places, providers, ranking
from marketplace.services import skills as skills_service
from marketplace.services.directory import Filters, Found
from marketplace.services.errors import FieldError, NotFound

Row = TypeVar("Row")

bp = APIBlueprint("api", __name__, url_prefix="/api/v1", tag="Lecture")
bp.before_request(http.limit_address)
bp.before_request(http.check_format)
problems.handle_all(bp)


@bp.get("/listings")
@bp.input(ListingsQuery, location="query")
@bp.output(Listings)
def listings_online(query_data: ListingsQuery) -> Response:
    """Besoins et savoir-faire en ligne, les plus récents d’abord."""
    since = query_data.published_since
    found, after = directory.newest_before(
        [ListingKind(query_data.kind)] if query_data.kind else list(ListingKind),
        _filters(query_data),
        before=_moment_and_id(query_data.cursor),
        since=datetime.combine(since, time.min, UTC) if since else None,
        limit=query_data.limit,
    )
    answer = Listings(data=[shown.listing(one) for one in found])
    told = None if after is None else (after[0].isoformat(), after[1])
    return http.slice_of(answer, after=told, include=http.only(query_data.fields, ListingOut))


@bp.get("/listings/<int:listing_id>")
@bp.output(ListingOut)
def listing(listing_id: int) -> Response:
    """Une annonce en ligne."""
    return http.respond(shown.listing(Found(_online(listing_id))))


@bp.get("/listings/<int:listing_id>/explain")
@bp.output(SituationOut)
def situation(listing_id: int) -> Response:
    """Ce qu’un besoin trouve aujourd’hui, et ce qui changerait la donne."""
    need = _online(listing_id)
    why = explanations.in_public(need) if need.kind is ListingKind.NEED else None
    if why is None:
        raise NotFound(f"no open need has the id {listing_id}")
    return http.respond(explained.situation(why))


@bp.get("/explain")
@bp.input(PairQuery, location="query")
@bp.output(PairOut)
def pair(query_data: PairQuery) -> Response:
    """Pourquoi un besoin et un savoir-faire vont ensemble, ou quelle règle s’y oppose."""
    need, offer = _online(query_data.need), _online(query_data.offer)
    if (need.kind, offer.kind) != (ListingKind.NEED, ListingKind.OFFER):
        raise NotFound("not a need and an offer")
    return http.respond(explained.pair(need, offer, ranking.judged(need, offer)))


@bp.get("/skills")
@bp.input(SkillsQuery, location="query")
@bp.output(Skills)
def skills(query_data: SkillsQuery) -> Response:
    """Le référentiel des compétences, avec ce qui est en ligne."""
    found, has_more = catalogue.skills(
        domain=_named("domain", skills_service.domain, query_data.domain),
        after=_key(query_data.cursor),
        limit=query_data.limit,
    )
    answer = Skills(data=[shown.skill(one) for one in found])
    after = (found[-1].skill.slug,) if has_more else None
    return http.slice_of(answer, after=after, include=http.only(query_data.fields, SkillOut))


@bp.get("/territories")
@bp.input(TerritoriesQuery, location="query")
@bp.output(Territories)
def territories_all(query_data: TerritoriesQuery) -> Response:
    """Les intercommunalités, avec ce qui y est en ligne."""
    found, has_more = catalogue.territories(
        is_open=None if query_data.open is None else query_data.open == "true",
        department=_named("department", catalogue.department, query_data.department),
        after=_key(query_data.cursor),
        limit=query_data.limit,
    )
    answer = Territories(data=[shown.territory(one) for one in found])
    after = (found[-1].territory.siren,) if has_more else None
    return http.slice_of(answer, after=after, include=http.only(query_data.fields, TerritoryOut))


@bp.get("/providers")
@bp.input(ProvidersQuery, location="query")
@bp.output(Providers)
def providers_labelled(query_data: ProvidersQuery) -> Response:
    """Les prestataires dont un label est valable, par ordre alphabétique."""
    mark = http.mark(query_data.cursor)
    found, after = providers.by_name_after(
        providers.Filters(
            skill=_named("skill", skills_service.by_slug, query_data.skill),
            label=LabelKind(query_data.label) if query_data.label else None,
            kind=ProviderKind(query_data.kind) if query_data.kind else None,
            is_free=query_data.free_first_meeting is not None,
            near=_near(query_data),
            radius_km=_radius(query_data),
        ),
        after=(mark[0], int(mark[1])) if mark else None,
        limit=query_data.limit,
    )
    answer = Providers(data=[shown.provider(one) for one in found])
    return http.slice_of(answer, after=after, include=http.only(query_data.fields, ProviderOut))


@bp.get("/stats")
@bp.input(StatsQuery, location="query")
@bp.output(Stats)
def stats(query_data: StatsQuery) -> Response:
    """Les chiffres d’un territoire, ou de toute la France."""
    figures = catalogue.figures(_named("territory", directory.territory_named, query_data.territory))
    return http.respond(
        Stats(
            territory=query_data.territory,
            needs=figures.online.needs,
            offers=figures.online.offers,
            organisations=figures.organisations,
            completed_exchanges=figures.exchanges,
            skills=[
                SkillFigures(skill=slug, needs=counted.needs, offers=counted.offers)
                for slug, counted in figures.skills
            ],
        )
    )


@bp.get("/openapi.json")
@bp.doc(hide=True)
def description() -> Response:
    return jsonify(spec.current())


def _online(listing_id: int) -> Listing:
    """Return a listing that anybody may read. Raises NotFound; ListingOver when it was public once."""
    return listings.show(listing_id, to=None)


def _filters(query: ListingsQuery) -> Filters:
    """Return the filters by the rows that they name. Raises Unknown for one that does not exist."""
    return Filters(
        skill=_named("skill", skills_service.by_slug, query.skill),
        domain=_named("domain", skills_service.domain, query.domain),
        near=_near(query),
        radius_km=_radius(query),
        territory=_named("territory", directory.territory_named, query.territory),
        sector=_named("sector", directory.sector, query.sector),
        size=SizeClass(query.size) if query.size else None,
        venue=Venue(query.venue) if query.venue else None,
    )


def _near(query: ListingsQuery | ProvidersQuery) -> Commune | None:
    """Return the commune asked for. Raises Unknown; FieldError for a radius around nothing."""
    near = _named("commune", places.get, query.commune)
    if query.radius is not None and near is None:
        raise FieldError("radius", "Un rayon se compte autour d’une commune : ajoutez « commune ».")
    return near


def _radius(query: ListingsQuery | ProvidersQuery) -> float:
    return directory.DEFAULT_RADIUS_KM if query.radius is None else query.radius


def _named(name: str, find: Callable[[str], Row | None], key: str | None) -> Row | None:
    """Return the row that a parameter names, None when it is left out. Raises Unknown."""
    if key is None:
        return None
    row = find(key)
    if row is None:
        raise problems.Unknown(name)
    return row


def _key(cursor: str) -> str:
    (key,) = http.mark(cursor) or [""]
    return key


def _moment_and_id(cursor: str) -> directory.Mark | None:
    if not cursor:
        return None
    moment, key = http.mark(cursor)
    return datetime.fromisoformat(moment), int(key)
