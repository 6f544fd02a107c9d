"""What partners do by program, with a token of their territory: create and close listings, see their own."""

import hashlib
from typing import cast

from apiflask import APIBlueprint, HTTPError, HTTPTokenAuth
from flask import Response, current_app, request

from marketplace.api import http, problems, shown
from marketplace.api.schemas import (
    HALF_DAYS,
    KeyHeader,
    NewListing,
    OwnListing,
    OwnListings,
    OwnQuery,
)
from marketplace.models import Listing, ListingKind, PartnerToken, Scope
from marketplace.services import partners, throttle
from marketplace.services import skills as skills_service
from marketplace.services.errors import FieldError
from marketplace.services.listings import ListingSheet
from marketplace.services.partners import Answer, Done

bp = APIBlueprint("partner_api", __name__, url_prefix="/api/v1/partner", tag="Partenaires")
bp.before_request(http.check_format)
problems.handle_all(bp)
auth = HTTPTokenAuth(scheme="Bearer", security_scheme_name="jeton")
# Tokens that one address may try in vain in a minute: far from enough to guess one.
VAIN_TRIES_MAX = 30
CREATED = 201
PLACES = {name: place for place, name in shown.PLACES.items()}


@auth.verify_token
def _token_of(secret: str) -> PartnerToken | None:
    try:
        token = partners.authenticate(secret)
    except partners.BadToken:
        throttle.count_attempt(f"api-token:{request.remote_addr}", limit=VAIN_TRIES_MAX, seconds=http.MINUTE)
        return None
    limit = current_app.config["API_PARTNER_REQUESTS_PER_MINUTE"]
    throttle.count_attempt(f"api-partner:{token.prefix}", limit=limit, seconds=http.MINUTE)
    return token


@auth.get_user_roles
def _scopes_of(token: PartnerToken) -> list[str]:
    return token.scopes


@auth.error_processor
def _refused(error: HTTPError) -> Response:
    return problems.answer(error.status_code)


@bp.post("/listings")
@bp.auth_required(auth, roles=[Scope.WRITE.value])
@bp.input(KeyHeader, location="headers")
@bp.input(NewListing, location="json")
@bp.output(OwnListing, status_code=CREATED)
def create(headers_data: KeyHeader, json_data: NewListing) -> Response:
    """Publier une annonce pour une structure qui a donné son accord."""
    done = partners.create_listing(
        _token(),
        ListingKind(json_data.kind),
        _sheet(json_data),
        siret=json_data.siret,
        key=_key(headers_data),
        fingerprint=_fingerprint(),
        told=_told,
    )
    return _answer(done, CREATED)


@bp.post("/listings/<int:listing_id>/close")
@bp.auth_required(auth, roles=[Scope.WRITE.value])
@bp.input(KeyHeader, location="headers")
@bp.output(OwnListing)
def close(listing_id: int, headers_data: KeyHeader) -> Response:
    """Retirer une annonce que vous avez publiée."""
    done = partners.close_listing(
        _token(), listing_id, key=_key(headers_data), fingerprint=_fingerprint(), told=_told
    )
    return _answer(done, http.OK)


@bp.get("/listings")
@bp.auth_required(auth, roles=[Scope.READ_OWN.value])
@bp.input(OwnQuery, location="query")
@bp.output(OwnListings)
def own(query_data: OwnQuery) -> Response:
    """Les annonces que vous avez publiées, les dernières d’abord, avec leur état."""
    mark = http.mark(query_data.cursor)
    rows, has_more = partners.own_listings(
        _token(), before=int(mark[0]) if mark else None, limit=query_data.limit
    )
    answer = OwnListings(data=[shown.own(row) for row in rows])
    return http.slice_of(answer, after=(rows[-1].id,) if has_more else None)


@bp.get("/listings/<int:listing_id>")
@bp.auth_required(auth, roles=[Scope.READ_OWN.value])
@bp.output(OwnListing)
def own_one(listing_id: int) -> Response:
    """Une annonce que vous avez publiée."""
    return http.respond(shown.own(partners.own_listing(_token(), listing_id)))


def _token() -> PartnerToken:
    return cast(PartnerToken, auth.current_user)


def _told(listing: Listing) -> Answer:
    row = partners.own_listing(_token(), listing.id)
    return shown.own(row).model_dump(mode="json")


def _answer(done: Done, status: int) -> Response:
    response = http.respond(OwnListing.model_validate(done.answer), status=status)
    if done.is_replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response


def _key(headers: KeyHeader) -> str:
    """Return the key without the quotes that the draft puts round it, and some clients do not."""
    return headers.idempotency_key.strip('"')


def _fingerprint() -> str:
    said = f"{request.method} {request.path}\n".encode() + request.get_data()
    return hashlib.sha256(said).hexdigest()


def _sheet(said: NewListing) -> ListingSheet:
    """Return what services.listings takes. Raises FieldError for a skill that does not exist."""
    main, *extra = [_skill_id(name, slug) for name, slug in _skills_of(said)]
    return ListingSheet(
        skill_id=main,
        extra_skill_ids=tuple(extra),
        level=said.level,
        title=said.title,
        description=said.description,
        places=sum(PLACES[name] for name in set(said.places)),
        radius_km=said.radius_km,
        availability=sum(1 << HALF_DAYS.index(name) for name in set(said.half_days)),
        urgency=said.urgency,
        capacity=said.capacity,
        total_limit=said.total_limit,
        is_permanent=said.is_permanent,
        avoid_competitors=said.avoid_competitors,
        competitor_radius_km=said.competitor_radius_km,
    )


def _skills_of(said: NewListing) -> list[tuple[str, str]]:
    return [("skill", said.skill), *(("extra_skills", slug) for slug in said.extra_skills)]


def _skill_id(field: str, slug: str) -> int:
    skill = skills_service.by_slug(slug)
    if skill is None:
        raise FieldError(field, f"Compétence inconnue : {slug}.")
    return skill.id
