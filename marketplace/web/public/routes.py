from flask import Blueprint, Response, jsonify, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from marketplace.extensions import db
from marketplace.models import ListingKind
from marketplace.services import directory, skills

LATEST = 3

bp = Blueprint("public", __name__)


@bp.get("/")
def home() -> ResponseReturnValue:
    return render_template(
        "public/home.html",
        needs=directory.latest(ListingKind.NEED, limit=LATEST),
        offers=directory.latest(ListingKind.OFFER, limit=LATEST),
        domains=skills.all_by_domain(),
    )


@bp.get("/donnees-personnelles")
def privacy() -> ResponseReturnValue:
    return render_template("public/privacy.html")


@bp.get("/mentions-legales")
def legal() -> ResponseReturnValue:
    return render_template("public/legal.html")


@bp.get("/accessibilite")
def accessibility() -> ResponseReturnValue:
    return render_template("public/accessibility.html")


@bp.get("/algorithme")
def algorithm() -> ResponseReturnValue:
    return render_template("public/algorithm.html")


@bp.get("/healthz")
def healthz() -> Response:
    return jsonify(status="ok")


@bp.get("/readyz")
def readyz() -> Response:
    db.session.execute(text("SELECT 1"))
    return jsonify(status="ready")
