"""Counting the visits that a campaign's link, a widget or a feed brings, once the page is answered."""

from flask import Flask, Response, current_app, request
from sqlalchemy.exc import OperationalError

from marketplace.extensions import db
from marketplace.models import VisitKind
from marketplace.services import integration

KINDS = {"widget": VisitKind.WIDGET, "flux": VisitKind.FEED}
_FOUND = 200


def init_app(app: Flask) -> None:
    app.after_request(_count)


def _count(response: Response) -> Response:
    if _is_visit(response):
        try:
            integration.count_visit(
                KINDS.get(request.args.get("origine", ""), VisitKind.LINK),
                campaign=request.args.get("campagne", ""),
                siren=request.args.get("territoire", ""),
            )
        except OperationalError:  # a busy database: better a visit too few than a page too few
            db.session.rollback()
            current_app.logger.warning("a visit was not counted", exc_info=True)
    return response


def _is_visit(response: Response) -> bool:
    """A page that a person sees; the widget and /integration, where campaigns are set up, are none."""
    return (
        request.method == "GET"
        and bool(request.args.get("campagne"))
        and request.blueprint != "integration"
        and response.status_code == _FOUND
        and response.mimetype == "text/html"
    )
