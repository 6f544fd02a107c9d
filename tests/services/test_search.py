"""What search finds, in which order, and what it counts."""

from datetime import timedelta

import pytest

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    ListingKind,
    ListingState,
    Place,
    Sector,
    SizeClass,
    SkillDomain,
    Territory,
    Venue,
)
from marketplace.services import directory, places, search, search_words
from marketplace.services.directory import Filters, Sort
from marketplace.services.search import Answer
from marketplace.services.search_words import sound
from marketplace.services.work import unit_of_work
from tests.support.builders import CESSON, LIFFRE, LIFFRE_CORMIER, PARIS, RENNES, RENNES_METROPOLE
from tests.support.queries import counted
from tests.support.threads import in_a_thread

NEED, OFFER = ListingKind.NEED, ListingKind.OFFER


def ask(words: str = "", *, kind: ListingKind | None = None, page: int = 1, **filters) -> Answer:
    by = Sort.RELEVANCE if words else Sort.DATE
    return search.find(kind, Filters(words=words, **{"sort": by, **filters}), page=page)


def found(words: str = "", **filters) -> list[int]:
    return [one.listing.id for one in ask(words, **filters).results.page.items]


@pytest.fixture
def shop(market):
    return market.need(
        title="Ouvrir une boutique en ligne",
        description="Vendre nos confitures sans commission, avec des factures propres.",
        skill="boutique-en-ligne",
        organisation=market.organisation(name="Le Bocal Doré", commune=CESSON),
    )


@pytest.fixture
def film(market):
    return market.offer(
        title="Filmer une recette", description="Monter une courte vidéo au téléphone.", skill="tableur"
    )


# --- Words ---


@pytest.mark.parametrize(
    "words",
    [
        "boutique en ligne",
        "boutik en lign",
        "BOUTIQUE EN LIGNE !",
        "boutiques",
        "bouttique",
        "botique",
        "boutiqeu",
        "confiture",
        "confitur",
        "facture",
        "factureS",
        "facutre",
        "facturation",
        "bocal dore",
        "cesson-sevigne",
        "je cherche une boutique en ligne",
    ],
)
def test_a_listing_is_found_whatever_the_accents_the_plural_and_a_slip(shop, film, words):
    assert found(words) == [shop.id]


@pytest.mark.parametrize("words", ["vidéo", "video", "vidéos", "telefone", "recete", "filmer"])
def test_each_finds_its_own(shop, film, words):
    assert found(words) == [film.id]


@pytest.mark.parametrize("words", ["xylophone", "zzzz", "kayak", "12345"])
def test_words_that_nobody_uses_find_nothing(shop, film, words):
    assert found(words) == []


@pytest.mark.parametrize("words", ["", "  ", "de la", "%", "_", "🥖", "'; --", '"', "a", "\x00"])
def test_words_that_say_nothing_narrow_nothing(shop, film, words):
    assert set(found(words)) == {shop.id, film.id}


def test_a_skill_is_found_by_what_people_call_it(shop, film):
    assert found("tableur") == [film.id]
    assert found("Excel") == [film.id]


def test_a_further_skill_counts_too(market):
    besides = market.need(skill="boutique-en-ligne", extra_skills=["tableur"])
    assert found("tableur") == [besides.id]


def test_all_the_words_count_where_one_listing_holds_them(market, shop):
    market.need(title="Une boutique sans rien")
    assert found("boutique confitures") == [shop.id]


def test_the_nearest_are_shown_where_none_holds_all_the_words(market, shop, film):
    answer = ask("boutique xylophone")
    assert answer.is_partial
    assert answer.results.page.items[0].listing.id == shop.id
    assert not ask("boutique").is_partial


def test_what_a_slip_is_read_as_is_told(shop):
    [term, other] = ask("boutik confitures").terms
    assert (term.written, term.is_corrected) == ("boutik", True)
    assert "boutique" in term.forms
    assert not other.is_corrected


def test_a_new_word_is_known_at_once_by_a_slip(shop, market):
    assert found("kombutcha") == []
    kombucha = market.need(title="Brasser du kombucha")
    assert found("kombutcha") == [kombucha.id]


@pytest.mark.parametrize(
    ("one", "other"),
    [("boutik", "boutique"), ("foto", "photos"), ("fakture", "facture"), ("rezo", "reseaux")],
)
def test_words_that_sound_alike_are_heard_alike(one, other):
    assert sound(one) == sound(other)


def test_long_words_and_many_words_are_cut(shop):
    assert len(search_words.read(" ".join(f"mot{n}" for n in range(50)))) == search_words.TERMS_MAX


# --- What shows ---


@pytest.mark.parametrize("state", ListingState)
@pytest.mark.parametrize("words", ["", "confitures"])
def test_only_what_is_online_is_found(market, state, words):
    need = market.need(state=state, title="Vendre des confitures")
    assert found(words) == ([need.id] if state is ListingState.PUBLISHED else [])


def test_what_is_past_its_term_or_suspended_is_not_found(market):
    market.need(title="Confitures", expires_at=clock.now() - timedelta(seconds=1))
    market.need(title="Confitures", organisation=market.organisation(suspended_at=clock.now()))
    assert found("confitures") == found() == []


def test_what_changes_is_found_as_it_is_now(market, shop):
    assert found("confitures") == [shop.id]
    shop.description = "Vendre du miel."
    shop.places = int(Place.REMOTE)
    db.session.commit()
    assert (found("confitures"), found("miel")) == ([], [shop.id])
    assert (found(venue=Venue.ON_SITE), found(venue=Venue.REMOTE)) == ([], [shop.id])


def test_another_process_finds_what_was_published_here(app, market, shop):
    assert in_a_thread(app, found) == [shop.id]
    later = market.need()
    assert in_a_thread(app, found) == [later.id, shop.id]


def test_searching_inside_a_unit_of_work_is_refused(shop):
    with pytest.raises(RuntimeError, match="before the unit of work"), unit_of_work():
        found()


# --- Filters: the same as those of lists ---

FILTERS = [
    lambda market: {},
    lambda market: {"skill": market.skill("tableur")},
    lambda market: {"domain": db.session.get_one(SkillDomain, market.skill("tableur").domain_slug)},
    lambda market: {"near": places.get(RENNES), "radius_km": 10},
    lambda market: {"near": places.get(RENNES), "radius_km": 10, "sort": Sort.DISTANCE},
    lambda market: {"near": places.get(PARIS), "radius_km": 0},
    lambda market: {"territory": db.session.get(Territory, RENNES_METROPOLE)},
    lambda market: {"territory": db.session.get(Territory, LIFFRE_CORMIER)},
    lambda market: {"sector": db.session.get(Sector, "C")},
    lambda market: {"sector": db.session.get(Sector, "47")},
    lambda market: {"sector": db.session.get(Sector, "10.71C")},
    lambda market: {"size": SizeClass.SMALL},
    lambda market: {"venue": Venue.REMOTE},
    lambda market: {"venue": Venue.ON_SITE, "near": places.get(RENNES), "radius_km": 30},
]


@pytest.fixture
def mixed(market):
    with market.in_one_transaction():
        for number, (commune, sector) in enumerate(
            (commune, sector)
            for commune in (RENNES, CESSON, LIFFRE, PARIS)
            for sector in ("10.71C", "47.76Z")
        ):
            size = (SizeClass.MICRO, SizeClass.SMALL, SizeClass.NONE)[number % 3]
            firm = market.organisation(commune=commune, sector=sector, size_class=size)
            for make in (market.need, market.offer):
                make(
                    organisation=firm,
                    skill=("tableur", "site-vitrine", "boutique-en-ligne")[number % 3],
                    places=(1, 4, 3, 6)[number % 4],
                    published_at=clock.now() - timedelta(days=number % 5),
                )


@pytest.mark.parametrize("kind", ListingKind)
@pytest.mark.parametrize("make", FILTERS)
def test_filters_give_what_the_database_gives(market, mixed, kind, make):
    filters = Filters(**make(market))
    listed, _ = directory.newest_before([kind], filters, before=None, limit=100)
    if filters.sort is Sort.DISTANCE:
        listed.sort(key=lambda one: one.distance_km)

    shown = search.find(kind, filters).results.page.items

    assert [(one.listing.id, one.distance_km) for one in shown] == [
        (one.listing.id, one.distance_km) for one in listed
    ]


def test_a_structure_that_grew_is_found_by_its_new_size(market, db_session):
    firm = market.organisation(size_class=SizeClass.MICRO)
    need = market.need(organisation=firm)
    assert found(size=SizeClass.MICRO) == [need.id]
    firm.size_class = SizeClass.SMALL
    db_session.commit()
    assert (found(size=SizeClass.MICRO), found(size=SizeClass.SMALL)) == ([], [need.id])


def test_a_commune_without_a_point_finds_its_own(market):
    lost = db.session.query(Commune).filter(Commune.lat.is_(None)).order_by(Commune.insee).first()
    here = market.need(organisation=market.organisation(commune=lost.insee))
    market.need()
    assert found(near=places.get(lost.insee)) == [here.id]


# --- Order ---


def test_a_word_in_the_title_counts_more_than_one_in_the_skill_or_the_text(market):
    text = market.need(description="Il y a une facture quelque part dans ce texte.", skill="site-vitrine")
    title = market.need(title="Ma facture", skill="site-vitrine")
    assert found("facture") == [title.id, text.id]


def test_of_two_alike_the_nearer_comes_first(market):
    far = market.need(title="Ma facture", organisation=market.organisation(commune=LIFFRE))
    near = market.need(
        title="Ma facture",
        organisation=market.organisation(commune=RENNES),
        published_at=clock.now() - timedelta(days=9),
    )
    assert found("facture", near=places.get(RENNES), radius_km=50) == [near.id, far.id]


def test_of_two_alike_the_newer_comes_first(market):
    old = market.need(title="Ma facture", published_at=clock.now() - timedelta(days=60))
    new = market.need(title="Ma facture", published_at=clock.now() - timedelta(days=1))
    assert found("facture") == [new.id, old.id]


def test_the_order_can_be_by_date(market):
    new = market.need(description="Une facture dans le texte, et rien d’autre ici.")
    old = market.need(title="Ma facture", published_at=clock.now() - timedelta(days=2))
    assert found("facture", sort=Sort.DATE) == [new.id, old.id]


# --- Pages and counts ---


def test_each_listing_is_on_one_page(market):
    firm = market.organisation()
    with market.in_one_transaction():
        made = {market.need(organisation=firm, title="Ma facture").id for _ in range(45)}
    shown = [found("facture", page=number) for number in (1, 2, 3)]
    assert [len(ids) for ids in shown] == [20, 20, 5]
    assert set().union(*shown) == made


@pytest.mark.parametrize(("asked", "given"), [(-1, 1), (0, 1), (2, 1), (10**9, 1)])
def test_a_page_outside_is_the_nearest_one(shop, asked, given):
    assert ask("boutique", page=asked).results.page.number == given


def test_counts_tell_what_each_choice_would_leave(market):
    market.need(title="Ma facture", skill="tableur", places=int(Place.REMOTE))
    market.need(title="Ma facture", skill="site-vitrine", places=int(Place.HELPER))
    market.offer(
        title="Ma facture", skill="tableur", places=7, organisation=market.organisation(commune=LIFFRE)
    )
    market.need(title="Autre chose", skill="messagerie-electronique")
    counts = ask("facture").counts
    tableur, site = market.skill("tableur"), market.skill("site-vitrine")
    assert counts.kinds == {NEED: 2, OFFER: 1}
    assert counts.venues == {Venue.ON_SITE: 2, Venue.REMOTE: 2}
    assert counts.skills == {tableur.id: 2, site.id: 1}
    assert counts.domains == {tableur.domain_slug: 2, site.domain_slug: 1}
    by_siren = {territory.siren: number for territory, number in counts.territories.items()}
    assert by_siren == {RENNES_METROPOLE: 2, LIFFRE_CORMIER: 1}


def test_a_choice_does_not_narrow_its_own_counts(market):
    market.need(title="Ma facture", skill="tableur")
    market.offer(title="Ma facture", skill="site-vitrine")
    answer = ask("facture", kind=NEED, skill=market.skill("tableur"))
    assert answer.results.page.total == 1
    assert answer.counts.kinds == {NEED: 1, OFFER: 0}
    assert answer.counts.skills == {market.skill("tableur").id: 1}
    assert ask("facture", skill=market.skill("tableur")).counts.skills == {
        market.skill("tableur").id: 1, market.skill("site-vitrine").id: 1,
    }  # fmt: skip


def test_a_search_takes_a_fixed_number_of_queries(market):
    read = []
    for _ in range(2):
        with market.in_one_transaction():
            for _ in range(5):
                market.need(title="Ma facture", extra_skills=["tableur"])
        found("facture")
        db.session.expunge_all()
        with counted() as queries:
            found("facture")
        read.append(int(queries))
    assert read[0] == read[1]
    assert read[0] <= 12
