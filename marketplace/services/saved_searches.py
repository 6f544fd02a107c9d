"""Searches that people saved, and the mail that tells what is new in them: at once, daily or weekly.

Each person with a structure has one from the start: what is new near it, weekly, off in one click. A listing
is told once per saved search, whatever is run twice. Weekly mail goes on MONDAY, as the daily one at HOUR.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, delete, exists, false, func, insert, literal, or_, select
from sqlalchemy.orm import joinedload, selectinload

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    Frequency,
    ListingKind,
    Membership,
    MembershipState,
    Organisation,
    SavedSearch,
    SavedSearchNews,
    SearchEntry,
    User,
    Venue,
)
from marketplace.services import directory, mailer, places, rights, search, tokens
from marketplace.services.directory import Filters, Found, Sort
from marketplace.services.errors import FieldError, NotFound
from marketplace.services.work import Work, unit_of_work

SAVED_MAX = 20
# Listings that one mail shows; it links to the others.
SHOWN_MAX = 10
HOUR, MONDAY = 7, 0
PARIS = ZoneInfo("Europe/Paris")
# A listing may be committed a little after the date it bears: what is that old is looked through again.
OVERLAP = timedelta(minutes=10)
NEWS_KEPT = timedelta(days=60)
# How addresses call them.
KIND_NAMES = {ListingKind.NEED: "besoin", ListingKind.OFFER: "savoir-faire"}
VENUE_NAMES = {Venue.ON_SITE: "sur-place", Venue.REMOTE: "a-distance"}
EMPTY = "Précisez d’abord ce que vous cherchez : un mot, une compétence ou une commune."
TOO_MANY = f"Vous avez déjà {SAVED_MAX} recherches : supprimez-en une d’abord."
_STOP = "stop-saved-search"
STOP_MAX_AGE = 2 * 365 * tokens.DAY

SHOWN = (
    joinedload(SavedSearch.skill),
    joinedload(SavedSearch.domain),
    joinedload(SavedSearch.commune).selectinload(Commune.postcodes),
    joinedload(SavedSearch.territory),
    joinedload(SavedSearch.sector),
    joinedload(SavedSearch.user),
)


def save(
    kind: ListingKind | None, filters: Filters, *, by: User, frequency: Frequency = Frequency.DAILY
) -> SavedSearch:
    """Keep a search and mail what is new in it; the same one saved again is there once.

    Raises NotAllowed unless the mail address is confirmed, FieldError for a search of everything and for one
    too many.
    """
    rights.require_confirmed(by)
    asked = _columns(kind, filters)
    if not any(value for name, value in asked.items() if name != "kind"):
        raise FieldError("q", EMPTY)
    with unit_of_work() as work:
        work.lock(User, by.id)  # two clicks at once make one, and the limit holds
        own = list(work.session.scalars(select(SavedSearch).where(SavedSearch.user_id == by.id)))
        for saved in own:
            if not saved.is_default and all(getattr(saved, name) == value for name, value in asked.items()):
                return saved
        if sum(not saved.is_default for saved in own) >= SAVED_MAX:
            raise FieldError("q", TOO_MANY)
        return work.add(SavedSearch(user_id=by.id, frequency=frequency, **asked))


def mine(by: User) -> list[SavedSearch]:
    """Return the person's saved searches, the one that everybody has first, then the latest."""
    query = select(SavedSearch).where(SavedSearch.user_id == by.id).options(*SHOWN)
    order = SavedSearch.is_default.desc(), SavedSearch.id.desc()
    return list(db.session.scalars(query.order_by(*order)))


def change(saved_id: int, frequency: Frequency, *, by: User) -> SavedSearch:
    """Set how often the search sends mail. Raises NotFound unless it is the person's."""
    with unit_of_work() as work:
        saved = _own(work, saved_id, by)
        if saved.frequency is Frequency.OFF:
            saved.looked_at = clock.now()  # what came while it was off is not news
        saved.frequency = frequency
    return saved


def remove(saved_id: int, *, by: User) -> None:
    """Forget the search; the one that everybody has is only put off, or it would come back."""
    with unit_of_work() as work:
        saved = _own(work, saved_id, by)
        if saved.is_default:
            saved.frequency = Frequency.OFF
        else:
            work.session.delete(saved)


def address(saved: SavedSearch) -> dict[str, str]:
    """Return the search as the parameters of /recherche. Needs its rows loaded (SHOWN)."""
    kind, filters = question(saved) or (None, Filters())
    told: dict[str, Any] = {
        "q": filters.words,
        "type": KIND_NAMES.get(kind) if kind else None,
        "competence": filters.skill and filters.skill.slug,
        "domaine": filters.domain and filters.domain.slug,
        "commune": filters.near and places.said(filters.near),
        "rayon": filters.near and str(round(filters.radius_km)),
        "territoire": filters.territory and filters.territory.siren,
        "secteur": filters.sector and filters.sector.code,
        "effectif": filters.size and filters.size.value,
        "lieu": filters.venue and VENUE_NAMES[filters.venue],
    }
    return {name: str(value) for name, value in told.items() if value}


def question(saved: SavedSearch) -> tuple[ListingKind | None, Filters] | None:
    """Return what the search asks, loaded with SHOWN; None when it is about a structure and there is none."""
    near, radius_km = saved.commune, saved.radius_km
    if saved.is_default:
        near = _home(saved.user_id)
        if near is None:
            return None
        radius_km = directory.usual_radius_km(near)
    filters = Filters(
        words=saved.words,
        skill=saved.skill,
        domain=saved.domain,
        near=near,
        radius_km=radius_km or 0,
        territory=saved.territory,
        sector=saved.sector,
        size=saved.size_class,
        venue=saved.venue,
        sort=Sort.RELEVANCE,
    )
    return saved.kind, filters


def stop_token(saved: SavedSearch) -> str:
    return tokens.sign(_STOP, saved.id)


def read_stop(token: str) -> SavedSearch | None:
    """Return the search that the link of a mail stops, None when it is gone. Raises TokenExpired."""
    [saved_id] = tokens.read(_STOP, token, max_age=STOP_MAX_AGE)
    return db.session.scalar(select(SavedSearch).where(SavedSearch.id == int(saved_id)).options(*SHOWN))


def stop(token: str) -> None:
    """Send no more mail for the search; once more changes nothing. Raises TokenExpired."""
    saved = read_stop(token)
    if saved is not None:
        with unit_of_work() as work:
            work.lock(SavedSearch, saved.id).frequency = Frequency.OFF


def give_defaults() -> int:
    """Give each confirmed person with a structure the search that everybody has. Returns how many got it."""
    has_one = exists().where(SavedSearch.user_id == User.id, SavedSearch.is_default)
    speaks = exists().where(Membership.user_id == User.id, Membership.state == MembershipState.ACTIVE)
    now = clock.now()
    columns = ("user_id", "is_default", "frequency", "looked_at", "words", "created_at", "updated_at")
    values = select(
        User.id,
        literal(True),
        literal(Frequency.WEEKLY, SavedSearch.frequency.type),
        literal(now, SavedSearch.looked_at.type),
        literal(""),
        literal(now, SavedSearch.created_at.type),
        literal(now, SavedSearch.updated_at.type),
    ).where(User.email_confirmed_at.is_not(None), speaks, ~has_one)
    missing = insert(SavedSearch).from_select(columns, values, include_defaults=False)
    with unit_of_work() as work:
        return len(work.session.scalars(missing.returning(SavedSearch.id)).all())


def tell_due() -> int:
    """Mail what is new in each search whose time has come. Returns how many mails were written."""
    due = list(db.session.scalars(select(SavedSearch.id).where(_is_due()).order_by(SavedSearch.id)))
    return sum(_tell(saved_id) for saved_id in due)


def forget_news() -> int:
    """Forget what was told so long ago that it cannot come again. Returns how many."""
    with unit_of_work() as work:
        old = delete(SavedSearchNews).where(SavedSearchNews.told_at < clock.now() - NEWS_KEPT)
        return int(work.session.execute(old).rowcount)  # type: ignore[attr-defined]


def _columns(kind: ListingKind | None, filters: Filters) -> dict[str, Any]:
    return {
        "kind": kind,
        "words": filters.words,
        "skill_id": filters.skill.id if filters.skill else None,
        "domain_slug": filters.domain.slug if filters.domain else None,
        "commune_insee": filters.near.insee if filters.near else None,
        "radius_km": round(filters.radius_km) if filters.near else None,
        "territory_siren": filters.territory.siren if filters.territory else None,
        "sector_code": filters.sector.code if filters.sector else None,
        "size_class": filters.size,
        "venue": filters.venue,
    }


def _own(work: Work, saved_id: int, by: User) -> SavedSearch:
    saved = work.lock(SavedSearch, saved_id)
    if saved.user_id != by.id:
        raise NotFound(f"saved search {saved_id}")
    return saved


def _home(user_id: int) -> Commune | None:
    """Return the commune of the first structure that the person speaks for."""
    query = (
        select(Commune)
        .join(Organisation, Organisation.commune_insee == Commune.insee)
        .join(Membership, Membership.organisation_id == Organisation.id)
        .where(
            Membership.user_id == user_id,
            Membership.state == MembershipState.ACTIVE,
            Organisation.suspended_at.is_(None),
        )
        .order_by(Membership.id)
        .limit(1)
        .options(selectinload(Commune.postcodes))
    )
    return db.session.scalar(query)


def _is_due() -> ColumnElement[bool]:
    """At once: while something is newer than the last look; else since the hour of the day or of Monday."""
    newest = db.session.scalar(select(func.max(SearchEntry.published_at)))
    until = datetime.fromtimestamp(newest, PARIS) + OVERLAP if newest else None
    today = clock.now().astimezone(PARIS).replace(hour=HOUR, minute=0, second=0, microsecond=0)
    morning = today if today <= clock.now() else today - timedelta(days=1)
    monday = morning - timedelta(days=(morning.weekday() - MONDAY) % 7)
    looked = SavedSearch.looked_at
    return or_(
        (SavedSearch.frequency == Frequency.AT_ONCE) & (looked < until) if until else false(),
        (SavedSearch.frequency == Frequency.DAILY) & (looked < morning),
        (SavedSearch.frequency == Frequency.WEEKLY) & (looked < monday),
    )


def _tell(saved_id: int) -> bool:
    """Look through one search. Found outside the transaction that notes it: another worker's look ends it."""
    saved = db.session.scalar(select(SavedSearch).where(SavedSearch.id == saved_id).options(*SHOWN))
    if saved is None:
        return False
    looked_at, now = saved.looked_at, clock.now()
    news = _news(saved)
    with unit_of_work() as work:
        saved = work.lock(SavedSearch, saved_id)
        if saved.looked_at != looked_at or saved.frequency is Frequency.OFF:
            return False
        saved.looked_at = now
        if news:
            work.session.add_all(SavedSearchNews(saved_search_id=saved_id, listing_id=key) for key in news)
            _mail(work, saved_id, news)
    return bool(news)


def _news(saved: SavedSearch) -> list[int]:
    """Return the listings to tell, the best first: new since the last look, not one's own, not told."""
    asked = question(saved)
    if asked is None or not saved.user.is_confirmed:
        return []
    since = max(saved.created_at, saved.looked_at - OVERLAP)
    found = search.new(*asked, since=since)
    told = set(
        db.session.scalars(
            select(SavedSearchNews.listing_id).where(SavedSearchNews.saved_search_id == saved.id)
        )
    )
    own = set(_own_listings(saved.user))
    return [key for key in found if key not in told and key not in own]


def _own_listings(user: User) -> Iterator[int]:
    own = SearchEntry.organisation_id.in_(rights.organisation_ids(user))
    yield from db.session.scalars(select(SearchEntry.listing_id).where(own))


def _mail(work: Work, saved_id: int, news: list[int]) -> None:
    saved = db.session.scalars(select(SavedSearch).where(SavedSearch.id == saved_id).options(*SHOWN)).one()
    asked = question(saved)
    near = asked[1].near if asked else None
    found: list[Found] = directory.load(news[:SHOWN_MAX], near)
    stop_url = mailer.public_url("search.stop", token=stop_token(saved))
    message = mailer.compose(
        "search_news",
        to=saved.user.email,
        is_bulk=True,
        unsubscribe_url=stop_url,
        person=saved.user,
        saved=saved,
        near=near,
        found=found,
        total=len(news),
        address=address(saved),
    )
    work.session.add(message)
