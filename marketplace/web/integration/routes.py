from collections.abc import Iterator
from datetime import datetime
from typing import Any

from flask import (
    Blueprint,
    Response,
    current_app,
    make_response,
    render_template,
    request,
    stream_with_context,
)
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from marketplace.services import integration, search
from marketplace.services.mailer import public_url
from marketplace.web import headers
from marketplace.web.directory import filters
from marketplace.web.integration import builder, feed, maps, widget

bp = Blueprint("integration", __name__)

SCRIPT_MAX_AGE = 86_400  # seconds
MAP_MAX_AGE = 3600
PIECES_AT_ONCE = 500


@bp.get("/integration")
def show() -> ResponseReturnValue:
    """How to link to the site, frame it or read it, with what one has just chosen as an example."""
    asked = filters.read(request.args)
    form = builder.read(request.args)
    response = make_response(
        render_template(
            "integration/show.html",
            asked=asked,
            form=form,
            example=builder.example(asked, form),
            parameters=builder.PARAMETERS,
            figures=integration.figures(asked.filters.territory.siren if asked.filters.territory else ""),
            days=integration.DAYS_SHOWN,
            origins=str(current_app.config["WIDGET_ORIGINS"]).split(),
        )
    )
    response.headers["Content-Security-Policy"] = f"{headers.POLICY}; frame-src 'self'"
    return response


@bp.get("/widget/annonces")
def widget_listings() -> Response:
    return widget.page(widget.read(request.args))


@bp.get("/widget/hauteur.js")
def widget_height() -> Response:
    """The script that gives a frame its height, at an address that does not change with its content."""
    response = current_app.send_static_file("widget-height.js")
    response.cache_control.public = True
    response.cache_control.max_age = SCRIPT_MAX_AGE
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@bp.get("/flux/annonces.atom")
def listings_feed() -> Response:
    asked = filters.read(request.args)
    found = search.find(asked.kind, feed.by_date(asked.filters), size=feed.ENTRIES).results
    return feed.answer(asked, [each.listing for each in found.page.items])


@bp.get("/sitemap.xml")
def sitemap_index() -> Response:
    """The files that hold the addresses: each has 50,000 at most."""
    urls = [public_url("integration.sitemap_file", name=name) for name in maps.names()]
    return _xml(render_template("integration/sitemap_index.xml", urls=urls))


@bp.get("/sitemap-<name>.xml")
def sitemap_file(name: str) -> Response:
    addresses = maps.addresses(name)
    if addresses is None:
        raise NotFound()
    return _xml(stream_with_context(_lines(addresses)))


def _lines(addresses: Iterator[tuple[str, datetime | None]]) -> Iterator[str]:
    lines = current_app.jinja_env.get_template("integration/sitemap.xml").stream(addresses=addresses)
    lines.enable_buffering(PIECES_AT_ONCE)  # each piece is a write to the network
    yield from lines


def _xml(body: Any) -> Response:
    response = Response(body, mimetype="application/xml")
    response.cache_control.public = True
    response.cache_control.max_age = MAP_MAX_AGE
    return response
