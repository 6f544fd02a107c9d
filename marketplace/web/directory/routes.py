from flask import Blueprint, Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from marketplace.services import places

bp = Blueprint("directory", __name__)


@bp.get("/besoins")
def needs() -> ResponseReturnValue:
    return render_template("public/home.html")


@bp.get("/savoir-faire")
def offers() -> ResponseReturnValue:
    return render_template("public/home.html")


@bp.get("/competences")
def skills() -> ResponseReturnValue:
    return render_template("public/home.html")


@bp.get("/competences/<slug>")
def skill(slug: str) -> ResponseReturnValue:
    return render_template("public/home.html")


@bp.get("/territoires")
def territories() -> ResponseReturnValue:
    return render_template("public/home.html")


@bp.get("/territoires/<siren>")
def territory(siren: str) -> ResponseReturnValue:
    return render_template("public/home.html")


@bp.get("/communes.json")
def suggest_communes() -> Response:
    """Propose communes to somebody who types; the label is what CommuneField understands."""
    found = places.suggest(request.args.get("q", ""))
    response = jsonify([{"insee": commune.insee, "label": places.said(commune)} for commune in found])
    response.cache_control.public = True
    response.cache_control.max_age = 3600
    return response
