"""The files of the site map and the addresses in each."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime

from marketplace.services import sitemap
from marketplace.services.mailer import public_url
from marketplace.web.integration.structured import address_of

Addresses = Iterator[tuple[str, datetime | None]]
PAGES = (
    "public.home",
    "directory.needs",
    "directory.offers",
    "directory.skills",
    "directory.territories",
    "public.algorithm",
    "public.accessibility",
    "public.privacy",
    "public.legal",
    "integration.show",
    "open_data.show",
)
LISTINGS = "annonces"
_NUMBERED = re.compile(LISTINGS + r"-([1-9]\d{0,5})", re.ASCII)


def _pages() -> Addresses:
    return ((public_url(endpoint), None) for endpoint in PAGES)


def _skills() -> Addresses:
    return ((public_url("directory.skill", slug=slug), None) for slug in sitemap.skills())


def _territories() -> Addresses:
    return ((public_url("directory.territory", siren=siren), None) for siren in sitemap.territories())


# What is not a listing, by the name of its file.
FILES: dict[str, Callable[[], Addresses]] = {
    "pages": _pages,
    "competences": _skills,
    "territoires": _territories,
}


def addresses(name: str) -> Addresses | None:
    """Return the addresses of a file with their dates, one by one; None when there is no such file."""
    if name in FILES:
        return FILES[name]()
    found = _NUMBERED.fullmatch(name)
    if found is None or int(found[1]) not in sitemap.listing_files():
        return None
    return ((address_of(listing), listing.updated_at) for listing in sitemap.listings(int(found[1])))
