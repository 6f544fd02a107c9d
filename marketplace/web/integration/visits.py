"""Counting the visits that a campaign's link, a widget or a feed brings, once the answer has gone."""

from flask import Flask, Response, current_app, request
from sqlalchemy.exc import OperationalError

from marketplace.models import VisitKind
from marketplace.services import integration

KINDS = {"widget": VisitKind.WIDGET, "flux": VisitKind.FEED}
_FOUND = 200


def init_app(app: Flask) -> None:
    app.after_request(_count)


def count_later(response: Response, kind: VisitKind, *, campaign: str, siren: str) -> None:
    """Count a visit when the answer is sent: nobody waits for a database that is busy."""
    # A proxy of the application ends with the request.
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    def count() -> None:
        with app.app_context():
            try:
                integration.count_visit(kind, campaign=campaign, siren=siren)
            except OperationalError:  # better a visit too few than a worker stuck
                app.logger.warning("a visit was not counted", exc_info=True)

    response.call_on_close(count)


def _count(response: Response) -> Response:
    if _is_visit(response):
        count_later(
            response,
            KINDS.get(request.args.get("origine", ""), VisitKind.LINK),
            campaign=request.args.get("campagne", ""),
            siren=request.args.get("territoire", ""),
        )
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
