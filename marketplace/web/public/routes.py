from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, jsonify, make_response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from marketplace.extensions import db
from marketplace.models import Listing, ListingKind
from marketplace.services import directory, drafts, listings, market, rounds, skills, territories
from marketplace.services.mailer import public_url
from marketplace.web.display import slug_of

bp = Blueprint("public", __name__)

LATEST = 3
MAP_MAX_AGE = 3600  # seconds
PAGES = (
    "public.home",
    "directory.needs",
    "directory.offers",
    "directory.skills",
    "directory.territories",
    "public.algorithm",
    "public.accessibility",
    "public.privacy",
    "public.legal",
)
CRAWL = """User-agent: *
Disallow: /mon-espace
Disallow: /moderation
Disallow: /mises-en-relation
Disallow: /publier
Sitemap: {sitemap}
"""


@dataclass(frozen=True, slots=True)
class Address:
    """A page of the sitemap; `changed` None when nobody counts."""

    url: str
    changed: datetime | None = None


@bp.get("/")
def home() -> ResponseReturnValue:
    return render_template(
        "public/home.html",
        needs=directory.latest(ListingKind.NEED, limit=LATEST),
        offers=directory.latest(ListingKind.OFFER, limit=LATEST),
        domains=skills.all_by_domain(),
    )


@bp.get("/algorithme")
def algorithm() -> ResponseReturnValue:
    """What the matcher does; with the weights of one territory when the address names it."""
    siren = request.args.get("territoire")
    territory = territories.get(siren) if siren else None
    told = market.settings(market.policy(territory))
    return render_template(
        "public/algorithm.html",
        territory=territory,
        version=told.version,
        weights=told.weights,
        settings=told.others,
        rounds=rounds.latest(),
    )


@bp.get("/donnees-personnelles")
def privacy() -> ResponseReturnValue:
    return render_template(
        "public/privacy.html", lifetime_days=listings.LIFETIME.days, draft_days=drafts.KEPT.days
    )


@bp.get("/mentions-legales")
def legal() -> ResponseReturnValue:
    return render_template("public/legal.html")


@bp.get("/accessibilite")
def accessibility() -> ResponseReturnValue:
    return render_template("public/accessibility.html")


@bp.get("/robots.txt")
def robots() -> Response:
    response = make_response(CRAWL.format(sitemap=public_url("public.sitemap")))
    response.mimetype = "text/plain"
    return response


@bp.get("/sitemap.xml")
def sitemap() -> Response:
    response = make_response(render_template("public/sitemap.xml", entries=_addresses()))
    response.mimetype = "application/xml"
    response.cache_control.public = True
    response.cache_control.max_age = MAP_MAX_AGE
    return response


@bp.get("/healthz")
def healthz() -> Response:
    return jsonify(status="ok")


@bp.get("/readyz")
def readyz() -> Response:
    db.session.execute(text("SELECT 1"))
    return jsonify(status="ready")


def _addresses() -> list[Address]:
    """Return what search engines may find: pages, skills, open territories, the newest listings."""
    pages = [Address(public_url(endpoint)) for endpoint in PAGES]
    about = [
        Address(public_url("directory.skill", slug=skill.slug))
        for domain in skills.all_by_domain()
        for skill in domain.skills
    ]
    places = [
        Address(public_url("directory.territory", siren=territory.siren))
        for territory in directory.open_territories()
    ]
    return [*pages, *about, *places, *map(_listing_address, directory.newest())]


def _listing_address(listing: Listing) -> Address:
    return Address(
        public_url("listings.show", listing_id=listing.id, slug=slug_of(listing)), listing.updated_at
    )
