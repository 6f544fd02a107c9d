"""What lists show, in which order, and what they read."""

from datetime import timedelta

import pytest
from geopy.distance import geodesic
from sqlalchemy import select

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    ListingKind,
    ListingState,
    Place,
    Sector,
    SkillDomain,
    Territory,
    Venue,
)
from marketplace.services import directory, places, search
from marketplace.services.directory import Filters, Results, Sort
from tests.support.builders import CESSON, LIFFRE, LIFFRE_CORMIER, PARIS, RENNES, RENNES_METROPOLE
from tests.support.queries import counted

NEED, OFFER = ListingKind.NEED, ListingKind.OFFER
BAKERY, PASTRY, FLORIST = "10.71C", "10.71D", "47.76Z"
KM_NORTH = 1 / 111.2  # degrees of latitude, near enough for a test


def found(filters: Filters | None = None, *, kind: ListingKind = NEED, page: int = 1) -> list[int]:
    return [one.listing.id for one in listed(filters or Filters(), kind=kind, page=page).page.items]


def listed(filters: Filters, *, kind: ListingKind = NEED, page: int = 1) -> Results:
    return search.find(kind, filters, page=page).results


def near(insee: str, km: float = 20, *, sort: Sort = Sort.DISTANCE) -> Filters:
    return Filters(near=places.get(insee), radius_km=km, sort=sort)


def sector(code: str) -> Sector:
    return db.session.get_one(Sector, code)


@pytest.fixture
def around(market):
    """Return a maker of needs so many km north of Rennes."""

    def make(km: float, **fields):
        rennes = db.session.get_one(Commune, RENNES)
        place = {"lat": rennes.lat + km * KM_NORTH, "lon": rennes.lon}
        return market.need(organisation=market.organisation(**place), **fields)

    return make


# --- What shows ---


@pytest.mark.parametrize("state", ListingState)
def test_only_what_is_online_shows(market, state):
    need = market.need(state=state)
    assert found() == ([need.id] if state is ListingState.PUBLISHED else [])


def test_what_is_past_its_term_does_not_wait_for_the_worker_to_disappear(market):
    market.need(expires_at=clock.now() - timedelta(seconds=1))
    assert found() == []


def test_nothing_of_a_suspended_structure_shows(market):
    market.need(organisation=market.organisation(suspended_at=clock.now()))
    assert found() == []


def test_needs_and_offers_have_each_their_list(market):
    need, offer = market.need(), market.offer()
    assert found() == [need.id]
    assert found(kind=OFFER) == [offer.id]


# --- Filters ---


def test_a_skill_finds_those_that_have_it_first_or_besides(market):
    main = market.need(skill="tableur")
    besides = market.need(skill="boutique-en-ligne", extra_skills=["tableur"])
    market.need(skill="boutique-en-ligne")
    assert set(found(Filters(skill=market.skill("tableur")))) == {main.id, besides.id}


def test_a_skill_that_a_listing_names_twice_shows_it_once(market):
    twice = market.need(skill="tableur", extra_skills=["tableur"])
    assert found(Filters(skill=market.skill("tableur"))) == [twice.id]


def test_filters_hold_for_further_skills_too(market):
    market.need(extra_skills=["tableur"], state=ListingState.PAUSED)
    market.offer(extra_skills=["tableur"])
    market.need(extra_skills=["tableur"], organisation=market.organisation(commune=PARIS))
    here = market.need(extra_skills=["tableur"], organisation=market.organisation(commune=CESSON))
    assert found(Filters(skill=market.skill("tableur"), near=places.get(RENNES))) == [here.id]


def test_a_domain_finds_its_skills(market):
    shop = market.need(skill="boutique-en-ligne")
    market.need(skill="tableur")
    domain = db.session.get_one(SkillDomain, market.skill("boutique-en-ligne").domain_slug)
    assert found(Filters(domain=domain)) == [shop.id]


def test_a_territory_finds_its_own(market):
    mine = market.need(organisation=market.organisation(commune=CESSON))
    market.need(organisation=market.organisation(commune=LIFFRE))
    assert found(Filters(territory=db.session.get(Territory, RENNES_METROPOLE))) == [mine.id]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("C", [BAKERY, PASTRY]),
        ("10", [BAKERY, PASTRY]),
        ("10.71", [BAKERY, PASTRY]),
        (BAKERY, [BAKERY]),
        ("G", [FLORIST]),
        ("A", []),
    ],
)
def test_an_activity_finds_what_is_below_it_in_the_tree(market, code, expected):
    for each in (BAKERY, PASTRY, FLORIST):
        market.need(organisation=market.organisation(sector=each))
    shown = listed(Filters(sector=sector(code))).page.items
    assert sorted(one.listing.sector_code for one in shown) == expected


@pytest.mark.parametrize(
    ("venue", "allowed", "shows"),
    [
        (Venue.ON_SITE, Place.HELPER, True),
        (Venue.ON_SITE, Place.LEARNER, True),
        (Venue.ON_SITE, Place.LEARNER | Place.REMOTE, True),
        (Venue.ON_SITE, Place.REMOTE, False),
        (Venue.REMOTE, Place.REMOTE, True),
        (Venue.REMOTE, Place.HELPER | Place.REMOTE, True),
        (Venue.REMOTE, Place.HELPER | Place.LEARNER, False),
    ],
)
def test_on_site_and_at_a_distance_find_what_allows_it(market, venue, allowed, shows):
    market.need(places=int(allowed))
    assert bool(found(Filters(venue=venue))) is shows


def test_a_radius_finds_what_is_that_near(market):
    cesson = market.need(organisation=market.organisation(commune=CESSON))
    liffre = market.need(organisation=market.organisation(commune=LIFFRE))
    market.need(organisation=market.organisation(commune=PARIS))
    assert found(near(RENNES, 10)) == [cesson.id]
    assert found(near(RENNES, 30)) == [cesson.id, liffre.id]


def test_a_radius_is_a_circle_and_not_a_square(market):
    rennes = db.session.get_one(Commune, RENNES)
    corner = {"lat": rennes.lat + 9 * KM_NORTH, "lon": rennes.lon + 9 * KM_NORTH * 1.49}
    market.need(organisation=market.organisation(**corner))
    assert found(near(RENNES, 10)) == []
    assert len(found(near(RENNES, 13))) == 1


def test_a_radius_of_nothing_finds_the_place_itself(market):
    here = market.need(organisation=market.organisation(commune=RENNES))
    market.need(organisation=market.organisation(commune=CESSON))
    assert found(near(RENNES, 0)) == [here.id]


def test_a_commune_without_a_point_finds_its_own_and_no_distance(market):
    lost = db.session.scalars(select(Commune).where(Commune.lat.is_(None)).order_by(Commune.insee)).first()
    here = market.need(organisation=market.organisation(commune=lost.insee))
    market.need()
    one = listed(near(lost.insee)).page.items[0]
    assert (one.listing.id, one.distance_km) == (here.id, None)


def test_filters_add_up(market):
    here = market.organisation(commune=CESSON, sector=BAKERY)
    wanted = market.need(organisation=here, skill="tableur", title="Mes stocks", places=int(Place.REMOTE))
    for other in ({"skill": "boutique-en-ligne"}, {"title": "Mes ventes"}, {"places": int(Place.HELPER)}):
        market.need(
            organisation=here, **{"skill": "tableur", "title": "Stocks", "places": int(Place.REMOTE), **other}
        )
    filters = Filters(
        skill=market.skill("tableur"),
        near=places.get(RENNES),
        radius_km=15,
        territory=db.session.get(Territory, RENNES_METROPOLE),
        sector=sector("C"),
        venue=Venue.REMOTE,
        words="stock",
    )
    assert found(filters) == [wanted.id]


# --- Order, distances, pages ---


def test_the_newest_come_first(market):
    old = market.need(published_at=clock.now() - timedelta(days=3))
    new = market.need(published_at=clock.now() - timedelta(days=1))
    older = market.need(published_at=clock.now() - timedelta(days=9))
    assert found() == [new.id, old.id, older.id]


def test_the_nearest_come_first_and_the_newest_of_those_as_near(around):
    far, here, between = around(12), around(1), around(6)
    older_here = around(1, published_at=clock.now() - timedelta(days=1))
    assert found(near(RENNES)) == [here.id, older_here.id, between.id, far.id]


def test_a_place_can_be_asked_for_with_the_newest_first(around):
    nearer = around(1, published_at=clock.now() - timedelta(days=2))
    newer = around(9)
    assert found(near(RENNES, sort=Sort.DATE)) == [newer.id, nearer.id]


def test_distances_are_those_of_the_ellipsoid(market):
    market.need(organisation=market.organisation(commune=LIFFRE))
    start, end = (db.session.get_one(Commune, insee) for insee in (RENNES, LIFFRE))
    [one] = listed(near(RENNES, 50)).page.items
    assert one.distance_km == pytest.approx(geodesic((start.lat, start.lon), (end.lat, end.lon)).km, abs=1e-6)


def test_without_a_place_there_is_no_distance(market):
    market.need()
    assert listed(Filters()).page.items[0].distance_km is None


def test_each_listing_is_on_one_page(market):
    firm = market.organisation()
    made = {market.need(organisation=firm).id for _ in range(45)}
    shown = [found(page=number) for number in (1, 2, 3)]
    assert [len(ids) for ids in shown] == [20, 20, 5]
    assert set().union(*shown) == made


@pytest.mark.parametrize(("asked", "given"), [(-1, 1), (0, 1), (2, 2), (3, 2), (10**9, 2)])
def test_a_page_outside_the_list_is_the_nearest_one(market, asked, given):
    firm = market.organisation()
    for _ in range(21):
        market.need(organisation=firm)
    page = listed(Filters(), page=asked).page
    assert (page.number, page.pages, page.total) == (given, 2, 21)


def test_a_list_with_nothing_has_one_empty_page(app):
    page = listed(Filters(), page=3).page
    assert (page.items, page.number, page.pages, page.total) == ([], 1, 1, 0)


def test_a_list_is_cut_where_nobody_reads_on_and_says_so(market, monkeypatch):
    monkeypatch.setattr(directory, "COUNT_MAX", 3)
    firm = market.organisation()
    made = [market.need(organisation=firm).id for _ in range(4)]
    results = listed(Filters())
    assert (results.page.total, results.has_more) == (3, True)
    assert [one.listing.id for one in results.page.items] == made[:0:-1]


def test_a_list_that_just_fits_is_not_cut(market, monkeypatch):
    monkeypatch.setattr(directory, "COUNT_MAX", 3)
    firm = market.organisation()
    for _ in range(3):
        market.need(organisation=firm)
    results = listed(Filters())
    assert (results.page.total, results.has_more) == (3, False)


def test_the_nearest_of_many_are_the_nearest_of_all(around, monkeypatch):
    monkeypatch.setattr(directory, "COUNT_MAX", 2)
    near_by = [around(km).id for km in (3, 2, 1)]
    around(90)
    results = listed(near(RENNES, 100))
    assert [one.listing.id for one in results.page.items] == near_by[:0:-1]
    assert results.has_more


@pytest.mark.parametrize("with_skill", [False, True])
@pytest.mark.parametrize("sort", Sort)
def test_a_list_takes_a_fixed_number_of_queries(market, sort, with_skill):
    read = []
    for _ in range(2):
        for _ in range(5):
            market.need(skill="tableur", extra_skills=["boutique-en-ligne"])
        db.session.expunge_all()
        skill = market.skill("tableur") if with_skill else None
        filters = Filters(near=places.get(RENNES), radius_km=5, sort=sort, skill=skill)
        with counted() as queries:
            for one in listed(filters).page.items:
                assert one.listing.skill.domain.label
                assert one.listing.organisation.sector.label
                assert one.listing.commune.name
                assert one.listing.extra_skills[0].skill.label
        read.append(int(queries))
    assert read[0] == read[1]


def test_the_latest_are_few(market):
    firm = market.organisation()
    made = [market.offer(organisation=firm).id for _ in range(5)]
    assert [one.listing.id for one in directory.latest(OFFER, limit=3)] == made[:1:-1]


# --- Skills ---


def test_skills_are_counted_by_what_is_online(market):
    market.need(skill="tableur")
    suspended = market.organisation(suspended_at=clock.now())
    market.need(skill="tableur", state=ListingState.PAUSED)
    market.need(skill="tableur", organisation=suspended)
    market.need(skill="tableur", organisation=suspended, expires_at=clock.now() - timedelta(days=1))
    market.need(skill="tableur", expires_at=clock.now() - timedelta(days=1))
    market.offer(skill="tableur")
    market.offer(skill="tableur")
    counts = directory.counts()
    assert (counts["tableur"].needs, counts["tableur"].offers) == (1, 2)
    assert (counts["site-vitrine"].needs, counts["site-vitrine"].offers) == (0, 0)


# --- Territories ---


def test_open_territories_are_listed_by_name(market):
    market.open_territory(RENNES_METROPOLE)
    market.open_territory(LIFFRE_CORMIER)
    assert [t.siren for t in directory.open_territories()] == [LIFFRE_CORMIER, RENNES_METROPOLE]


@pytest.mark.parametrize(
    "text", ["rennes métropole", "Metropole RENNES", "Rennes", "Cesson-Sévigné", "35510"]
)
def test_a_territory_is_found_by_its_name_or_by_a_commune(app, text):
    assert RENNES_METROPOLE in [territory.siren for territory in directory.find_territories(text)]


@pytest.mark.parametrize("text", ["", " ", "Trifouillis-les-Oies", "%", "🥖", "x" * 100_000, "zz " * 50_000])
def test_nonsense_finds_no_territory(app, text):
    assert directory.find_territories(text) == []


def test_only_the_beginning_of_a_very_long_name_is_looked_for(app):
    """A hundred thousand words compared with every name would keep the site from answering."""
    with_end = directory.find_territories("ca " * 40 + "trifouillis")
    assert with_end == directory.find_territories("ca " * 40)


def test_finding_territories_stops_at_a_screenful(app, monkeypatch):
    monkeypatch.setattr(directory, "TERRITORIES_SHOWN", 4)
    assert len(directory.find_territories("CC")) == 4


def test_one_looks_as_far_as_the_territory_says(market):
    market.open_territory(RENNES_METROPOLE).default_radius_km = 35
    db.session.commit()
    assert directory.usual_radius_km(places.get(CESSON)) == 35
