"""The Atom feed (RFC 4287) of a list: the newest listings that pass its filters."""

import re
from collections.abc import Sequence
from dataclasses import replace

from flask import Response, current_app, make_response, request

from marketplace import clock
from marketplace.models import Listing
from marketplace.services import integration
from marketplace.services.directory import Filters, Sort
from marketplace.services.mailer import public_url
from marketplace.web.directory.filters import Asked
from marketplace.web.integration.structured import address_of

ENTRIES = 50
MAX_AGE = 300  # seconds
# Characters that XML 1.0 cannot hold, however they are written.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def by_date(filters: Filters) -> Filters:
    return replace(filters, sort=Sort.DATE)


def answer(asked: Asked, listings: Sequence[Listing]) -> Response:
    """Answer with the feed; 304 to a reader that has it. Rendered bare, without the reader's session."""
    template = current_app.jinja_env.get_template("integration/feed.xml")
    body = template.render(
        asked=asked,
        said=[chip.label for chip in asked.chips],
        listings=listings,
        updated=max((each.updated_at for each in listings), default=clock.now()),
        address=public_url("integration.listings_feed", **asked.kept),
        page=public_url("search.results", **asked.kept),
        address_of=address_of,
        marks={"campagne": "flux", "origine": "flux"},
    )
    response = make_response(_NOT_XML.sub("", body))
    response.mimetype = "application/atom+xml"
    response.cache_control.public = True
    response.cache_control.max_age = MAX_AGE
    response.add_etag()
    # Not the newest entry's date: a listing that is withdrawn changes the feed as well.
    response.last_modified = integration.last_act()
    response.make_conditional(request)
    return response
