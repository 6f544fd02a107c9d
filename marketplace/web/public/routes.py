from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from marketplace.extensions import db
from marketplace.models import ListingKind
from marketplace.services import directory, drafts, listings, market, rounds, skills, territories
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
    response = make_response(CRAWL.format(sitemap=_absolute("public.sitemap")))
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
    pages = [Address(_absolute(endpoint)) for endpoint in PAGES]
    about = [
        Address(_absolute("directory.skill", slug=skill.slug))
        for domain in skills.all_by_domain()
        for skill in domain.skills
    ]
    places = [
        Address(_absolute("directory.territory", siren=territory.siren))
        for territory in directory.open_territories()
    ]
    newest = [
        Address(_absolute("listings.show", listing_id=listing.id, slug=slug_of(listing)), listing.updated_at)
        for listing in directory.newest()
    ]
    return [*pages, *about, *places, *newest]


def _absolute(endpoint: str, **values: str | int) -> str:
    known: dict[str, Any] = values
    return str(current_app.config["PUBLIC_URL"]).rstrip("/") + url_for(endpoint, **known)
