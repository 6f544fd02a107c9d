from flask import Blueprint, Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from marketplace.models import ListingKind
from marketplace.services import directory, places
from marketplace.services import skills as skills_service
from marketplace.web.directory import filters

bp = Blueprint("directory", __name__)

SUGGESTIONS_MAX_AGE = 3600  # seconds


@bp.get("/besoins")
def needs() -> ResponseReturnValue:
    return _list(ListingKind.NEED)


@bp.get("/savoir-faire")
def offers() -> ResponseReturnValue:
    return _list(ListingKind.OFFER)


@bp.get("/competences")
def skills() -> ResponseReturnValue:
    return render_template(
        "directory/skills.html", domains=skills_service.all_by_domain(), counts=directory.counts()
    )


@bp.get("/competences/<slug>")
def skill(slug: str) -> ResponseReturnValue:
    return render_template("directory/skill.html", sheet=directory.skill(slug))


@bp.get("/territoires")
def territories() -> ResponseReturnValue:
    text = request.args.get("nom", "").strip()
    return render_template(
        "directory/territories.html",
        text=text,
        found=directory.find_territories(text),
        open_now=directory.open_territories(),
    )


@bp.get("/territoires/<siren>")
def territory(siren: str) -> ResponseReturnValue:
    return render_template("directory/territory.html", sheet=directory.territory(siren))


@bp.get("/communes.json")
def suggest_communes() -> Response:
    """Propose communes to somebody who types; the label is what CommuneField understands."""
    found = places.suggest(request.args.get("q", ""))
    response = jsonify([{"insee": commune.insee, "label": places.said(commune)} for commune in found])
    response.cache_control.public = True
    response.cache_control.max_age = SUGGESTIONS_MAX_AGE
    return response


def _list(kind: ListingKind) -> ResponseReturnValue:
    return filters.page("directory/listings.html", filters.read(request.args, list_of=kind))
