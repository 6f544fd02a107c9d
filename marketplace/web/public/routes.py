from flask import Blueprint, Response, jsonify, make_response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from marketplace.extensions import db
from marketplace.models import ListingKind
from marketplace.services import directory, listings, market, retention, rounds, skills, territories
from marketplace.services.mailer import public_url

bp = Blueprint("public", __name__)

LATEST = 3
CRAWL = """User-agent: *
Disallow: /mon-espace
Disallow: /moderation
Disallow: /mises-en-relation
Disallow: /publier
Sitemap: {sitemap}
"""


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
        "public/privacy.html", lifetime_days=listings.LIFETIME.days, retention=retention.RULES
    )


@bp.get("/mentions-legales")
def legal() -> ResponseReturnValue:
    return render_template("public/legal.html")


@bp.get("/accessibilite")
def accessibility() -> ResponseReturnValue:
    return render_template("public/accessibility.html")


@bp.get("/robots.txt")
def robots() -> Response:
    response = make_response(CRAWL.format(sitemap=public_url("integration.sitemap_index")))
    response.mimetype = "text/plain"
    return response


@bp.get("/healthz")
def healthz() -> Response:
    return jsonify(status="ok")


@bp.get("/readyz")
def readyz() -> Response:
    db.session.execute(text("SELECT 1"))
    return jsonify(status="ready")
