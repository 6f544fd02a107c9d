from collections.abc import Sequence

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from marketplace.services import maps, provider_reviews, providers, rights
from marketplace.services.maps import Drawing, Point
from marketplace.services.providers import Found
from marketplace.web.display import km, slug_of_provider
from marketplace.web.providers import filters
from marketplace.web.providers.filters import Asked

bp = Blueprint("providers", __name__)

MOVED = 301
MAP = "carte"
# Marks that a map bears before they hide each other.
ON_MAP = 60


@bp.get("/prestataires")
def index() -> ResponseReturnValue:
    asked = filters.read(request.args)
    is_map = request.args.get("vue") == MAP
    number = request.args.get("page", default=1, type=int)
    results = providers.search(asked.filters, page=number, size=ON_MAP if is_map else providers.PER_PAGE)
    return render_template(
        "providers/index.html",
        asked=asked,
        results=results,
        is_map=is_map,
        drawing=_drawing(asked, results.page.items) if is_map else None,
    )


@bp.get("/prestataires/<int:provider_id>")
@bp.get("/prestataires/<int:provider_id>-<slug>")
def show(provider_id: int, slug: str = "") -> ResponseReturnValue:
    sheet = providers.show(provider_id)
    right = slug_of_provider(sheet.found.provider)
    if slug != right:
        response = redirect(url_for(".show", provider_id=provider_id, slug=right), MOVED)
        response.cache_control.no_cache = True  # the name may change back
        return response
    number = request.args.get("page", default=1, type=int)
    return render_template(
        "providers/show.html",
        sheet=sheet,
        reviews=provider_reviews.published(provider_id, page=number),
        may_suppress=current_user.is_authenticated and rights.is_administrator(current_user),
    )


def _drawing(asked: Asked, found: Sequence[Found]) -> Drawing:
    near = asked.filters.near
    points = [
        Point(
            one.provider.name,
            one.provider.lat,
            one.provider.lon,
            cells=(one.provider.commune.name, *((km(one.distance_km),) if near else ())),
            url=url_for(".show", provider_id=one.provider.id, slug=slug_of_provider(one.provider)),
        )
        for one in found
        if one.provider.lat is not None and one.provider.lon is not None
    ]
    columns = ("Prestataire", "Commune", *(("Distance",) if near else ()))
    communes = {one.provider.commune_insee for one in found} | ({near.insee} if near else set())
    return maps.draw_points(
        points, title="Prestataires labellisés", columns=columns, communes=sorted(communes)
    )
