"""The frame that other sites show: no cookie, no session, no script unless its height must be told."""

from dataclasses import dataclass, replace

from flask import Response, current_app, make_response, request
from werkzeug.datastructures import MultiDict

from marketplace.models import VisitKind
from marketplace.services import integration, search
from marketplace.services.directory import Sort
from marketplace.web.directory import filters
from marketplace.web.directory.filters import Asked
from marketplace.web.integration import visits

NUMBER_MAX, NUMBER_USUAL = 10, 5
THEMES = {"auto": "Comme l’appareil", "clair": "Clair", "sombre": "Sombre"}
MAX_AGE = 300  # seconds
POLICY = (
    "default-src 'none'; style-src 'self'; {scripts}base-uri 'none'; form-action 'none'; "
    "frame-ancestors {ancestors}"
)
HEIGHT_TOLD = "auto"


@dataclass(frozen=True, slots=True)
class Widget:
    """What an address asks the frame to show; what it says wrongly counts as not said."""

    asked: Asked
    number: int
    theme: str
    tells_height: bool
    campaign: str
    siren: str


def read(args: MultiDict[str, str]) -> Widget:
    asked = filters.read(args)
    asked = replace(asked, filters=replace(asked.filters, sort=Sort.DATE))
    territory = asked.filters.territory
    return Widget(
        asked=asked,
        number=_number(args.get("nombre", "")),
        theme=args.get("theme", "") if args.get("theme") in THEMES else "auto",
        tells_height=args.get("hauteur") == HEIGHT_TOLD,
        campaign=integration.clean_campaign(args["campagne"]) if args.get("campagne") else "widget",
        siren=territory.siren if territory else "",
    )


def page(widget: Widget) -> Response:
    """Answer with the frame. Rendered bare: Flask's own context would open the reader's session."""
    found = search.find(widget.asked.kind, widget.asked.filters, size=widget.number).results
    template = current_app.jinja_env.get_template("widget/listings.html")
    response = make_response(template.render(widget=widget, page=found.page, marks=_marks(widget)))
    response.headers["Content-Security-Policy"] = POLICY.format(
        scripts="script-src 'self'; " if widget.tells_height else "", ancestors=ancestors()
    )
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.cache_control.public = True
    response.cache_control.max_age = MAX_AGE
    response.add_etag()
    if _is_seen_elsewhere():
        visits.count_later(response, VisitKind.WIDGET_SHOWN, campaign=widget.campaign, siren=widget.siren)
    response.make_conditional(request)
    return response


def ancestors() -> str:
    """Return who may frame the widget: this site, for its preview, and the sites of the setting."""
    return " ".join(["'self'", *str(current_app.config["WIDGET_ORIGINS"]).split()])


def _marks(widget: Widget) -> dict[str, str]:
    """Return what its links carry, so that a visit is known to come from it."""
    of_territory = {"territoire": widget.siren} if widget.siren else {}
    return {"campagne": widget.campaign, "origine": "widget"} | of_territory


def _is_seen_elsewhere() -> bool:
    """Our own preview does not count."""
    return request.method == "GET" and request.headers.get("Sec-Fetch-Site") != "same-origin"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        return NUMBER_USUAL
    return min(max(int(text[:4]), 1), NUMBER_MAX)
