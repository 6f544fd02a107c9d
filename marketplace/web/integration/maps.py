"""The files of the site map and the addresses in each."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from marketplace.services import sitemap
from marketplace.services.mailer import public_url
from marketplace.web.display import slug_of_provider
from marketplace.web.integration.structured import address_of

Addresses = Iterator[tuple[str, datetime | None]]
PAGES = (
    "public.home",
    "directory.needs",
    "directory.offers",
    "directory.skills",
    "directory.territories",
    "providers.index",
    "public.algorithm",
    "public.accessibility",
    "public.privacy",
    "public.legal",
    "integration.show",
    "open_data.show",
)
_NUMBERED = re.compile(r"([a-z]+)-([1-9]\d{0,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Numbered:
    """A map in several files: their numbers, and the addresses in each."""

    numbers: Callable[[], list[int]]
    addresses: Callable[[int], Addresses]


def _pages() -> Addresses:
    return ((public_url(endpoint), None) for endpoint in PAGES)


def _skills() -> Addresses:
    return ((public_url("directory.skill", slug=slug), None) for slug in sitemap.skills())


def _territories() -> Addresses:
    return ((public_url("directory.territory", siren=siren), None) for siren in sitemap.territories())


def _listings(number: int) -> Addresses:
    return ((address_of(listing), listing.updated_at) for listing in sitemap.listings(number))


def _providers(number: int) -> Addresses:
    for provider in sitemap.labelled_providers(number):
        slug = slug_of_provider(provider)
        yield public_url("providers.show", provider_id=provider.id, slug=slug), provider.updated_at


_WHOLE: dict[str, Callable[[], Addresses]] = {
    "pages": _pages,
    "competences": _skills,
    "territoires": _territories,
}
_IN_FILES = {
    "annonces": Numbered(sitemap.listing_files, _listings),
    "prestataires": Numbered(sitemap.provider_files, _providers),
}


def names() -> list[str]:
    """Return the names of the files."""
    numbered = [f"{name}-{number}" for name, map in _IN_FILES.items() for number in map.numbers()]
    return [*_WHOLE, *numbered]


def addresses(name: str) -> Addresses | None:
    """Return the addresses of a file with their dates, one by one; None when there is no such file."""
    if name in _WHOLE:
        return _WHOLE[name]()
    found = _NUMBERED.fullmatch(name)
    if found is None or name not in names():
        return None
    return _IN_FILES[found[1]].addresses(int(found[2]))
