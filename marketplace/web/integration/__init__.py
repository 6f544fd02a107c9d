"""What other sites take from this one: links, widget, feed, data for search engines."""

from urllib.parse import quote

from flask import Flask, current_app, request

from marketplace.web.integration import stateless, structured, visits
from marketplace.web.integration.routes import bp

__all__ = ["bp", "init_app"]


def init_app(app: Flask) -> None:
    stateless.init_app(app)
    visits.init_app(app)
    app.jinja_env.globals.update(
        listing_address=structured.address_of, listing_data=structured.listing_data, page_address=page_address
    )


def page_address() -> str:
    """Return the public address of the page being shown, without its parameters."""
    return str(current_app.config["PUBLIC_URL"]).rstrip("/") + quote(request.path)
