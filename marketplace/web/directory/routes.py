from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from marketplace.models import Commune, ListingKind
from marketplace.services import (
    directory,
    help_links,
    organisations,
    places,
    providers,
    sheets,
    skill_editions,
)
from marketplace.services import skills as skills_service
from marketplace.services.help_links import Situation
from marketplace.web.csv_files import csv_file
from marketplace.web.directory import filters
from marketplace.web.directory.forms import NearForm

bp = Blueprint("directory", __name__)

MOVED = 301
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
    form = NearForm(request.args)
    near = _near(form)
    sheet = sheets.skill(slug, near=near)
    if sheet.skill.successor:
        kept = urlencode(list(request.args.items(multi=True)))
        address = url_for(".skill", slug=sheet.skill.successor.slug)
        return redirect(f"{address}?{kept}" if kept else address, MOVED)
    return render_template(
        "directory/skill.html",
        sheet=sheet,
        form=form,
        help=help_links.for_situation(Situation(sheet.skill, commune=near)),
        providers=providers.near(skills_service.with_predecessors(sheet.skill.id), near),
    )


@bp.get("/competences.csv")
def skills_csv() -> Response:
    export = skill_editions.export()
    rows = [[_cell(value) for value in row.values()] for row in export.rows]
    return csv_file(f"competences-edition-{export.edition}.csv", skill_editions.EXPORT_COLUMNS, rows)


@bp.get("/competences.json")
def skills_json() -> Response:
    export = skill_editions.export()
    response = jsonify(edition=export.edition, skills=export.rows)
    response.cache_control.no_cache = True
    return response


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
    return render_template("directory/territory.html", sheet=sheets.territory(siren))


@bp.get("/communes.json")
def suggest_communes() -> Response:
    """Propose communes to somebody who types; the label is what CommuneField understands."""
    found = places.suggest(request.args.get("q", ""))
    response = jsonify([{"insee": commune.insee, "label": places.said(commune)} for commune in found])
    response.cache_control.public = True
    response.cache_control.max_age = SUGGESTIONS_MAX_AGE
    return response


def _near(form: NearForm) -> Commune | None:
    """Return the commune that the address says, else the one of the reader's structure."""
    form.validate()
    if form.commune.data or not current_user.is_authenticated:
        return form.commune.commune
    own = organisations.published_for(current_user)
    if own:
        form.commune.data = places.said(places.get(own[0].commune_insee) or own[0].commune)
    return own[0].commune if own else None


def _cell(value: object) -> object:
    return ", ".join(value) if isinstance(value, list) else value


def _list(kind: ListingKind) -> ResponseReturnValue:
    return filters.page("directory/listings.html", filters.read(request.args, list_of=kind))
