"""What search engines may find, in files of at most 50,000 addresses (sitemaps.org), read row by row."""

from collections.abc import Iterator

from sqlalchemy import exists, func, select
from sqlalchemy.orm import load_only

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import Listing, Provider, ProviderLabel, Skill, Territory
from marketplace.services import directory, providers

FILE_MAX = 50_000
_READ_AT_ONCE = 1000


def listing_files() -> list[int]:
    """Return the numbers of the files of listings. A file holds a range of ids, so it never moves."""
    return _files(Listing)


def listings(number: int) -> Iterator[Listing]:
    """Yield the listings online of one file, bare: id, kind, title and date."""
    first = (number - 1) * FILE_MAX
    query = (
        select(Listing)
        .where(Listing.id > first, Listing.id <= first + FILE_MAX, directory.is_listed())
        .order_by(Listing.id)
        .options(load_only(Listing.id, Listing.kind, Listing.title, Listing.updated_at))
        .execution_options(yield_per=_READ_AT_ONCE)
    )
    yield from db.session.scalars(query)


def provider_files() -> list[int]:
    """Return the numbers of the files of providers, likewise."""
    return _files(Provider)


def labelled_providers(number: int) -> Iterator[Provider]:
    """Yield the providers of one file that hold a label, bare: id, name and date."""
    first = (number - 1) * FILE_MAX
    holds = exists().where(
        ProviderLabel.provider_id == Provider.id, providers.label_holds(clock.now().date())
    )
    query = (
        select(Provider)
        .where(Provider.id > first, Provider.id <= first + FILE_MAX, Provider.retired_at.is_(None), holds)
        .order_by(Provider.id)
        .options(load_only(Provider.id, Provider.sort_name, Provider.updated_at))
        .execution_options(yield_per=_READ_AT_ONCE)
    )
    yield from db.session.scalars(query)


def skills() -> Iterator[str]:
    """Yield the slug of each skill."""
    yield from db.session.scalars(select(Skill.slug).order_by(Skill.id).limit(FILE_MAX))


def territories() -> Iterator[str]:
    """Yield the SIREN of each territory that takes part."""
    open_now = select(Territory.siren).where(Territory.is_open).order_by(Territory.siren)
    yield from db.session.scalars(open_now.limit(FILE_MAX))


def _files(of: type[Listing] | type[Provider]) -> list[int]:
    first, last = db.session.execute(select(func.min(of.id), func.max(of.id))).one()
    return [] if last is None else list(range(_file_of(first), _file_of(last) + 1))


def _file_of(key: int) -> int:
    return -(-key // FILE_MAX)
